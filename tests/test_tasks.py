"""Synthetic tasks: random access, and answers that an independent solver, which reads the row as
text, gives too.
"""

import itertools
import math
import pathlib
import re

import numpy as np
import pytest

from seqlab.data import synthetic
from seqlab.data.loader import Loader
from seqlab.data.tasks import TASKS
from seqlab.data.tasks.base import Asked
from seqlab.data.tasks.draws import Draws
from seqlab.errors import UserError

# A call of each task, and the row length that it is made in.
SPECS = {
  "mqar": "mqar(pairs=3, vocab=32, length=24)",
  "induction_heads": "induction_heads(least=3, letters=5)",
  "selective_copying": "selective_copying(tokens=4, letters=5, least=6)",
  "copying": "copying(tokens=3, least=5)",
  "even_pairs": "even_pairs(least=1)",
  "parity": "parity(least=1)",
  "cycle_navigation": "cycle_navigation(least=1)",
  "modular_arithmetic": "modular_arithmetic(least=1)",
  "reverse_string": "reverse_string(least=1)",
  "duplicate_string": "duplicate_string(least=1)",
  "odds_first": "odds_first(least=1)",
  "bucket_sort": "bucket_sort(least=1)",
  "modular_arithmetic_brackets": "modular_arithmetic_brackets(least=1)",
  "solve_equation": "solve_equation(least=3)",
  "stack_manipulation": "stack_manipulation(least=1)",
  "missing_duplicate": "missing_duplicate(least=2)",
  "binary_addition": "binary_addition(least=3)",
  "binary_multiplication": "binary_multiplication(least=3)",
  "compute_sqrt": "compute_sqrt(least=1)",
  "listops": "listops(least=3, arguments=4, depth=3)",
  "dyck": "dyck(kinds=3, depth=2, least=1)",
  "in_context_recall": "in_context_recall(vocab=6, noise=0.3, least=4)",
  "fuzzy_recall": "fuzzy_recall(pairs=2, vocab=6, least=6)",
  "memorization": "memorization(vocab=6, least=2)",
  "compression": "compression(vocab=6, least=2)",
  "word_problem": "word_problem(points=3, least=1)",
  "modular": "modular(prime=7)",
}
COLUMNS = 24


def data(spec, valid="hash(fraction=0.1)", columns=COLUMNS):
  return synthetic.read_tasks(spec, valid, columns)


def rows(made, split="train", columns=COLUMNS):
  parts, _ = made.parts(split, "answers", length=columns, seed=0, train=split == "train")
  return parts[0]


def read(made, batch, i):
  """A row as words: what is read, and (place, answer) of what is told."""
  words = made.tokenizer.words
  size = int((batch["tokens_BT"][i] != made.pad).sum())
  told = zip(batch["at_BA"][i], batch["answer_BA"][i], batch["weight_BA"][i], strict=True)
  first = synthetic.FIRST
  tokens = [words[t - first] for t in batch["tokens_BT"][i, :size]]
  return tokens, [(int(at), words[answer - first]) for at, answer, weight in told if weight]


def question(tokens):
  """A row without its blanks, and the places of these."""
  n = tokens.index("_") if "_" in tokens else len(tokens)
  assert set(tokens[n:]) <= {"_"}
  return tokens[:n], list(range(n, len(tokens)))


def told_behind(tokens, answers):
  """Answers of a question: at the blanks behind it, or one at its last symbol."""
  asked, blanks = question(tokens)
  return asked, list(zip(blanks or [len(asked) - 1], answers(asked), strict=True))


def mqar(tokens):
  known = dict(zip(tokens[0:6:2], tokens[1:6:2], strict=True))
  return [(i, known[t]) for i, t in enumerate(tokens[6:], 6) if t in known]


def word_problem(tokens):
  so_far, found = "012", []
  for i, word in enumerate(tokens):
    so_far = "".join(word[int(p)] for p in so_far)
    found.append((i, so_far))
  return found


def steps(asked):
  return [str(sum(int(x) - 1 for x in asked) % 5)]


def divided(asked):
  a, _, b, _ = asked
  return [next(str(c) for c in range(7) if c * int(b) % 7 == int(a))]


def stack_manipulation(asked):
  high = next((i for i, word in enumerate(asked) if word not in "01"), len(asked))
  stack = list(asked[:high])
  for word in asked[high:]:
    if word == "pop":
      del stack[-1:]
    else:
      stack.append(word[-1])
  return [*stack[::-1], "end"]


def missing_duplicate(asked):
  half, at = len(asked) // 2, asked.index("?")
  return [asked[(at + half) % (2 * half)]]


def binary(asked):
  sign = next(word for word in asked if word in "+*")
  a, b = (int(x[::-1], 2) for x in "".join(asked).split(sign))
  return [*f"{a + b if sign == '+' else a * b:b}"[::-1], "end"]


def compute_sqrt(asked):
  return [*f"{math.isqrt(int(''.join(asked), 2)):0{(len(asked) + 1) // 2}b}"]


def listops(asked):
  stack = [[]]
  for word in asked:
    if word == "]":
      name, *values = stack.pop()
      middle = int(np.median(values))
      found = dict(MIN=min(values), MAX=max(values), MED=middle, SM=sum(values) % 10)
      stack[-1].append(found[name[1:]])
    elif word.startswith("["):
      stack.append([word])
    else:
      stack[-1].append(int(word))
  return [str(stack[0][0])]


def dyck(tokens):
  stack, found = [], []
  for i, word in enumerate(tokens):
    if word[0] == "(":
      stack.append(f"){word[1]}")
    else:
      assert stack.pop() == word
    assert len(stack) <= 2
    found.append((i, stack[-1] if stack else "."))
  return found


def in_context_recall(tokens):
  known, found = {}, []
  for i in range(0, len(tokens) - 1, 2):
    key, value = tokens[i : i + 2]
    if key[0] == "k":
      if key in known:
        found.append((i, known[key]))
      assert known.setdefault(key, value) == value
  return found


def fuzzy_recall(tokens):
  """Keys are of the symbols 0 to 2, values of 3 to 5."""
  known, found = {}, []
  for parts in re.finditer(r"([0-2]+)([3-5]+)", "".join(tokens).rstrip("_")):
    key, value = parts.groups()
    if key in known:
      found += [(parts.start(2) - 1 + i, digit) for i, digit in enumerate(value)]
    assert known.setdefault(key, value) == value
  return found


PLACED = {
  "mqar": mqar,
  "word_problem": word_problem,
  "dyck": dyck,
  "in_context_recall": in_context_recall,
  "fuzzy_recall": fuzzy_recall,
  "compression": lambda tokens: [(len(tokens) - 1, token) for token in tokens[:-1]],
}
SOLVERS = {
  "modular_arithmetic_brackets": lambda q: [str(eval("".join(q)) % 5)],
  "stack_manipulation": stack_manipulation,
  "missing_duplicate": missing_duplicate,
  "binary_addition": binary,
  "binary_multiplication": binary,
  "compute_sqrt": compute_sqrt,
  "listops": listops,
  "induction_heads": lambda q: [q[q.index("!") + 1]],
  "selective_copying": lambda q: [x for x in q if x != "."],
  "copying": lambda q: q[:3],
  "even_pairs": lambda q: ["ab"[sum(a != b for a, b in itertools.pairwise(q)) % 2]],
  "parity": lambda q: [str(q.count("1") % 2)],
  "cycle_navigation": steps,
  "modular_arithmetic": lambda q: [str(eval("".join(q)) % 5)],
  "reverse_string": lambda q: q[::-1],
  "duplicate_string": lambda q: q + q,
  "odds_first": lambda q: q[::2] + q[1::2],
  "bucket_sort": sorted,
  "modular": divided,
}


def test_every_task_is_tried_and_written_down():
  page = pathlib.Path(__file__).parents[1].joinpath("docs/tasks.md").read_text()
  assert all(f"`{name}" in page for name in TASKS)
  assert set(SPECS) == set(TASKS) == {*SOLVERS, *PLACED, "solve_equation", "memorization"}


@pytest.mark.parametrize("name", [*SOLVERS, *PLACED])
def test_answers_are_right(name):
  made = data(SPECS[name])
  batch = rows(made).train(np.arange(30), 0)
  for i in range(30):
    tokens, told = read(made, batch, i)
    if name in SOLVERS:
      asked, wanted = told_behind(tokens, SOLVERS[name])
      assert len(asked) <= made.task.length
    else:
      wanted = PLACED[name](tokens)
    assert sorted(told) == sorted(wanted), tokens


def test_what_was_taken_out_of_an_equation_alone_solves_it():
  made = data(SPECS["solve_equation"])
  batch = rows(made).train(np.arange(60), 0)
  for i in range(60):
    tokens, [(at, answer)] = read(made, batch, i)
    assert at == len(tokens) - 1 and tokens[-2] == "="
    left, value = "".join(tokens[:-2]), int(tokens[-1])
    assert [x for x in "01234" if eval(left.replace("x", x)) % 5 == value] == [answer]


@pytest.mark.parametrize("arguments", ["arguments=2, depth=10", "arguments=5, depth=3"])
def test_lists_of_every_length_can_be_made(arguments):
  """Also where trees must be full."""
  most = 64
  made = data(f"listops({arguments}, least=3, length={most}, count=2000)", columns=most)
  batch = rows(made, columns=most).evaluate(np.arange(900))
  assert {len(question(read(made, batch, i)[0])[0]) for i in range(900)} >= set(range(3, most + 1))
  full = data("listops(arguments=2, depth=2, length=10)", columns=10)
  tokens, _ = read(full, rows(full, columns=10).evaluate(np.arange(1)), 0)
  assert len(tokens) == 10


def test_every_row_of_recall_asks_something():
  made = data("in_context_recall(noise=0.9, least=4)")
  assert rows(made).evaluate(np.arange(200))["weight_BA"].any(1).all()


def test_what_is_to_be_memorised_is_the_same_in_all_rows():
  made, known = data(SPECS["memorization"]), {}
  batch = rows(made).train(np.arange(60), 0)
  for i in range(60):
    tokens, told = read(made, batch, i)
    assert [at for at, _ in told] == list(range(1, len(tokens), 2))
    for at, value in told:
      assert tokens[at] == "_" and known.setdefault(tokens[at - 1], value) == value
  assert len(known) == len(set(known.values())) == 3


@pytest.mark.parametrize("name", SPECS)
def test_there_are_as_many_choices_as_answers(name):
  """What guessing is worth, and with it scaled_accuracy, is that of the answers that are given."""
  made = data(SPECS[name])
  batch = rows(made).evaluate(np.arange(min(400, rows(made).count)))
  given = set(batch["answer_BA"][batch["weight_BA"] > 0].tolist())
  assert len(given) <= made.task.choices
  if name not in ("mqar", "listops"):  # too many to see them all
    assert len(given) == made.task.choices


@pytest.mark.parametrize("name", SPECS)
def test_an_example_is_a_function_of_its_index(name):
  part = rows(data(SPECS[name]))
  together = part.train(np.arange(20), 0)
  again = part.train(np.array([13, 2]), 5)
  for key, values in together.items():
    np.testing.assert_array_equal(again[key], values[[13, 2]])


@pytest.mark.parametrize("name", SPECS)
def test_lengths_reach_from_the_shortest_to_the_longest(name):
  made = data(SPECS[name])
  batch = rows(made).evaluate(np.arange(min(400, rows(made).count)))
  asked = isinstance(made.task, Asked)
  sizes = set()
  for i in range(len(batch["pos_BT"])):
    tokens, _ = read(made, batch, i)
    sizes.add(len(question(tokens)[0]) if asked else len(tokens))
  wanted = set(range(made.task.least, made.task.length + 1))
  odd = {"modular_arithmetic": 1, "missing_duplicate": 0}.get(name)
  assert sizes == (wanted if odd is None else {n - (n % 2 != odd) for n in wanted})


def test_all_examples_of_a_finite_task_come_once():
  made = data("modular(prime=7)", "hash(fraction=0.5)")
  assert (made.size("train")["examples"], made.size("valid")["examples"]) == (21, 21)
  found = []
  for split in ("train", "valid"):
    part = rows(made, split)
    batch = part.evaluate(np.arange(part.count))
    found += [tuple(read(made, batch, i)[0]) for i in range(part.count)]
  assert len(set(found)) == 42


def test_an_index_beyond_the_last_example_has_no_weight():
  part = rows(data("parity(count=20)", "hash(fraction=0.5)"), "valid")
  assert part.evaluate(np.array([9, 10]))["weight_BA"].tolist() == [[1], [0]]


def test_validation_examples_may_be_longer_and_are_others():
  made = data("parity(least=2)", "parity(length=40, least=30, count=50)")
  batch = rows(made, "valid").evaluate(np.arange(50))
  assert batch["tokens_BT"].shape == (50, 40) and made.size("valid") == {"examples": 50}
  whole = synthetic.read_examples("parity(count=5)", "--data", made.tokenizer, COLUMNS)
  assert whole.size("train") == {"examples": 5}


def test_examples_of_the_run_s_own_call_are_neither_its_training_nor_its_validation():
  call = "parity(length=20, count=50)"
  made = data(call, f"{call[:-1]}, seed=1)")
  asked = synthetic.read_examples(call, "--data", made.tokenizer, COLUMNS)
  found = [
    {tuple(row) for row in rows(of, split).evaluate(np.arange(50))["tokens_BT"].tolist()}
    for of, split in ((made, "train"), (made, "valid"), (asked, "train"))
  ]
  assert not found[0] & found[2] and not found[1] & found[2] and not found[0] & found[1]


def test_a_loader_gives_each_example_once_an_epoch():
  made = data("modular(prime=7)", "hash(fraction=0.5)")
  loader = Loader(made, length=COLUMNS, batch=7, rows="answers")
  seen = [tuple(row) for step in range(3) for row in loader(step)["tokens_BT"].tolist()]
  assert loader.steps_per_epoch == 3 and len(set(seen)) == 21


def test_draws_are_even():
  draws = Draws(np.arange(6000), "test")
  counts = np.bincount(draws.integers(5, 2).ravel(), minlength=5)
  assert abs(counts - 2400).max() < 200
  chosen = draws.distinct(6, 3)
  assert all(len(set(row)) == 3 for row in chosen.tolist())
  for column in chosen.T:  # every number is as likely at every place
    assert abs(np.bincount(column, minlength=6) - 1000).max() < 150
  first = draws.weighted(np.array([1.0, 2.0, 5.0]), 2)[:, 0]
  assert abs(np.bincount(first) / 6000 - np.array([1, 2, 5]) / 8).max() < 0.03


def test_gaps_of_mqar_follow_the_power_law():
  """A query's place has weight place^(power - 1), drawn without the others' places."""
  made = data("mqar(pairs=1, vocab=16, power=0.5, length=12)", columns=12)
  at = rows(made, columns=12).train(np.arange(8000), 0)["at_BA"][:, 0]
  weight = np.arange(1, 6) ** -0.5
  assert abs(np.bincount((at - 2) // 2, minlength=5) / 8000 - weight / weight.sum()).max() < 0.02


@pytest.mark.parametrize(
  ("spec", "valid", "said"),
  [
    ("parity(length=40)", "hash(fraction=0.1)", "takes 40 tokens"),
    ("parity(least=9, length=5)", "hash(fraction=0.1)", "least=9 up to length=5"),
    ("parity(count=0)", "hash(fraction=0.1)", "count of 1 or more"),
    ("parity(count=3)", "hash(fraction=0.1)", "leaves nothing"),
    ("parity()", "mqar()", "symbols are not those"),
    ("parity()", "tail(fraction=0.1)", "tail"),
    ("mqar(pairs=9)", "hash(fraction=0.1)", "length=36 takes 36 tokens"),
    ("mqar(vocab=8, pairs=4)", "hash(fraction=0.1)", "pairs of 1 to"),
    ("modular(prime=6)", "hash(fraction=0.1)", "prime=6"),
    ("modular(operation='plus')", "hash(fraction=0.1)", "choose from add"),
    ("word_problem(points=9)", "hash(fraction=0.1)", "points=9"),
    ("cycle_navigation(states=2)", "hash(fraction=0.1)", "states=2"),
    ("induction_heads(letters=0)", "hash(fraction=0.1)", "letters=0"),
    ("word_problem(points=2, even=True)", "hash(fraction=0.1)", "nothing to choose"),
    ("parity(count=100000000000000000000)", "hash(fraction=0.1)", "count is above"),
    ("modular(prime=1000000000000000003)", "hash(fraction=0.1)", "prime is above"),
    ("parity()", "hash(fraction=1e400)", "leaves nothing"),
    ("parity()", "parity(length=1000000000000)", "length is above"),
    ("parity()", "parity(count=50) | parity()", "one call"),
    ("listops(depth=1000000)", "hash(fraction=0.1)", "depth"),
    ("fuzzy_recall(vocab=0, most=-1)", "hash(fraction=0.1)", "vocab of 4"),
    ("mqar(vocab=64, least=20, length=24)", "hash(fraction=0.1)", "leave it out"),
    ("modular(prime=7)", "modular(prime=7)", "hold some out"),
    ("bucket_sort(letters=1)", "hash(fraction=0.1)", "letters=1"),
    ("selective_copying(tokens=0)", "hash(fraction=0.1)", "tokens of 1"),
  ],
)
def test_wrong_arguments(spec, valid, said):
  with pytest.raises(UserError, match=r"config\.data") as error:
    data(spec, valid)
  assert said in str(error.value)


def test_a_task_is_not_mixed():
  with pytest.raises(UserError, match="cannot be mixed"):
    synthetic.gives_tasks("parity() | mqar()")
  assert not synthetic.gives_tasks("embedded()")
