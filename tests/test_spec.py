"""Calls written as text: what is read, and what a member's signature lets through."""

import typing

import pytest

from seqlab.data.sources import SOURCES
from seqlab.errors import UserError
from seqlab.nn.channel_mixers import CHANNEL_MIXERS
from seqlab.nn.mixers import MIXERS
from seqlab.objectives import OBJECTIVES
from seqlab.optim import OPTIMIZERS
from seqlab.schedules import SCHEDULES
from seqlab.spec import Call, check, make, parse, parse_one


def test_calls_are_read_in_order():
  assert parse("a(x=1, y='b|c') | b | a()") == [
    Call("a", dict(x=1, y="b|c")),
    Call("b", {}),
    Call("a", {}),
  ]
  assert str(parse_one("a(x=(1, 2), y=None)")) == "a(x=(1, 2), y=None)"


@pytest.mark.parametrize(
  "text",
  [
    *["", "a(", "a(1)", "a(x=b)", "a(**{'x': 1})", "a(x=1, x=2)", "a.b()", "a() + b()", "3"],
    *["'a'", "a(x={[]: 1})", "a(x=1)(y=2)", "a(\0)", "-" * 100_000 + "a", "a() | 3", None, 3],
  ],
)
def test_what_is_no_call(text):
  with pytest.raises(UserError, match="write calls") as error:
    parse(text, "config.key")
  assert str(error.value).startswith("config.key=") and "\n" not in str(error.value)


def member(
  network,
  need: int,
  rate: float = 1.0,
  size: int | None = None,
  names: str | tuple[str, ...] = "",
  pair: tuple[int, float] = (1, 2.0),
  old: typing.Optional[int] = None,  # noqa: UP045
  later: "int | None" = None,
  strange: "Unknown" = None,  # noqa: F821
  free: typing.Any = 0,
  flag=False,
  bare=None,
):
  return {k: v for k, v in locals().items() if k != "network"}


def made(text):
  return make(parse_one(text), dict(member=member), "config.key", network=0)


@pytest.mark.parametrize(
  ("argument", "value"),
  [
    *[("rate", 2), ("rate", 0.5), ("size", None), ("size", 3), ("names", "a"), ("names", ("a",))],
    *[("names", ()), ("pair", (3, 4)), ("old", 3), ("later", None), ("later", 3)],
    *[("strange", "x"), ("free", [1]), ("flag", True), ("bare", "x"), ("bare", [1])],
  ],
)
def test_a_value_that_fits_is_handed_on(argument, value):
  found = made(f"member(need=1, {argument}={value!r})")[argument]
  assert found == value and type(found) is type(value)


def test_a_list_will_do_for_a_tuple():
  assert made("member(need=1, names=['a', 'b'])")["names"] == ("a", "b")


@pytest.mark.parametrize(
  ("given", "wanted"),
  [
    ("need=1.0", "a whole number"),
    ("need=True", "a whole number"),
    ("need=None", "a whole number"),
    ("rate='x'", "a number, such as 1.0"),
    ("rate=True", "a number"),
    ("size=2.5", "a whole number or None"),
    ("names=3", "text or a tuple of text"),
    ("names=('a', 3)", "text or a tuple of text"),
    ("pair=(1, 2, 3)", "a tuple of a whole number, a number, such as (1, 2.0)"),
    ("old='x'", "a whole number or None"),
    ("later='x'", "a whole number or None"),
    ("flag=1", "True or False, such as False"),
  ],
)
def test_a_value_of_another_type(given, wanted):
  with pytest.raises(UserError) as error:
    made(f"member({'' if given.startswith('need') else 'need=1, '}{given})")
  assert str(error.value).startswith(f"config.key: {given} of member() is not {wanted}")


@pytest.mark.parametrize(
  ("text", "said"),
  [
    ("member()", "config.key: member() needs the argument 'need', a whole number"),
    ("member(need=1, network=2)", "member() has no argument 'network'"),
    ("member(nede=1)", "(did you mean 'need'?)"),
    ("membre()", "unknown 'membre' (did you mean 'member'?); known: member"),
  ],
)
def test_arguments_that_are_missing_or_none_of_the_members(text, said):
  with pytest.raises(UserError) as error:
    made(text)
  assert said in str(error.value)


@pytest.mark.parametrize(
  ("members", "given", "text", "said"),
  [
    (SCHEDULES, ["steps"], "step()", "'every'"),
    (SCHEDULES, ["steps", "steps_per_epoch"], "per_epoch()", "'factor'"),
    (SCHEDULES, ["steps"], "cosine(warmup='a')", "warmup='a' of cosine() is not a whole number"),
    (OPTIMIZERS, [], "adamw(b2='x')", "b2='x' of adamw() is not a number, such as 0.95"),
    (MIXERS, [], "attention(heads='4')", "heads='4' of attention() is not a whole number"),
    (MIXERS, [], "attention(window=2.5)", "window=2.5 of attention() is not a whole number"),
    (MIXERS, [], "lstm(hidden='a')", "hidden='a' of lstm() is not a whole number"),
    (CHANNEL_MIXERS, [], "plain(ratio='x')", "ratio='x' of plain() is not a number"),
    (OBJECTIVES, ["network"], "language_model(z_loss='a')", "z_loss='a'"),
    (SOURCES, ["config_key"], "embedded(megabytes='x')", "is not a number or None"),
    (SOURCES, ["config_key"], "csv(field=3)", "field=3 of csv() is not text or a tuple"),
    (SOURCES, ["config_key"], "csv(columns=3)", "columns=3 of csv() is not a tuple of text"),
    (SOURCES, ["config_key"], "text(documents=['a'])", "is not text, such as 'file'"),
  ],
)
def test_the_registered_members(members, given, text, said):
  with pytest.raises(UserError) as error:
    check(parse_one(text), members, "config.key", given)
  assert str(error.value).startswith("config.key: ") and said in str(error.value)
