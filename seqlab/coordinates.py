"""`seqlab coordinates`: how much the numbers inside a network move in the first steps, by width.

The coordinate check of width transfer (arXiv:2203.03466, appendix D.1). A network of each width is
trained for a few steps on the same batches; what moves is the mean over features of how far block
outputs and scores of one batch are from where they began. Slopes are of log size against log width:
near 0 where learning rates transfer, above it where a wide network learns too fast.
"""

import json
import math
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from seqlab import axes, build, pictures
from seqlab.bases import read_config
from seqlab.data.learned import Known, learned_from
from seqlab.errors import UserError
from seqlab.pictures.coordinates import coordinates as drawn
from seqlab.prepare import data_of
from seqlab.step import make_train_step
from seqlab.table import show

SCORES = "scores"


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
  if len(set(widths)) < 2:
    raise UserError(f"--widths={','.join(map(str, widths))}: two widths or more are wanted")
  data = data_of(config)
  moved: dict[str, list[np.ndarray]] = {}  # by name, for each width [seeds, steps]
  for width in sorted(set(widths)):
    sized = config.copy_and_resolve_references()
    sized.model.width, sized.model.parameters = width, 0
    build.check(sized)
    found = [movements(_seeded(sized, seed), data, steps) for seed in range(seeds)]
    for name in found[0]:
      moved.setdefault(name, []).append(np.array([one[name] for one in found]))
    print(f"width {width}: " + _said({name: moved[name][-1][:, -1] for name in moved}), flush=True)
  slopes = {name: slope(sorted(set(widths)), of) for name, of in moved.items()}
  show(
    f"after {steps} steps, slope over widths {', '.join(map(str, sorted(set(widths))))}",
    ("", "slope"),
    [(name, f"{value:+.3f}") for name, value in slopes.items()],
  )
  kept: dict[str, Any] = {f"slope_{name}": value for name, value in slopes.items()}
  kept["steepest"] = max(slopes.values(), key=abs)
  kept |= {"widths": sorted(set(widths)), "steps": steps, "seeds": seeds}
  (folder / "coordinates.json").write_text(json.dumps(kept, indent=1) + "\n")
  means = {name: [rows.mean(0).tolist() for rows in of] for name, of in moved.items()}
  pictures.save(folder / "coordinates.png", drawn(sorted(set(widths)), means))
  print(f"written: {folder / 'coordinates.json'}, {folder / 'coordinates.png'}")


def movements(config: ConfigDict, data: Known, steps: int) -> dict[str, list[float]]:
  """By name, after each step the mean size of how far the features of a batch are from where they
  were before the first; names are those of blocks, and "scores".
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
    found: dict[str, jax.Array] = {}
    for path, x in noted.items():
      _, *inside, leaf = path.split("/")
      if leaf == "x_BTD":
        layers = x if "layers_L" in inside else x[None]
        found |= {f"{'/'.join(inside)}/{n}": layer for n, layer in enumerate(layers)}
    x_BTD, _ = network(params, *inputs)
    blocks = list(found.values())
    ends = {"first_block": blocks[0], "last_block": blocks[-1]}
    return ends | {SCORES: network(params, x_BTD, method="logits")}

  @jax.jit
  def distance(now: Any, then: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.mean(jnp.abs(a - b)), now, then)

  with axes.use_mesh(build.make_mesh(config)) as mesh:
    state = build.initial_state(config, objective, optimizers, loader, mesh, scales).make()
    began, moved = features(state["params"]["model"]), []
    for step in range(steps):
      state, _ = train_step(state, axes.put_batch(loader(step), mesh))
      moved.append(jax.device_get(distance(features(state["params"]["model"]), began)))
  return {name: [float(one[name]) for one in moved] for name in began}


def slope(widths: list[int], moved: list[np.ndarray]) -> float:
  """Of log size, after the last step and averaged over seeds, against log width."""
  sizes = [math.log(float(rows[:, -1].mean())) for rows in moved]
  return float(np.polyfit(np.log(widths), sizes, 1)[0])


def _seeded(config: ConfigDict, seed: int) -> ConfigDict:
  config = config.copy_and_resolve_references()
  config.seed += seed
  return config


def _said(values: dict[str, np.ndarray]) -> str:
  return "  ".join(f"{name} {rows.mean():.4f}" for name, rows in values.items())
