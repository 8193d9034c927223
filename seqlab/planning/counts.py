"""What a device does in one run of a compiled program: products, bytes of its memory, collectives.

All three count a loop's body as often as it runs. What a program leaves to a kernel that is no HLO
(a custom call) is not seen.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from seqlab.planning.hlo import Array, Instruction, Program

COLLECTIVES = (
  *("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute"),
  *("ragged-all-to-all", "collective-broadcast"),
)
# Instructions that move nothing by themselves: names for what is there, or what their bodies do.
_NOTHING = frozenset([
  "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "call", "conditional",
  "after-all", "partition-id", "replica-id", "opt-barrier", "add-dependency", "async-start",
])  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Collective:
  """Those of one kind over groups of so many devices: how often, bytes of their results, and bytes
  that each device sends, by the ring algorithms.
  """

  kind: str
  group: int
  count: int
  size: int
  sent: int


def collectives(program: Program, devices: int) -> list[Collective]:
  """The collectives of a program, what sends most first."""
  found: dict[tuple[str, int], list[float]] = collections.defaultdict(lambda: [0, 0, 0])
  for (kind, one), times in _collectives(program):
    group = group_of(one.rest, devices)
    if group == 1:
      continue
    sizes, read = [array.size for array in one.result], len(one.operands)
    if one.opcode.endswith("-start") and kind != "all-reduce":
      sizes = sizes[read : 2 * read]  # it gives its operands, then its results
    size = sum(sizes)
    if kind == "reduce-scatter" and one.opcode == "all-reduce":  # of which a part is kept
      size //= group
    sent = dict.fromkeys(COLLECTIVES, size * (group - 1) / group)
    sent |= {"all-reduce": 2 * sent["all-reduce"], "collective-permute": size}
    sent["reduce-scatter"] = size * (group - 1)
    totals = found[kind, group]
    for at, value in enumerate((1, size, sent[kind])):
      totals[at] += times * value
  made = [Collective(kind, group, *map(round, totals)) for (kind, group), totals in found.items()]
  return sorted(made, key=lambda one: -one.sent)


def _collectives(program: Program) -> Iterator[tuple[tuple[str, Instruction], int]]:
  """Each collective with its kind, and how often it runs.

  A compiler for TPUs writes them into fusions: a reduce-scatter as one that is called so, a
  collective that runs beside other work as several, from its start over what is beside it to its
  end, which have the number of its channel.
  """
  for name, times in program.runs().items():
    seen = set[str]()
    for one in program.computations[name].values() if times else ():
      if (kind := one.opcode.removesuffix("-start")) in COLLECTIVES:
        yield (kind, one), times
      for fused in one.called() if one.opcode == "fusion" else ():
        for inside in program.computations[fused].values():
          channel = inside.attribute("channel_id")
          if inside.opcode not in COLLECTIVES or (channel and channel in seen):
            continue
          if fused.startswith("all-reduce-scatter"):
            yield ("reduce-scatter", inside), times
          else:
            seen.add(channel)
            yield (inside.opcode, inside), times


def group_of(rest: str, devices: int) -> int:
  """How many devices take part in a collective together, from its attributes."""
  if axes := re.search(r"replica_groups=mesh\[([^\]]*)\].*?\{([^}]*)\}", rest):
    sizes = dict(re.findall(r"'([^']+)'=(\d+)", axes.group(1)))
    return math.prod(int(sizes[name]) for name in re.findall(r"'([^']+)'", axes.group(2)))
  if listed := re.search(r"replica_groups=\{\{([\d,]*)\}", rest):
    return len(listed.group(1).split(","))
  if grid := re.search(r"replica_groups=\[\d+,(\d+)\]", rest):
    return int(grid.group(1))
  return devices


def products(program: Program) -> int:
  """FLOPs of matrix products and convolutions, two a multiply-add."""
  total = 0
  for name, times in _everywhere(program).items():
    shapes = program.computations[name]
    total += times * sum(
      _dot(one, shapes) if one.opcode == "dot" else _convolution(one, shapes)
      for one in shapes.values()
      if one.opcode in ("dot", "convolution")
    )
  return total


def traffic(program: Program) -> int:
  """Bytes that are read from the device's memory and written to it: what each instruction reads and
  makes, a fusion being one. Of an array that is only cut from, the cuts; of one that is written
  into, what is written.
  """
  total = 0
  for name, times in program.runs().items():
    if times:
      shapes = program.computations[name]
      total += times * sum(_moved(one, shapes, program) for one in shapes.values())
  return total


def _everywhere(program: Program) -> Mapping[str, int]:
  """How often each computation runs, fused ones among them."""
  times = collections.Counter({name: often for name, often in program.runs().items() if often})
  waiting = list(times)
  while waiting:
    name = waiting.pop()
    for one in program.computations[name].values():
      if one.opcode == "fusion":
        for inside in one.called():
          times[inside] += times[name]
          waiting.append(inside)
  return times


def _dot(one: Instruction, shapes: Mapping[str, Instruction]) -> int:
  (left,) = shapes[one.operands[0]].result
  summed = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", one.rest)
  dims = [int(n) for n in summed.group(1).split(",") if n] if summed else []
  return 2 * math.prod(one.result[0].shape) * math.prod(left.shape[d] for d in dims)


def _convolution(one: Instruction, shapes: Mapping[str, Instruction]) -> int:
  """Multiply-adds with places that exist: padding and the holes of a dilated input are none, as a
  batch of products is written as a convolution that is mostly these.
  """
  left, right = (shapes[name].result[0].shape for name in one.operands[:2])
  labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", one.rest)
  assert labels is not None, one
  of_left, of_right, of_out = labels.groups()
  out = one.result[0].shape
  window = _window(one.rest)
  total = out[of_out.index("b")] * out[of_out.index("f")] * right[of_right.index("i")]
  for number, place in enumerate(sorted(label for label in of_left if label.isdigit())):
    base, ends = left[of_left.index(place)], out[of_out.index(place)]
    taps = right[of_right.index(place)]
    total *= _places(base, ends, taps, *(values[number] for values in window))
  return 2 * total


def _window(rest: str) -> tuple[Sequence[int], ...]:
  """(strides, paddings before, dilations of the input, dilations of the window) by place."""
  found = re.search(r"window=\{([^}]*)\}", rest)
  said = dict(part.split("=", 1) for part in found.group(1).split()) if found else {}
  places = len(said.get("size", "").split("x")) if said.get("size") else 0

  def numbers(name: str, default: int) -> list[int]:
    text = said.get(name)
    return [int(n.split("_")[0]) for n in text.split("x")] if text else [default] * places

  return numbers("stride", 1), numbers("pad", 0), numbers("lhs_dilate", 1), numbers("rhs_dilate", 1)


def _places(
  base: int, ends: int, taps: int, stride: int, pad: int, dilated: int, apart: int
) -> int:
  """Pairs of an output's place and a tap that meet a value of the input."""
  if base == ends and taps == 1 and stride == dilated == 1 and not pad:
    return base
  found = 0
  for tap in range(taps):
    first = tap * apart - pad  # of output 0; output n is at first + n * stride
    found += sum(
      0 <= at < (base - 1) * dilated + 1 and at % dilated == 0
      for at in range(first, first + ends * stride, stride)
    )
  return found


def _moved(one: Instruction, shapes: Mapping[str, Instruction], program: Program) -> int:
  if one.opcode in _NOTHING or one.opcode.endswith("-done"):
    return 0
  if one.opcode == "fusion":
    return _fused(one, shapes, program.computations[one.called()[0]])
  read = [shapes[name].result for name in one.operands]
  if one.opcode in ("dynamic-slice", "slice", "gather"):
    return 2 * _size(one.result)
  if one.opcode == "dynamic-update-slice":
    return 2 * _size(read[1])
  if one.opcode == "custom-call" and 'target="AllocateBuffer"' in one.rest:
    return 0
  if one.opcode == "copy-start":
    return _size(one.result[:2])
  if one.opcode.endswith("slice-start"):  # its operand, what is cut from it, its context
    return _plain(one.result[1:2]) + _size(one.result[1:2])
  return sum(map(_size, read)) + _size(one.result)


def _fused(
  one: Instruction, shapes: Mapping[str, Instruction], inside: Mapping[str, Instruction]
) -> int:
  readers: dict[str, list[Instruction]] = collections.defaultdict(list)
  for each in inside.values():
    for name in each.operands:
      readers[name].append(each)
  parameters = {
    int(each.rest.split(")")[0]): each for each in inside.values() if each.opcode == "parameter"
  }
  total, into = 0, 0
  for number, name in enumerate(one.operands):
    of = shapes[name].result
    uses = readers[parameters[number].name]
    if uses and all(
      use.opcode in ("dynamic-slice", "slice", "gather")
      and use.operands[0] == parameters[number].name
      for use in uses
    ):
      total += sum(_size(of) and _plain(use.result) for use in uses)
    elif uses and all(
      use.opcode == "dynamic-update-slice" and use.operands[0] == parameters[number].name
      for use in uses
    ):
      into += 1
      total += sum(_plain(inside[use.operands[1]].result) for use in uses)
    else:
      total += _size(of)
  return total if into else total + _size(one.result)


def _size(of: Sequence[Array]) -> int:
  return sum(array.size for array in of if not array.fast)


def _plain(of: Sequence[Array]) -> int:
  return sum(array.size for array in of)
