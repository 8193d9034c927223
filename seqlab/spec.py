"""A part of a config written as a call: `"rg_lru() | attention(heads=8)"`.

The text is parsed, never run: names, keyword arguments and literals only. `|` separates the members
of a pattern. What a name means is the business of whoever holds the dict of members (`MIXERS`,
`SOURCES`, ...); the types of its arguments are those of the member's signature.
"""

import ast
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
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
  except (SyntaxError, ValueError, AttributeError, MemoryError, RecursionError):
    raise wrong from None

  def walk(node: ast.expr) -> list[Call]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
      return walk(node.left) + walk(node.right)
    if isinstance(node, ast.Name):
      return [Call(node.id, {})]
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)) or node.args:
      raise wrong
    names = [k.arg for k in node.keywords]
    if None in names or len(set(names)) < len(names):  # ** or an argument given twice
      raise wrong
    try:
      return [Call(node.func.id, {str(k.arg): ast.literal_eval(k.value) for k in node.keywords})]
    except (ValueError, TypeError, RecursionError):
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
    UserError: as `check`.
  """
  arguments = check(call, members, key, given)
  return members[call.name](**given, **arguments)


def check(
  call: Call, members: Mapping[str, Callable], key: str = "spec", given: Iterable[str] = ()
) -> dict[str, Any]:
  """The arguments of a call as its member takes them; `given` are those that the builder adds.

  Raises:
    UserError: the name is not a member, an argument is not a parameter of it or of another type,
      or one that it needs is missing.
  """
  if call.name not in members:
    raise UserError(
      f"{key}: unknown {call.name!r}{nearest(call.name, members)}; "
      f"known: {', '.join(sorted(members))}"
    )
  taken = {"self", "parent", "name", *given}  # what a user may not set
  found = inspect.signature(members[call.name]).parameters.values()
  variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
  parameters = {p.name: p for p in found if p.name not in taken and p.kind not in variadic}
  arguments = {}
  for argument, value in call.kwargs.items():
    if argument not in parameters:
      known = ", ".join(parameters) or "none"
      raise UserError(
        f"{key}: {call.name}() has no argument {argument!r}{nearest(argument, parameters)}; "
        f"its arguments: {known}"
      )
    parameter = parameters[argument]
    kind = _kind(parameter)
    arguments[argument] = value if _fits(value, kind) else _tuples(value)
    if not _fits(arguments[argument], kind):
      default = parameter.default
      such = "" if default in (parameter.empty, None, "", ()) else f", such as {default!r}"
      raise UserError(f"{key}: {argument}={value!r} of {call.name}() is not {_words(kind)}{such}")
  for name, parameter in parameters.items():
    if parameter.default is parameter.empty and name not in arguments:
      words = _words(_kind(parameter))
      raise UserError(
        f"{key}: {call.name}() needs the argument {name!r}{words and f', {words}'}; write "
        f"{call.name}({name}=…)"
      )
  return arguments


WORDS: dict[Any, str] = {
  int: "a whole number",
  float: "a number",
  bool: "True or False",
  str: "text",
  tuple: "a tuple",
  type(None): "None",
}


def _kind(parameter: inspect.Parameter) -> Any:
  """The type that a parameter asks for, by its annotation or its default; Any if it has none."""
  kind = parameter.annotation
  if kind is parameter.empty:
    kind = type(parameter.default)
    return kind if kind in WORDS and parameter.default is not None else Any
  if isinstance(kind, str):  # the member's file says `from __future__ import annotations`
    try:
      return eval(kind, {**vars(typing), "typing": typing})
    except Exception:  # a name of the member's own file
      return Any
  return kind


def _fits(value: Any, kind: Any) -> bool:
  """Whether a literal is of this type. A type that no literal has is not looked into."""
  origin, inside = typing.get_origin(kind), typing.get_args(kind)
  if origin in (typing.Union, types.UnionType):
    return any(_fits(value, one) for one in inside)
  if origin is tuple and isinstance(value, tuple):
    kinds = inside[:1] * len(value) if inside[1:] == (...,) else inside
    return len(kinds) == len(value) and all(map(_fits, value, kinds))
  kind = type(None) if kind is None else origin or kind
  if kind is float:
    return type(value) in (int, float)
  return kind not in WORDS or type(value) is kind


def _words(kind: Any) -> str:
  """The type in words; '' for one that is not looked into."""
  if typing.get_origin(kind) in (typing.Union, types.UnionType):
    return " or ".join(filter(None, map(_words, typing.get_args(kind))))
  if typing.get_origin(kind) is tuple:
    inside = [_words(one) for one in typing.get_args(kind) if one is not ...]
    if ... in typing.get_args(kind) and inside[0].startswith("a "):
      inside = [f"{inside[0].removeprefix('a ')}s"]
    return f"a tuple of {', '.join(dict.fromkeys(inside))}" if any(inside) else WORDS[tuple]
  return WORDS.get(type(None) if kind is None else kind, "")


def _tuples(value: Any) -> Any:
  """Lists as tuples, which members can hash."""
  return tuple(_tuples(one) for one in value) if isinstance(value, tuple | list) else value
