"""Every mixer beside attention, at equal parameters: `scripts/bench_mixers.py --lengths 256 1024`.

A decoder of plain blocks is trained on random tokens, and writes on with a state that as many fit
into, each in a process of its own; attention's runs beside it, segment by segment in turn, and the
ratio is the median of the pairs'. The width is what brings a mixer to the wanted parameters. Slopes
are of the log time of a row, or of a token written, against log length: 1 is linear, 0 constant.
"""

import argparse
import contextlib
import importlib
import itertools
import json
import math
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).parents[1]), str(pathlib.Path(__file__).parent)]

BASE = "attention()"
MADE = {"train": "mixer_train", "decode": "mixer_decode"}
CHUNK = 16  # tokens that a step of decoding writes


def work(options):
  """Makes both programs of one mixer; for each line on stdin, its name and a number of steps, says
  [seconds a step, MB at most so far].
  """
  from seqlab.runtime import tune_malloc

  tune_malloc()
  makers = importlib.import_module("bench_stacks")
  runs, width = {}, makers.width_for(options["mixer"], options["depth"], options["parameters"])
  for name in options["what"]:
    runs[name] = getattr(makers, MADE[name])(width=width, **{
      key: options[key] for key in ("mixer", "depth", "length", "tokens", "dtype")
    })  # fmt: skip
    runs[name](1)
  print(json.dumps(width), flush=True)
  for line in sys.stdin:
    name, steps = json.loads(line)
    began = time.perf_counter()
    runs[name](steps)
    taken = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([taken / steps, memory]), flush=True)


class Worker:
  """One mixer at one length, in a process of its own."""

  def __init__(self, **options):
    command = [sys.executable, __file__, "--work", json.dumps(options)]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    self.process = subprocess.Popen(command, **pipes)
    said = self.process.stdout.readline()
    self.width = json.loads(said) if said.strip() else None  # None: it did not start

  def run(self, name, steps):
    """[seconds a step, MB].

    Raises:
      ChildProcessError: the process has died, as for want of memory.
    """
    try:
      print(json.dumps([name, steps]), file=self.process.stdin, flush=True)
    except BrokenPipeError:
      raise ChildProcessError from None
    if not (said := self.process.stdout.readline()):
      raise ChildProcessError
    return json.loads(said)

  def close(self):
    with contextlib.suppress(BrokenPipeError):  # it has died already
      self.process.stdin.close()
    self.process.wait()


def measure(worker, base, name, rounds, seconds):
  """Seconds a step, attention's over it, MB."""
  steps = [max(1, round(seconds / w.run(name, 1)[0])) for w in (worker, base)]
  pairs = [
    [w.run(name, n) for w, n in zip((worker, base), steps, strict=True)] for _ in range(rounds)
  ]
  own = statistics.median(mine[0] for mine, _ in pairs)
  ratio = statistics.median(other[0] / mine[0] for mine, other in pairs)
  return own, ratio, max(mine[1] for mine, _ in pairs)


def slope(lengths, times):
  """The least-squares slope of log time against log length."""
  x, y = ([math.log(v) for v in values] for values in (lengths, times))
  mx, my = statistics.fmean(x), statistics.fmean(y)
  return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)


def main():
  if sys.argv[1:2] == ["--work"]:
    return work(json.loads(sys.argv[2]))
  from seqlab.nn.mixers import MIXERS

  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("mixers", nargs="*", help="specs; all if absent")
  parser.add_argument("--lengths", nargs="+", type=int, default=[256, 1024])
  parser.add_argument("--what", nargs="+", choices=MADE, default=list(MADE))
  parser.add_argument("--parameters", type=float, default=1e7)
  parser.add_argument("--depth", type=int, default=4)
  parser.add_argument("--tokens", type=int, default=4096, help="of a train step, one row at least")
  parser.add_argument("--dtype", default="float32")
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--seconds", type=float, default=1.0, help="of one segment")
  asked = parser.parse_args()
  given = {name: getattr(asked, name) for name in ("depth", "parameters", "tokens", "dtype")}
  specs = asked.mixers or [f"{name}()" for name in MIXERS]
  print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
  print(time.strftime("%Y-%m-%d"), f"{asked.parameters:,.0f} parameters, depth {asked.depth}")
  found = {}
  for length, name in itertools.product(asked.lengths, asked.what):
    base = Worker(mixer=BASE, length=length, what=[name], **given)
    for spec in specs:
      worker = Worker(mixer=spec, length=length, what=[name], **given)
      try:
        if worker.width is None:
          raise ChildProcessError
        own, ratio, memory = measure(worker, base, name, asked.rounds, asked.seconds)
      except ChildProcessError:
        print(f"{spec} or attention at {length}, {name}: its process died", flush=True)
        continue
      finally:
        worker.close()
      rows = max(asked.tokens // length, 1) if name == "train" else 1
      found[spec, name, length] = own / rows
      told = rows * length if name == "train" else CHUNK
      print(
        f"{spec:26} width {worker.width:4} {name:7} {length:6} {told / own:9,.0f} tokens/s "
        f"{ratio:6.2f}x attention {memory:7,.0f} MB",
        flush=True,
      )
    base.close()
  if len(asked.lengths) > 1:
    for spec in specs:
      times = {
        name: [
          found[spec, name, length] for length in asked.lengths if (spec, name, length) in found
        ]
        for name in asked.what
      }
      told = (
        f"{name} {slope(asked.lengths, t):5.2f}"
        for name, t in times.items()
        if len(t) == len(asked.lengths)
      )
      print(f"{spec:28} slopes: {', '.join(told)}")


if __name__ == "__main__":
  main()
