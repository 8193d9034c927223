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
import functools
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
HEAD = dict(rows=2048, width=384, vocab=50304)
WRITE = dict(depth=6, heads=6, width=384, length=128, batch=1, vocab=50304)

# case: its variants, the first being the one that ratios are against; (maker, arguments).
CASES = {
  "gpt-small": {
    "torch": ("torch.gpt", SMALL),
    "torch compile": ("torch.gpt", SMALL | dict(compiled=True)),
    "torch compile bfloat16": ("torch.gpt", SMALL | dict(compiled=True, bfloat16=True)),
    "seqlab": ("gpt", SMALL),
    "seqlab 10 steps a dispatch": ("gpt", SMALL | dict(inner=10)),
    "seqlab bfloat16": ("gpt", SMALL | dict(dtype="bfloat16")),
  },
  "gpt-medium": {
    "torch": ("torch.gpt", MEDIUM),
    "torch compile": ("torch.gpt", MEDIUM | dict(compiled=True)),
    "torch compile bfloat16": ("torch.gpt", MEDIUM | dict(compiled=True, bfloat16=True)),
    "seqlab": ("gpt", MEDIUM),
    "seqlab bfloat16": ("gpt", MEDIUM | dict(dtype="bfloat16")),
  },
  "lstm": {
    "torch": ("torch.recurrent", CELL | dict(cell="lstm")),
    "torch bfloat16": ("torch.recurrent", CELL | dict(cell="lstm", bfloat16=True)),
    "seqlab": ("recurrent", CELL | dict(cell="lstm")),
  },
  "gru": {
    "torch": ("torch.recurrent", CELL | dict(cell="gru")),
    "seqlab": ("recurrent", CELL | dict(cell="gru")),
  },
  "recurrence": {
    "torch loop": ("torch.recurrence", SCAN | dict(by_hand=False)),
    "torch loop, backward by hand": ("torch.recurrence", SCAN | dict(by_hand=True)),
    "seqlab sequential": ("recurrence", SCAN | dict(form="sequential")),
    "seqlab associative": ("recurrence", SCAN | dict(form="associative")),
    "naive scan": ("recurrence", SCAN | dict(form="naive")),
  },
  "cross-entropy": {
    "torch": ("torch.cross_entropy", HEAD),
    "torch bfloat16": ("torch.cross_entropy", HEAD | dict(bfloat16=True)),
    "seqlab": ("cross_entropy", HEAD),
    "naive": ("cross_entropy", HEAD | dict(naive=True)),
  },
  "decode": {
    "transformers generate": ("torch.decode_transformers", WRITE),
    "torch, cache by hand": ("torch.decode_cached", WRITE),
    "seqlab": ("decode", WRITE),
  },
}  # fmt: skip


# --- What seqlab runs: each maker returns step(n), which returns when n steps are done
# -------------------


def _network(depth, heads, width, length, vocab, dtype="float32"):
  from seqlab import build, config

  values = config.load("", [
    f"model.mixer=attention(heads={heads}, positions='none')", "model.norm=layer",
    "model.mlp=plain()", f"model.width={width}", f"model.depth={depth}", f"length={length}",
    f"model.dtype={dtype}", "model.learned_positions=True",
  ])  # fmt: skip
  return build.make_network(values, vocab)


def gpt(depth, heads, width, length, batch, vocab, dtype="float32", inner=1):
  """The train step that `seqlab train` dispatches, on nanoGPT's model and random tokens."""
  import jax
  import numpy as np

  from seqlab import optim
  from seqlab.objectives.language_model import LanguageModel
  from seqlab.step import init_state, make_train_step, many_steps

  objective = LanguageModel(_network(depth, heads, width, length, vocab, dtype))
  schedule = optim.make_schedule("constant()", 1e-3, 1000, 1000)
  optimizers = {
    "model": optim.make_optimizer("adamw(b1=0.9, b2=0.99)", schedule, clip=1.0, decay=0.1)
  }
  tokens = np.random.default_rng(0).integers(0, vocab, (inner, batch, length + 1), np.int32)
  batches = dict(
    tokens_BT=tokens[..., :-1],
    labels_BT=tokens[..., 1:],
    pos_BT=np.broadcast_to(np.arange(length, dtype=np.int32), (inner, batch, length)),
    weight_BT=np.ones((inner, batch, length), np.float32),
  )
  one = {name: rows[0] for name, rows in batches.items()}
  state = init_state(objective, optimizers, jax.random.key(0), one, batch)
  dispatch = jax.jit(many_steps(make_train_step(objective, optimizers, 0)), donate_argnums=0)

  def step(n):
    nonlocal state
    for _ in range(-(-n // inner)):
      state, metrics = dispatch(state, batches)
    jax.block_until_ready(metrics)
    return -(-n // inner) * inner

  return step


def recurrent(cell, width, length, batch):
  """A train step of one recurrent mixer under a mean-square loss."""
  import jax
  import jax.numpy as jnp
  import numpy as np
  import optax

  from seqlab import optim
  from seqlab.nn.mixers import MIXERS

  mixer = MIXERS[cell]()
  x_BTD, y_BTD = jnp.asarray(
    np.random.default_rng(0).normal(size=(2, batch, length, width)), jnp.float32
  )
  pos_BT = jnp.broadcast_to(jnp.arange(length), (batch, length))
  params = mixer.init(jax.random.key(0), x_BTD, pos_BT)["params"]
  schedule = optim.make_schedule("constant()", 1e-3, 1000, 1000)
  optimizer = optim.make_optimizer("adamw()", schedule, clip=1.0, decay=0.1)

  def loss(params):
    return jnp.mean((mixer.apply({"params": params}, x_BTD, pos_BT)[0] - y_BTD) ** 2)

  @functools.partial(jax.jit, donate_argnums=(0, 1))
  def train(params, opt):
    value, grads = jax.value_and_grad(loss)(params)
    updates, opt = optimizer.update(grads, opt, params, jnp.int32(0))
    return optax.apply_updates(params, updates), opt, value

  state = params, optimizer.init(params)

  def step(n):
    nonlocal state
    for _ in range(n):
      *state, value = train(*state)
    value.block_until_ready()

  return step


def recurrence(batch, length, width, form):
  """Forward and backward of the linear recurrence."""
  import jax
  import jax.numpy as jnp
  import numpy as np

  from seqlab.ops import linear_recurrence as ops

  dh, a, b = jnp.asarray(
    np.random.default_rng(0).random(size=(3, batch, length, width)), jnp.float32
  )
  h = jnp.zeros((batch, width))
  op = (
    ops.linear_recurrence_naive
    if form == "naive"
    else functools.partial(ops.linear_recurrence, form=form)
  )

  @jax.jit
  def run(a, b, h, dh):
    y, back = jax.vjp(op, a, b, h)
    return y, back(dh)

  def step(n):
    for _ in range(n):
      made = run(a, b, h, dh)
    jax.block_until_ready(made)

  return step


def cross_entropy(rows, width, vocab, naive=False):
  """Loss and both gradients of a large-vocabulary head."""
  import jax
  import jax.numpy as jnp
  import numpy as np

  from seqlab.ops import cross_entropy as ops

  op = ops.chunked_cross_entropy_naive if naive else ops.chunked_cross_entropy
  random = np.random.default_rng(0)
  x_BTD = jnp.asarray(random.normal(size=(8, rows // 8, width)), jnp.float32)
  head_VD = jnp.asarray(0.02 * random.normal(size=(vocab, width)), jnp.float32)
  labels_BT = random.integers(0, vocab, x_BTD.shape[:2], np.int32)
  weight_BT = jnp.ones(x_BTD.shape[:2])
  run = jax.jit(jax.value_and_grad(lambda x, head: op(x, head, labels_BT, weight_BT)[0], (0, 1)))

  def step(n):
    for _ in range(n):
      made = run(x_BTD, head_VD)
    jax.block_until_ready(made)

  return step


def decode(depth, heads, width, length, batch, vocab):
  """Greedy decoding of `length` tokens by what `seqlab sample` runs."""
  import jax
  import numpy as np

  from seqlab.decode import Decoding, Draw

  network = _network(depth, heads, width, length + 1, vocab)
  zeros = np.zeros((batch, 1), np.int32)
  params = network.init(jax.random.key(0), zeros, zeros)
  decoding = Decoding(network, Draw(temperature=0.0), eot=-1, ids=vocab)

  def step(n):
    for _ in range(n):
      for _ in decoding(params, list(zeros), length):
        pass

  return step


# --- Workers and rounds
# ----------------------------------------------------------------------------------


def work(case, variant, tuned):
  """Makes the variant, then for each number on stdin runs so many steps: [seconds, CPU seconds,
  MB]."""
  if tuned:
    from seqlab.runtime import tune_malloc

    tune_malloc()
  name, arguments = CASES[case][variant]
  if name.startswith("torch."):
    import bench_torch
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    maker = getattr(bench_torch, name.removeprefix("torch."))
  else:
    maker = globals()[name]
  step = maker(**arguments)
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
  for name in names:
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
