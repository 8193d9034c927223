"""A compiled program, read from its text: computations, instructions, how often each runs.

XLA's own `cost_analysis` counts the body of a loop once. Here a loop's body counts as often as it
runs: what XLA knows of that, or the number that the loop's condition compares with.
"""

import dataclasses
import math
import re

# Bytes of an element; one of less than a byte takes a whole one.
BYTES = {
  "pred": 1, "s4": 1, "u4": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "s32": 4, "u32": 4, "s64": 8,
  "u64": 8, "bf16": 2, "f16": 2, "f32": 4, "f64": 8, "c64": 8, "c128": 16, "token": 0, "opaque": 0,
}  # fmt: skip

_ARRAY = re.compile(r"(\w+)\[([\d,]*)\](?:\{([^}]*)\})?")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_PARENTHESIS = re.compile(r"[()]")
_NAME = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(
  r"\b(?:calls|to_apply|body|branch_computations|called_computations|(?:true|false)_computation)="
)


@dataclasses.dataclass(frozen=True)
class Array:
  """An array of a type. fast: it lies in a memory on the chip, not in the device's large one."""

  dtype: str
  shape: tuple[int, ...]
  fast: bool = False

  @property
  def size(self) -> int:
    """Bytes."""
    return BYTES.get(self.dtype, 1) * math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Instruction:
  """`result` are the arrays that it makes, `operands` the names of what it reads, `rest` the text
  after them; of a constant and a parameter it begins with what they are.
  """

  name: str
  opcode: str
  result: tuple[Array, ...]
  operands: tuple[str, ...]
  rest: str

  def attribute(self, name: str) -> str:
    """The text of an attribute up to the next one, or ''."""
    found = re.search(rf"\b{name}=(\{{[^}}]*\}}|[^\s,]+)", self.rest)
    return found.group(1) if found else ""

  def called(self) -> tuple[str, ...]:
    """The computations that it runs or applies, but for a loop's condition."""
    found: list[str] = []
    for match in _CALLED.finditer(self.rest):
      text = self.rest[match.end() :]
      text = text[: text.index("}")] if text.startswith("{") else text.split(",")[0].split(" ")[0]
      found += _NAME.findall(text)
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class Program:
  """Instructions of each computation by name, in order."""

  entry: str
  computations: dict[str, dict[str, Instruction]]

  def runs(self) -> dict[str, int]:
    """How often each computation runs that is entered from the first, by a loop or a call; what is
    fused into an instruction, or applied to elements, is none of its own.
    """
    times = dict.fromkeys(self.computations, 0)

    def enter(name: str, often: int) -> None:
      times[name] += often
      for one in self.computations[name].values():
        if one.opcode == "while":
          enter(one.attribute("body").lstrip("%"), often * (self.trips(one) or 1))
        elif one.opcode in ("call", "conditional", "async-start"):
          for inside in one.called():
            enter(inside, often)

    enter(self.entry, 1)
    return times

  def unknown(self) -> int:
    """How many loops nothing says of how often they run."""
    runs = self.runs()
    return sum(
      one.opcode == "while" and self.trips(one) is None
      for name, inside in self.computations.items()
      for one in inside.values()
      if runs[name]
    )

  def trips(self, loop: Instruction) -> int | None:
    """How often a loop's body runs, None where nothing says."""
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"\}', loop.rest):
      return int(known.group(1))
    condition = self.computations[loop.attribute("condition").lstrip("%")]
    numbers = {
      one.name: int(said.group(1))
      for one in condition.values()
      if one.opcode == "constant" and (said := re.match(r"(\d+)\)", one.rest))
    }
    for one in condition.values():
      compares = [one.opcode == "compare" and one.attribute("direction") == "LT"]
      if one.opcode == "fusion":
        inside = self.computations[one.called()[0]].values()
        compares = [x.opcode == "compare" and x.attribute("direction") == "LT" for x in inside]
      bounds = [numbers[name] for name in one.operands if name in numbers]
      if any(compares) and bounds:
        return bounds[0]
    return None


def arrays(text: str) -> tuple[Array, ...]:
  """The arrays of a type, a tuple's one after another."""
  return tuple(
    Array(dtype, tuple(map(int, shape.split(","))) if shape else (), "S(1)" in (layout or ""))
    for dtype, shape, layout in _ARRAY.findall(text)
    if dtype in BYTES or dtype.startswith("f8")
  )


def read(text: str) -> Program:
  """Reads what `compiled.as_text()` gives."""
  computations: dict[str, dict[str, Instruction]] = {}
  entry, current = "", None
  for line in text.splitlines():
    if current is None:
      if head := _HEAD.match(line):
        current = computations.setdefault(head.group(2), {})
        entry = head.group(2) if head.group(1) else entry
    elif line.startswith("}"):
      current = None
    elif (one := _instruction(line)) is not None:
      current[one.name] = one
  return Program(entry, computations)


def _instruction(line: str) -> Instruction | None:
  """`  ROOT %name = TYPE opcode(%operand, ...), attribute=...`"""
  name, equals, right = line.strip().removeprefix("ROOT ").partition(" = ")
  if not equals:
    return None
  cut = _closing(right, 0) + 1 if right.startswith("(") else right.index(" ")
  made, right = right[:cut], right[cut:].lstrip()
  opcode, _, right = right.partition("(")
  end = 0 if opcode in ("constant", "parameter") else _closing(f"({right}", 0) - 1
  inside, rest = right[:end], right[end:]
  operands = tuple(_NAME.findall(inside))
  return Instruction(name.lstrip("%"), opcode, arrays(made), operands, rest)


def _closing(text: str, at: int) -> int:
  """Where the parenthesis that opens at `at` closes."""
  depth = 0
  for found in _PARENTHESIS.finditer(text, at):
    depth += 1 if found.group() == "(" else -1
    if not depth:
      return found.start()
  return len(text) - 1
