"""How made examples compare with real ones: modes of a mixture, a Fréchet distance, classes."""

import numpy as np


def modes(made_ND: np.ndarray, real_ND: np.ndarray, label_N: np.ndarray) -> dict[str, float]:
  """Of points made after a mixture whose components are known (PacGAN, arXiv:1712.04086, section
  4.1): the number of modes with a sample within 3 standard deviations, the share of samples within
  3 of some mode, and KL(made || real) over modes in nats, of those samples, as if all modes were
  equally likely.

  real: points with the number of the mode that each is of, from which centres and the standard
    deviation are taken.
  """
  found = np.unique(label_N)
  centre_MD = np.stack([real_ND[label_N == m].mean(0) for m in found])
  spread = np.concatenate(
    [real_ND[label_N == m] - c for m, c in zip(found, centre_MD, strict=True)]
  )
  gap_NM = np.linalg.norm(made_ND[:, None] - centre_MD, axis=-1) / np.sqrt((spread**2).mean())
  near_N, good_N = gap_NM.argmin(1), gap_NM.min(1) < 3
  share_M = np.bincount(near_N[good_N], minlength=len(found)) / max(good_N.sum(), 1)
  held = share_M[share_M > 0]
  return {
    "modes": float(len(held)),
    "high_quality": float(good_N.mean()),
    "reverse_kl": float(np.log(len(found)) + (held * np.log(held)).sum()),
  }


def frechet(real_NF: np.ndarray, made_NF: np.ndarray) -> float:
  """The Fréchet distance of two normal distributions fitted to features (arXiv:1706.08500, equation
  6): of another network's features than Inception's it cannot be set against published numbers.
  """
  means = [x.mean(0) for x in (real_NF, made_NF)]
  real_FF, made_FF = (np.cov(x, rowvar=False) for x in (real_NF, made_NF))
  values, vectors = np.linalg.eigh(real_FF)
  root_FF = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
  # tr (AB)^(1/2) by the symmetric root A^(1/2) B A^(1/2), which has the same eigenvalues
  cross = np.linalg.eigvalsh(root_FF @ made_FF @ root_FF)
  gap = ((means[0] - means[1]) ** 2).sum()
  return float(gap + np.trace(real_FF + made_FF) - 2 * np.sqrt(np.maximum(cross, 0)).sum())


def coverage(logits_NC: np.ndarray) -> dict[str, float]:
  """Of what a classifier says of samples: classes that at least one per cent of them are of, the
  mean probability of their class, and the inception score (arXiv:1606.03498, section 4) under it.
  """
  logits = logits_NC - logits_NC.max(1, keepdims=True)
  p_NC = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  share_C = np.bincount(p_NC.argmax(1), minlength=p_NC.shape[1]) / len(p_NC)
  gain_NC = p_NC * (np.log(p_NC + 1e-12) - np.log(p_NC.mean(0) + 1e-12))
  return {
    "classes": float((share_C >= 0.01).sum()),
    "confidence": float(p_NC.max(1).mean()),
    "inception_score": float(np.exp(gain_NC.sum(1).mean())),
  }
