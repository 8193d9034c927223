"""A part of a config written as a call: `"rg_lru() | attention(heads=8)"`.

The text is parsed, never run: names, keyword arguments and literals only. `|` separates the members
of a pattern. What a name means is the business of whoever holds the dict of members (`MIXERS`,
`SOURCES`, ...).
"""

import ast
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from seqlab.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Call:
  """One call of a spec: `attention(heads=8)` is `Call("attention", {"heads": 8})`."""

  name: str
  kwargs: dict[str, Any]

  def __str__(self) -> str:
    return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.kwargs.items())})"


def parse(text: str, key: str = "spec") -> list[Call]:
  """Parses `"a(x=1) | b()"` into calls, in order. `key` names the config key in errors.

  Raises:
    UserError: the text is not names, `|` and keyword arguments with literal values.
  """
  wrong = UserError(
    f"{key}={text!r}: write calls with literal keyword arguments, such as "
    f"'lstm() | attention(heads=4)'"
  )
  try:
    tree = ast.parse(text.strip(), mode="eval").body
  except (SyntaxError, ValueError, AttributeError):
    raise wrong from None

  def walk(node: ast.expr) -> list[Call]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
      return walk(node.left) + walk(node.right)
    if isinstance(node, ast.Name):
      return [Call(node.id, {})]
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)) or node.args:
      raise wrong
    if any(k.arg is None for k in node.keywords):
      raise wrong
    try:
      return [Call(node.func.id, {str(k.arg): ast.literal_eval(k.value) for k in node.keywords})]
    except ValueError:
      raise wrong from None

  return walk(tree)


def parse_one(text: str, key: str = "spec") -> Call:
  """Like `parse`, for a key that holds exactly one call."""
  calls = parse(text, key)
  if len(calls) != 1:
    raise UserError(f"{key}={text!r}: one call is wanted here, not {len(calls)}")
  return calls[0]


def make(call: Call, members: Mapping[str, Callable], key: str = "spec", **given: Any) -> Any:
  """Calls the member that `call` names with the call's arguments and those `given` by the builder.

  Raises:
    UserError: the name is not a member, or an argument is not a parameter of it; both say the
      nearest.
  """
  if call.name not in members:
    raise UserError(
      f"{key}: unknown {call.name!r}{nearest(call.name, members)}; "
      f"known: {', '.join(sorted(members))}"
    )
  member = members[call.name]
  taken = {"self", "parent", "name", *given}  # what a user may not set
  parameters = [p for p in inspect.signature(member).parameters if p not in taken]
  for argument in call.kwargs:
    if argument not in parameters:
      known = ", ".join(parameters) or "none"
      raise UserError(
        f"{key}: {call.name}() has no argument {argument!r}{nearest(argument, parameters)}; "
        f"its arguments: {known}"
      )
  return member(**given, **call.kwargs)
