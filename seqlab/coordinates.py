"""`seqlab coordinates`: how much the numbers inside a network move in the first steps, by width.

The coordinate check of width transfer (arXiv:2203.03466, appendix D.1). A network of each width is
trained for a few steps on the same batches; what moves is the mean over features of how far block
outputs and scores of one batch are from where they began. Slopes are of log size against log width:
near 0 where learning rates transfer, above it where a wide network learns too fast.
"""

import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from seqlab import axes, build, pictures
from seqlab.adapt import adaptations
from seqlab.bases import read_config
from seqlab.data.learned import Known, learned_from
from seqlab.errors import UserError
from seqlab.pictures.coordinates import coordinates as drawn
from seqlab.prepare import data_of
from seqlab.spec import parse
from seqlab.step import make_train_step
from seqlab.table import show


def run(workdir: str, widths: list[int], steps: int, seeds: int) -> None:
  """Writes coordinates.json and coordinates.png into the run's folder; its config is tried at each
  width.
  """
  config, folder = read_config(workdir), pathlib.Path(workdir)
  if build.called(config, "objective").name != "language_model":
    raise UserError(
      f"--workdir={workdir}: config.objective={config.objective!r}; the check reads a language "
      f"model"
    )
  if adaptations(config.init.adapt).lora or config.init.path:
    raise UserError(f"--workdir={workdir}: it starts from another run, which has one width")
  configs = {width: _wide(config, width) for width in sorted(set(widths))}
  widths, said = [*configs], ", ".join(map(str, configs))
  if len(widths) < 2:
    raise UserError(f"--widths={said}: two widths or more are wanted")
  data = data_of(config)
  moved: dict[str, list[np.ndarray]] = {}  # by name, for each width [seeds, steps]
  for width, sized in configs.items():
    found = [movements(_seeded(sized, seed), data, steps) for seed in range(seeds)]
    for name in found[0]:
      moved.setdefault(name, []).append(np.array([one[name] for one in found]))
    print(f"width {width}: " + _said({name: moved[name][-1][:, -1] for name in moved}), flush=True)
  slopes = {name: slope(widths, of) for name, of in moved.items()}
  show(
    f"after {steps} steps, slope over widths {said}",
    ("", "slope"),
    [(name, f"{value:+.3f}") for name, value in slopes.items()],
  )
  kept: dict[str, Any] = {f"slope_{name}": value for name, value in slopes.items()}
  kept["steepest"] = max(slopes.values(), key=abs)
  kept |= {"widths": widths, "steps": steps, "seeds": seeds}
  (folder / "coordinates.json").write_text(json.dumps(kept, indent=1) + "\n")
  means = {name: [rows.mean(0).tolist() for rows in of] for name, of in moved.items()}
  pictures.save(folder / "coordinates.png", drawn(widths, means))
  print(f"written: {folder / 'coordinates.json'}, {folder / 'coordinates.png'}")


def movements(config: ConfigDict, data: Known, steps: int) -> dict[str, list[float]]:
  """By name, after each step the mean size of how far the features of a batch are from where they
  were before the first; names are "first_block", "last_block" and "scores".
  """
  learned = learned_from(data)
  objective = build.make_objective(config, learned)
  scales = build.width_scales(config, learned)
  loader = build.make_loader(config, data)
  optimizers = build.make_optimizers(config, objective, loader.steps_per_epoch, scales)
  train_step = jax.jit(make_train_step(objective, optimizers, config.seed))
  network: Any = objective.network
  batch = loader(0)
  inputs = batch["tokens_BT"], batch["pos_BT"]

  @jax.jit
  def features(params: Any) -> dict[str, jax.Array]:
    noted = network.noted(params, *inputs)
    repeats, rest = divmod(config.model.depth, len(parse(config.model.mixer)))
    first, last = ("layers_L/block0", 0), (f"tail/block{rest - 1}", None)
    if not rest:
      last = f"layers_L/block{len(parse(config.model.mixer)) - 1}", repeats - 1
    found = {}
    for name, (block, repeat) in {"first_block": first, "last_block": last}.items():
      x = noted[f"stack/{block}/x_BTD"]
      found[name] = x if repeat is None else x[repeat]
    x_BTD, _ = network(params, *inputs)
    return found | {"scores": network(params, x_BTD, method="logits")}

  @jax.jit
  def distance(now: Any, then: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.mean(jnp.abs(a - b)), now, then)

  with axes.use_mesh(build.make_mesh(config), build.table(config)) as mesh:
    initial = build.initial_state(config, objective, optimizers, loader, mesh, scales)
    state = initial.make(config.seed)
    began, moved = features(state["params"]["model"]), []
    for step in range(steps):
      state, _ = train_step(state, axes.put_batch(loader(step), mesh))
      moved.append(jax.device_get(distance(features(state["params"]["model"]), began)))
  return {name: [float(one[name]) for one in moved] for name in began}


def slope(widths: list[int], moved: list[np.ndarray]) -> float:
  """Of log size, after the last step and averaged over seeds, against log width."""
  sizes = [float(rows[:, -1].mean()) for rows in moved]
  if not min(sizes) > 0:
    raise UserError("nothing moves in these steps: everything is frozen, or the rate is 0")
  sizes = np.log(sizes).tolist()
  return float(np.polyfit(np.log(widths), sizes, 1)[0])


def _wide(config: ConfigDict, width: int) -> ConfigDict:
  config = config.copy_and_resolve_references()
  config.model.width, config.model.parameters = width, 0
  build.check(config)
  return config


def _seeded(config: ConfigDict, seed: int) -> ConfigDict:
  config = config.copy_and_resolve_references()
  config.seed += seed
  return config


def _said(values: dict[str, np.ndarray]) -> str:
  return "  ".join(f"{name} {rows.mean():.4f}" for name, rows in values.items())
