"""Examples made by a trained generator (a GAN, a VAE): drawn, kept, and set against real ones."""

from typing import Any

import jax
import numpy as np

from seqlab import pictures
from seqlab.data.arrays import Arrays
from seqlab.data.files import find
from seqlab.data.oracle import LENGTH, Oracle
from seqlab.data.tokenizers import Words
from seqlab.decode import Decoding, Draw
from seqlab.errors import UserError
from seqlab.objectives.classification import Classification
from seqlab.scores import generated as scores
from seqlab.spec import parse
from seqlab.trained import Trained, open_run

_AT_ONCE = 500


def draw(run: Trained, count: int, seed: int) -> np.ndarray:
  """`count` examples, [count, *shape], 500 at a time."""
  objective: Any = run.objective
  one = jax.jit(objective.draw, static_argnums=2)
  params = jax.device_put(run.params, jax.devices()[0])
  keys = jax.random.split(jax.random.key(seed), -(-count // _AT_ONCE))
  return np.concatenate([jax.device_get(one(params, key, _AT_ONCE)) for key in keys])[:count]


def sample(run: Trained, count: int, seed: int) -> None:
  """Writes samples.npz into the run's folder, and samples.png of the first hundred."""
  made = draw(run, count, seed)
  path = run.folder / "samples.npz"
  try:
    np.savez_compressed(path, images=made)
    if made.ndim == 4:
      side = max(1, int(min(len(made), 100) ** 0.5))
      shown = made[: side * side].reshape(side, side, *made.shape[1:])
      (run.folder / "samples.png").write_bytes(pictures.grid(shown))
    elif made.ndim == 2:
      (run.folder / "samples.png").write_bytes(pictures.scatter(made[:, :2]))
  except OSError as error:
    raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
  print(f"{len(made):,} samples of {list(made.shape[1:])}: {path}, samples.png")


def compare(
  run: Trained, data: Arrays, split: str, classifier: str, seed: int = 0
) -> dict[str, float]:
  """Scores of what the run makes: modes of points whose labels say them; of images under the
  classifier of another run, where one is named; the Fréchet distance only where there are twice as
  many real images as features, and more.

  Raises:
    UserError: the classifier is none of such arrays.
  """
  columns = data.splits[split]
  if "x_BD" in columns:
    if "label_B" not in columns:
      return {}
    made = draw(run, 2500, seed)
    return scores.modes(made, columns["x_BD"], columns["label_B"])
  if not classifier:
    return {}
  judge = open_run(classifier)
  if judge.learned.shapes.get("image_BYXD") != run.learned.shapes["image_BYXD"]:
    raise UserError(
      f"--classifier={classifier}: it reads {dict(judge.learned.shapes)}, and this run makes "
      f"{dict(run.learned.shapes)}"
    )
  if not isinstance(judge.objective, Classification):
    raise UserError(f"--classifier={classifier}: config.objective={judge.config.objective!r}")
  real, made = columns["image_BYXD"], draw(run, 10_000, seed)
  every = np.random.default_rng(seed).permutation(len(real))[:10_000]
  real = real[np.sort(every)]
  real = real / np.float32(255) if real.dtype == np.uint8 else real
  network, params = judge.objective.network, judge.params["model"]
  features = jax.jit(lambda x: network(params, x, method="features"))
  logits = jax.jit(lambda x: network(params, x))

  def all_of(told: jax.stages.Wrapped, x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(told(x[i : i + 500])) for i in range(0, len(x), 500)])

  found = scores.coverage(all_of(logits, made).astype(float))
  real_NF, made_NF = (all_of(features, x).astype(float) for x in (real, made))
  if len(real_NF) > 2 * real_NF.shape[1]:  # with fewer the distance is that of the fits
    found["frechet_distance"] = scores.frechet(real_NF, made_NF)
  return found


def under_the_oracle(run: Trained, count: int = 10_000, seed: int = 0) -> dict[str, float]:
  """Nats a token, under the oracle of its data, of sequences that a language model draws (SeqGAN,
  arXiv:1609.05473, equation 9); {} where its data is of no oracle.
  """
  calls, tokenizer = parse(run.config.data.source, "config.data.source"), run.learned.tokenizer
  if [call.name for call in calls] != ["oracle"] or not isinstance(tokenizer, Words):
    return {}
  ((file, _),) = find(calls[0].kwargs["path"], "config.data.source")[:1]
  known = Oracle(file, "config.data.source")
  silent = (*tokenizer.silent, tokenizer.eot)  # all sequences of the oracle are as long
  decoding = Decoding(
    run.objective.network, Draw(), eot=tokenizer.eot, ids=tokenizer.vocab, silent=silent
  )
  params, found = run.writer, []
  for start in range(0, count, _AT_ONCE):
    prompts = [np.array([tokenizer.eot])] * _AT_ONCE
    drawn = [np.stack(new) for new in decoding(params, prompts, LENGTH, seed + start)]
    texts = [tokenizer.decode(ids) for ids in np.concatenate(drawn, 1)]
    found += [[int(word) for word in text.split()] for text in texts]
  return {"oracle_nll": known.nll(np.array(found[:count]))}
