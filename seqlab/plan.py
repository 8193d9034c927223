"""`seqlab plan`: what a config's training step takes on devices that are not here.

The step is compiled ahead of time for a topology and read: memory against its limit, collectives by
kind and bytes, FLOPs, a roofline of its time. `--search` tries meshes and what is computed anew in
the backward pass, and ranks what fits.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ml_collections import ConfigDict

from seqlab import axes, build
from seqlab.errors import UserError
from seqlab.planning import machines
from seqlab.planning.estimate import Estimate
from seqlab.planning.program import DoesNotFit, Planner, spread
from seqlab.sizing import sized
from seqlab.table import show

REMAT = ("none", "dots", "full")  # what less is computed anew by comes first, as it is quicker
GB = 1e9


def run(config: ConfigDict, topology: str, search: bool, price: float) -> int:
  """Prints the plan and returns 0, or 1 where nothing fits into a device's memory.

  price: of a device-hour, 0 for unknown.

  Raises:
    UserError: an unknown topology, or a mesh that it or the batch does not go with.
  """
  machine, devices, platform = machines.find(topology)
  config = sized(config)
  build.check(config)
  print(f"{len(devices)} x {machine.kind}, {machine.memory / GB:.0f} GB each", flush=True)
  if platform == "cpu":
    print("simulated by a CPU's compiler: attention keeps its weights, where a GPU's would not")
  planner = Planner(config, machine, devices, platform)
  if search:
    return _searched(planner, config, price)
  tried = spread(config, planner.devices)
  print(f"{_mesh(tried, planner.devices)}, remat {tried.model.remat}, {_rows(config, tried)}")
  try:
    plan = planner.plan(tried)
  except DoesNotFit as failure:
    print(f"does not fit: {failure}; --search tries other meshes and more remat")
    return 1
  _report(plan, planner, tried, price)
  return 0


def _searched(planner: Planner, config: ConfigDict, price: float) -> int:
  """Prints what comes of each mesh with the least remat that fits, then all that fit, the quickest
  first.
  """
  found: list[tuple[float, ConfigDict, Estimate]] = []
  for mesh in meshes(config, planner.devices):
    for remat in REMAT:
      tried = mesh.copy_and_resolve_references()
      tried.model.remat = remat
      name = f"{_mesh(tried, planner.devices)}, remat {remat}"
      try:
        plan = planner.plan(tried)
      except DoesNotFit as failure:
        print(f"  {name}: does not fit: {failure}", flush=True)
        if failure.state:  # which no remat makes smaller
          break
        continue
      span = f"{plan.best * 1e3:.1f} to {plan.worst * 1e3:.1f} ms, bound by {plan.bound}"
      print(f"  {name}: {plan.step.memory / GB:.1f} GB, {span}", flush=True)
      found.append((plan.best, tried, plan))
      break
  rows = []
  for _, tried, plan in sorted(found, key=lambda one: one[0]):
    flags = {f"mesh.{axis}": n for axis, n in tried.mesh.items() if n > 1 or axis == "data"}
    flags |= {"model.remat": tried.model.remat, "accumulate": tried.accumulate}
    rows.append((
      " ".join(f"--config.{key}={value}" for key, value in flags.items()),
      f"{plan.step.memory / GB:.1f}",
      f"{plan.best * 1e3:.1f}",
      f"{plan.worst * 1e3:.1f}",
      plan.bound,
      f"{plan.mfu:.0%}",
      *_costs(plan, price),
    ))  # fmt: skip
  if not rows:
    print("nothing that was tried fits; a smaller batch or model, or more devices, might")
    return 1
  heads = ("", "GB", "ms at best", "ms at worst", "bound by", "MFU at best", *_heads(price))
  show(f"what fits, the quickest first, in device-hours for a billion {plan.unit}", heads, rows)
  return 0


def meshes(config: ConfigDict, devices: Sequence[Any]) -> Iterator[ConfigDict]:
  """Configs of meshes over the devices: from copies of the model alone to parameters that all
  devices share out, with and without tensor parallelism. What the batch does not go with is left
  out; sequence and expert stay as they are.
  """
  own = config.mesh.sequence * config.mesh.expert
  for tensor in (1, 2, 4, 8):
    rest, over = divmod(len(devices), tensor * own)
    if over:
      continue
    for fsdp in sorted({1, _middle(rest), rest}):
      tried = config.copy_and_resolve_references()
      tried.mesh.update(data=rest // fsdp, fsdp=fsdp, tensor=tensor)
      try:
        yield spread(tried, devices)
      except UserError:
        continue


def _middle(devices: int) -> int:
  """A divisor near the square root: shared out within a group, copied between groups."""
  return min((d for d in range(1, devices + 1) if devices % d == 0),
             key=lambda d: abs(d - devices**0.5))  # fmt: skip


def _report(plan: Estimate, planner: Planner, config: ConfigDict, price: float) -> None:
  step, machine = plan.step, planner.machine
  share = step.memory / machine.memory
  print("\nmemory of a device")
  for name, size in dict(
    state=step.state, batch=step.batch, temporaries=step.temporary, together=step.memory
  ).items():
    print(f"  {name:<12}{size / GB:8.2f} GB")
  print(f"  of          {machine.memory / GB:8.2f} GB: {share:.0%}")
  rows = [
    (one.kind, str(one.group), str(one.count), f"{one.size / 1e6:,.1f}", f"{one.sent / 1e6:,.1f}")
    for one in step.collectives
  ]
  if rows:
    show("\ncollectives of a step", ("", "devices", "times", "MB", "MB sent by each"), rows)
  else:
    print("\nno collectives")
  print("\na step, by the roofline")
  if step.unknown:
    print(f"  {step.unknown} loops are counted once: nothing says how often they run")
  own = step.model_products / max(step.products, 1)
  for name, seconds, why in (
    ("compute", plan.compute, f"{step.products / 1e12:.3g} TFLOP at {machine.peak / 1e12:.0f} "
     f"TFLOP/s; the model's own are {own:.0%} of them"),
    ("memory", plan.memory, f"{step.traffic / GB:.3g} GB at {machine.bandwidth / GB:,.0f} GB/s"),
    ("network", plan.network, f"{plan.sent / GB:.3g} GB at {machine.network / GB:,.0f} GB/s"),
    ("at best", plan.best, f"all at once: MFU {plan.mfu:.0%}, bound by {plan.bound}"),
    ("at worst", plan.worst, f"one after another: MFU {plan.mfu * plan.best / plan.worst:.0%}"),
  ):  # fmt: skip
    print(f"  {name:<10}{seconds * 1e3:10.2f} ms  {why}")
  for head, cost in zip(_heads(price), _costs(plan, price), strict=True):
    print(f"  a billion {plan.unit}: {cost} {head}")


def _heads(price: float) -> tuple[str, ...]:
  return ("device-hours", "dollars") if price else ("device-hours",)


def _costs(plan: Estimate, price: float) -> tuple[str, ...]:
  """Of a billion tokens, from the best to the worst."""
  spans = [(plan.hours(plan.best), plan.hours(plan.worst))]
  if price:
    spans.append((price * spans[0][0], price * spans[0][1]))
  return tuple(f"{low:,.3g} to {high:,.3g}" for low, high in spans)


def _mesh(config: ConfigDict, devices: Sequence[Any]) -> str:
  sizes = axes.make_mesh(config.mesh, list(devices)).shape
  return " x ".join(f"{name}={n}" for name, n in sizes.items() if n > 1) or "one device"


def _rows(config: ConfigDict, tried: ConfigDict) -> str:
  """What a step reads; where other microbatches are tried than the config asks for, why."""
  read = f"{tried.batch:,} x {tried.length:,} a step, accumulate {tried.accumulate}"
  if tried.accumulate == config.accumulate:
    return read
  return f"{read} (the config's {config.accumulate} leaves rows that the mesh does not divide)"
