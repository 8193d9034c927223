"""Where in a sentence model's latent space to write from: anywhere, around a sentence, or on the
way from one to another.
"""

from collections.abc import Sequence

import jax
import numpy as np

from seqlab.errors import UserError
from seqlab.texts import encoded
from seqlab.trained import Trained

_STEPS = 7  # of a way, where no number is given


def places(run: Trained, texts: Sequence[str], count: int, seed: int) -> np.ndarray:
  """Latent numbers, float32 [count, Z]. Without a text `count` draws from the prior; with one,
  draws from what the encoder says of it; with two, points at even distances from the mean of the
  one to that of the other (arXiv:1511.06349, section 4.3). A `count` of 0 is 1, or 7 on a way.

  Raises:
    UserError: more than two texts, or one that is empty or longer than the model's rows.
  """
  network = run.objective.network
  noise_NZ = np.random.default_rng(seed).normal(size=(count or 1, network.module.latent))
  if not texts:
    return noise_NZ.astype(np.float32)
  if len(texts) > 2:
    raise UserError(
      f"--prompt={texts[2]!r}: one sentence to write like, or two to go from one to the other"
    )
  shape = len(texts), run.config.length
  tokens_BT, pos_BT = np.full(shape, run.learned.tokenizer.pad, np.int32), np.zeros(shape, np.int32)
  weight_BT = np.zeros(shape, np.float32)
  for row, ids in enumerate(encoded(run, texts, "--prompt=")):
    tokens_BT[row, : len(ids)], pos_BT[row, : len(ids)] = ids, np.arange(len(ids))
    weight_BT[row, : len(ids)] = 1
  params = run.writer
  encode = jax.jit(lambda *inputs: network(*inputs, method="encode"))
  mean_BZ, logvar_BZ = jax.device_get(encode(params, tokens_BT, pos_BT, weight_BT))
  if len(texts) == 2:
    share_N1 = np.linspace(0, 1, count or _STEPS, dtype=np.float32)[:, None]
    return (1 - share_N1) * mean_BZ[0] + share_N1 * mean_BZ[1]
  return (mean_BZ + np.exp(logvar_BZ / 2) * noise_NZ).astype(np.float32)
