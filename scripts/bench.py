"""Speed of this machine's seqlab beside PyTorch's: `scripts/bench.py gpt-small`, or no name for
all.

Each variant runs in a worker process of its own, one at a time; the order is shuffled every round
and medians are compared, so that a machine that slows down slows all of them. Every variant is run
with the allocator settings of `seqlab.runtime.tune_malloc` and without: compare like with like, or
each side's best. --cores 1 pins all to one core and one thread, and compares CPU time: the way to
measure on a machine that others use.

Needs torch, and transformers for decode's `generate`: pip install torch==2.13.0 transformers.
"""

import argparse
import importlib
import json
import os
import pathlib
import platform
import random
import resource
import statistics
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).parents[1]), str(pathlib.Path(__file__).parent)]

SMALL = dict(depth=4, heads=4, width=128, length=64, batch=12, vocab=65)
MEDIUM = dict(depth=6, heads=6, width=384, length=256, batch=16, vocab=65)
CELL = dict(width=512, length=128, batch=32)
SCAN = dict(batch=8, length=2048, width=512)
LAYER = dict(batch=8, length=1024, width=256)
HEAD = dict(rows=2048, width=384, vocab=50304)
BERT = dict(depth=12, heads=12, width=768, length=128, batch=4, vocab=30522)  # its base
PAIRS = dict(depth=3, heads=8, width=256, length=32, batch=64, vocab=8000)  # Multi30k's
SEARCH = PAIRS | dict(batch=8, beams=5)
WRITE = dict(depth=6, heads=6, width=384, length=128, batch=1, vocab=50304)

# case: its variants, the first being the one that ratios are against; (maker, arguments).
CASES = {
  "gpt-small": {
    "torch": ("torch.gpt", SMALL),
    "torch compile": ("torch.gpt", SMALL | dict(compiled=True)),
    "torch compile bfloat16": ("torch.gpt", SMALL | dict(compiled=True, bfloat16=True)),
    "seqlab": ("seqlab.gpt", SMALL),
    "seqlab 10 steps a dispatch": ("seqlab.gpt", SMALL | dict(inner=10)),
    "seqlab bfloat16": ("seqlab.gpt", SMALL | dict(dtype="bfloat16")),
  },
  "gpt-medium": {
    "torch": ("torch.gpt", MEDIUM),
    "torch compile": ("torch.gpt", MEDIUM | dict(compiled=True)),
    "torch compile bfloat16": ("torch.gpt", MEDIUM | dict(compiled=True, bfloat16=True)),
    "seqlab": ("seqlab.gpt", MEDIUM),
    "seqlab bfloat16": ("seqlab.gpt", MEDIUM | dict(dtype="bfloat16")),
  },
  "lstm": {
    "torch": ("torch_layers.recurrent", CELL | dict(cell="lstm")),
    "torch bfloat16": ("torch_layers.recurrent", CELL | dict(cell="lstm", bfloat16=True)),
    "seqlab": ("seqlab.recurrent", CELL | dict(cell="lstm")),
  },
  "gru": {
    "torch": ("torch_layers.recurrent", CELL | dict(cell="gru")),
    "seqlab": ("seqlab.recurrent", CELL | dict(cell="gru")),
  },
  "recurrence": {
    "torch loop": ("torch_layers.recurrence", SCAN | dict(by_hand=False)),
    "torch loop, backward by hand": ("torch_layers.recurrence", SCAN | dict(by_hand=True)),
    "seqlab sequential": ("seqlab.recurrence", SCAN | dict(form="sequential")),
    "seqlab associative": ("seqlab.recurrence", SCAN | dict(form="associative")),
    "naive scan": ("seqlab.recurrence", SCAN | dict(form="naive")),
  },
  "s5": {
    "jax, as its authors": ("scans.s5_associative", LAYER | dict(hidden=128)),
    "seqlab": ("scans.layer", LAYER | dict(mixer="s5(hidden=128)")),
  },
  "rg-lru scan": {
    "jax, as recurrentgemma": ("scans.recurrence", LAYER | dict(form="native")),
    "seqlab": ("scans.recurrence", LAYER | dict(form="seqlab")),
  },
  "min-gru": {
    "torch, in log space": ("torch_layers.min_gru", LAYER),
    "seqlab": ("scans.layer", LAYER | dict(mixer="min_gru()")),
  },
  "cross-entropy": {
    "torch": ("torch_layers.cross_entropy", HEAD),
    "torch bfloat16": ("torch_layers.cross_entropy", HEAD | dict(bfloat16=True)),
    "seqlab": ("seqlab.cross_entropy", HEAD),
    "naive": ("seqlab.cross_entropy", HEAD | dict(naive=True)),
  },
  "encoder": {
    "torch": ("torch.masked", BERT),
    "torch bfloat16": ("torch.masked", BERT | dict(bfloat16=True)),
    "seqlab": ("seqlab.masked", BERT),
    "seqlab bfloat16": ("seqlab.masked", BERT | dict(dtype="bfloat16")),
  },
  "translation": {
    "torch": ("torch.translation", PAIRS),
    "seqlab": ("seqlab.translation", PAIRS),
  },
  "beam": {
    "torch, loop by hand": ("torch.beam_by_hand", SEARCH),
    "transformers generate": ("torch.beam_transformers", SEARCH),
    "jax, loop by hand": ("seqlab.beam_loop", SEARCH),
    "seqlab": ("seqlab.beam", SEARCH),
  },
  "decode": {
    "transformers generate": ("torch.decode_transformers", WRITE),
    "torch, cache by hand": ("torch.decode_cached", WRITE),
    "seqlab": ("seqlab.decode", WRITE),
  },
}  # fmt: skip


def work(case, variant, tuned):
  """Makes the variant, then for each number on stdin runs so many steps: [seconds, CPU seconds,
  MB]."""
  if tuned:
    from seqlab.runtime import tune_malloc

    tune_malloc()
  name, arguments = CASES[case][variant]
  family, _, maker = name.partition(".")
  if family.startswith("torch"):
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
  step = getattr(importlib.import_module(f"bench_{family}"), maker)(**arguments)
  step(3)
  print("ready", flush=True)
  for line in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    done = step(int(line)) or int(line)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([wall / done, cpu / done, memory]), flush=True)


class Worker:
  """One variant's process."""

  def __init__(self, case, variant, tuned, cores):
    command = [sys.executable, __file__, "--work", case, variant, str(int(tuned))]
    if cores:
      command = [
        "taskset",
        "-c",
        ",".join(map(str, sorted(os.sched_getaffinity(0))[-cores:])),
        *command,
      ]
    self.times, self.steps = [], 1
    self.process = subprocess.Popen(
      command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    self.ready = self.process.stdout.readline() == "ready\n"

  def run(self, steps):
    print(steps, file=self.process.stdin, flush=True)
    return json.loads(self.process.stdout.readline())

  def median(self, i):
    return statistics.median(times[i] for times in self.times)


def compare(case, variants, rounds, seconds, cores):
  """Prints a table of the case's variants, with and without the allocator settings."""
  names = [name for name in CASES[case] if not variants or name in variants]
  workers = {}
  for name in names:
    for tuned in (False, True):
      worker = Worker(case, name, tuned, cores)
      if worker.ready:
        workers[name, tuned] = worker
        worker.steps = max(1, round(seconds / worker.run(1)[0]))
      else:
        print(f"  {name}: did not start")
  if (names[0], False) not in workers or (names[0], True) not in workers:
    sys.exit(f"{case}: {names[0]}, which ratios are against, did not start")
  for _ in range(rounds):
    for worker in random.sample(list(workers.values()), len(workers)):
      time.sleep(0.1)  # threads of the one before stop spinning
      worker.times.append(worker.run(worker.steps))
  which = 1 if cores == 1 else 0
  base = {tuned: workers[names[0], tuned].median(which) for tuned in (False, True)}
  best = min(base.values())
  print(f"\n{case}: ms a step and speed against {names[0]!r}{' by CPU time' if which else ''}")
  print(f"  {'':30}{'stock malloc':>22}{'tuned malloc':>22}{'best against best':>20}{'MB':>8}")
  for name in dict.fromkeys(name for name, _ in workers):
    found = {tuned: workers[name, tuned] for tuned in (False, True) if (name, tuned) in workers}
    cells = [
      f"{w.median(which) * 1e3:12.2f}  {base[t] / w.median(which):5.2f}x" for t, w in found.items()
    ]
    speed = best / min(w.median(which) for w in found.values())
    memory = max(w.median(2) for w in found.values())
    print(
      f"  {name:30}" + "".join(f"{c:>22}" for c in cells) + f"{speed:19.2f}x{memory:8.0f}",
      flush=True,
    )
  for worker in workers.values():
    worker.process.stdin.close()
    worker.process.wait()


def main():
  if sys.argv[1:2] == ["--work"]:
    case, variant, tuned = sys.argv[2:]
    return work(case, variant, tuned == "1")
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
  parser.add_argument("--variants", nargs="*", help="names of variants; default all")
  parser.add_argument("--rounds", type=int, default=9)
  parser.add_argument("--seconds", type=float, default=0.5, help="of one segment")
  parser.add_argument("--cores", type=int, default=0, help="that each worker is pinned to; 0: all")
  options = parser.parse_args()
  for case in options.cases:
    if case not in CASES:
      parser.error(f"{case!r} is none of {', '.join(CASES)}")
  from importlib.metadata import version

  from seqlab.runtime import describe

  machine = describe()
  where = f"{machine['cpu']}, {machine['cpus']} cores, {platform.platform()}"
  print(f"{where}, load {os.getloadavg()[0]:.1f}")
  print(time.strftime("%Y-%m-%d"), *(f"{name} {version(name)}" for name in ("jax", "torch")))
  for case in options.cases or CASES:
    compare(case, options.variants, options.rounds, options.seconds, options.cores)


if __name__ == "__main__":
  main()
