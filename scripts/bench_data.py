"""Tokens per CPU-second of the loader, and MB per CPU-second of preparing; prints a table.

  python scripts/bench_data.py

CPU time of this process, so that a busy machine does not count; the page cache is warm.
"""

import tempfile
import time

import numpy as np

from seqlab.data.loader import Loader
from seqlab.data.packing import best_fit
from seqlab.data.permutation import permute
from seqlab.data.prefetch import prefetch
from seqlab.prepare import prepare


def rate(work, repeat: int) -> float:
  """Runs of `work` per CPU-second, after one that warms up."""
  work(0)
  began = time.process_time()
  for step in range(1, repeat + 1):
    work(step)
  return repeat / (time.process_time() - began)


def main() -> None:
  with tempfile.TemporaryDirectory() as folder:
    for tokenizer in ("bytes()", "characters()", "bpe(vocab=4096)"):
      began = time.process_time()
      corpus = prepare("embedded()", tokenizer, store=folder, tell=lambda line: None)
      seconds = time.process_time() - began
      size = sum(corpus.size(split)["bytes"] for split in ("train", "valid")) / 1e6
      print(f"prepare {tokenizer:18} {size / seconds:8.1f} MB/CPU-s, {size:.1f} MB")
    for batch, length in ((32, 1024), (12, 64), (64, 256), (8, 4096)):
      for kind in (dict(), dict(order="lanes"), dict(rows="packed"), dict(train=False)):
        split = "train" if kind.get("train", True) else "valid"
        loader = Loader(corpus, split, length=length, batch=batch, **kind)
        steps = loader.steps_per_epoch
        per_second = rate(lambda step, load=loader, n=steps: load(step % n), 200)
        name = f"batch={batch} length={length} {' '.join(f'{k}={v}' for k, v in kind.items())}"
        print(
          f"load {name:40} {per_second * batch * length / 1e6:8.1f} Mtok/CPU-s"
          f" {1e6 / per_second:8.0f} us/batch"
        )
    loader = Loader(corpus, length=1024, batch=32)
    began, cpu = time.perf_counter(), time.process_time()
    for _ in prefetch(loader, 0, 300):
      pass
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
      f"prefetch batch=32 length=1024 {300 * 32 * 1024 / cpu / 1e6:.1f} Mtok/CPU-s, {wall:.2f} s"
    )
  index = np.arange(1 << 20)
  print(f"permute 2**20 of 1e9: {rate(lambda step: permute(index, 10**9, 0, step), 3):.1f} /CPU-s")
  sizes = np.random.default_rng(0).integers(1, 1024, 10**5)
  print(f"best_fit of 100,000 pieces: {1 / rate(lambda step: best_fit(sizes, 1024), 3):.2f} CPU-s")


if __name__ == "__main__":
  main()
