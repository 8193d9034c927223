"""An adaptive search: who goes on, what is tried next, and that nothing of it is lost."""

import json
import math
import shutil
import subprocess
import sys

import pytest
import small
from commands import here, seqlab

from seqlab import config as configs
from seqlab import goodput, metrics
from seqlab.errors import UserError
from seqlab.sweeps import attempts, files, points, search, trials
from seqlab.sweeps.halving import promotion
from seqlab.sweeps.rules import rules
from seqlab.sweeps.space import Rules, Space
from seqlab.sweeps.suggest import Told, suggestion

CONFIG = f"""{small.CONFIG}
def get_search(space):
  return dict(
    space={{"lr": space.log_uniform(0.001, 1.0), "model.width": space.integer(8, 16, step=4)}},
    trials=4, rungs=(6,), factor=2,
  )
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
  (tmp_path / "searched.py").write_text(CONFIG)
  small.write_words(tmp_path)
  monkeypatch.chdir(tmp_path)
  return tmp_path


def ranked(found, rungs=2, last=False):
  """Who goes on of {name: (costs, level)}, at one in two."""
  costs, level = ({name: of[part] for name, of in found.items()} for part in (0, 1))
  return promotion(costs, level, rungs, 2, last)


def test_one_in_so_many_goes_on_and_the_highest_rung_comes_first():
  low = {"a": ([3.0], 0), "b": ([1.0], 0)}
  assert ranked(low) == "b"
  assert ranked({**low, "b": ([1.0], 1)}) is None, "let go on once"
  assert ranked({"a": ([3.0], 0)}) is None, "one of one is not one of two"
  both = {**low, "c": ([0.5, 0.7], 1), "d": ([0.4, 0.9], 1)}
  assert ranked(both) == "c", "at the higher rung"
  assert ranked({**both, "c": ([0.5, 0.7], 2)}) is None, "the better half of each went on"
  assert ranked({"a": ([math.inf], 0), "b": ([math.inf], 0)}) is None, "they diverged"
  assert ranked({"a": ([2.0], 0), "b": ([1.0, math.inf], 1)}) is None
  assert ranked({"a": ([2.0, 3.0, 4.0], 2)}, last=True) is None, "at the end"


def test_somebody_gets_to_the_end():
  alone = {"a": ([3.0, 2.0], 1), "b": ([4.0], 0)}
  assert ranked(alone) is None and ranked(alone, last=True) == "a"
  lost = {"a": ([3.0, 2.0, math.inf], 2), "b": ([4.0], 0)}
  assert ranked(lost, last=True) == "b", "the next best, where the best diverged"


def test_a_whole_search_by_halving_keeps_the_best():
  """27 trials whose order never changes, three at a time: the best gets to the end, and the steps
  are a third of those that all would take."""
  quality = {n: (n * 7) % 27 for n in range(27)}
  reached, level, steps, rungs = {}, {}, 0, (3, 9)
  while True:
    for n in level:
      while len(reached[n]) <= level[n]:
        steps += (3, 6, 18)[len(reached[n])]
        reached[n].append(quality[n])
    idle = len(level) == 27
    if (one := promotion(reached, level, len(rungs), 3, idle)) is not None:
      level[one] += 1
    elif not idle:
      level[len(level)], reached[len(reached)] = 0, []
    else:
      break
  whole = [n for n in reached if len(reached[n]) == 3]
  assert min(quality, key=quality.get) in whole and steps < 27 * 27 / 2


def test_the_same_is_suggested_after_the_same_and_near_what_was_good():
  space, off = Space(), {}
  lr, a, n = space.log_uniform(1e-4, 1.0), space.choice("x", [1, 2]), space.integer(2, 9, step=3)
  for sampler in ("tpe", "random"):
    found, told = Rules({"lr": lr, "a": a, "n": n}, trials=40, sampler=sampler), []
    for number in range(40):
      changes = suggestion(found, told, number)
      assert changes == suggestion(found, told, number)
      assert changes["a"] in ("x", [1, 2]) and changes["n"] in (2, 5, 8)
      assert changes["lr"] == float(f"{changes['lr']:.3g}") and 1e-4 <= changes["lr"] <= 1
      cost = abs(math.log(changes["lr"] / 0.03)) + (changes["a"] == "x")
      told.append(Told(changes, {1: cost}, whole=number % 2 == 0))
    off[sampler] = sum(abs(math.log(one.changes["lr"] / 0.03)) for one in told[20:]) / 20
  assert off["tpe"] < 0.8 * off["random"]
  assert suggestion(found, [], 0) != suggestion(found, [], 1)
  lost = Told(dict(lr=1.0, a="x", n=2), {1: math.inf}, whole=False)
  assert suggestion(found, [lost, Told(dict(lr=0.1, a="x", n=5), {}, whole=False)], 0)


def train(trial, cost):
  """What a training would leave behind at the step that it may go to."""
  attempt = attempts.claim(trial.folder, 0)
  step = trial.until()
  with metrics.Writer(trial.folder, trial.steps(), tensorboard=False) as writer:
    writer.write(step, {"valid/loss": cost})
  if step == trial.steps():
    runs = [dict(changes=trial.changes, step=step, numbers={"valid/loss": cost})]
    files.write_once(trial.folder / "result.json", dict(code=0, attempt=1, runs=runs))
  attempt.finish(0)


def test_a_search_is_read_off_its_files_by_any_controller(folder):
  root = folder / "s"
  search.begin(root, "searched.py", [])
  (folder / "searched.py").unlink()  # it has what it began with
  one = search.Search(root, 2)
  first = one.left()
  assert len(first) == 2 and all(now.state == "waiting" for now in first.values())
  assert search.Search(root, 2).left() == first, "another finds the same, and asks for no more"
  for trial in first:
    train(trial, cost=trial.changes["lr"])
  best = min(first, key=lambda trial: trial.changes["lr"])
  for step in range(9):
    left = (one if step % 2 else search.Search(root, 2)).left()
    if step == 0:
      assert best in left and best.until() == 12, "the better of two goes on"
    for trial in left:
      train(trial, cost=trial.changes["lr"])
  assert not one.left()
  told = points.asked(root)
  assert [of["id"] for of in told] == [trial.id for trial in trials.read(root)] and len(told) == 4
  ended = [trial for trial in trials.read(root) if trial.result()]
  assert min(trials.read(root), key=lambda trial: trial.changes["lr"]) in ended
  assert 1 <= len(ended) <= 3
  said = here("sweep", "status", "--workdir=s")
  assert f"{len(ended)} done, {4 - len(ended)} paused" in said and "6/12" in said
  said = here("sweep", "report", "--workdir=s")
  assert "the best of 4" in said and "--config.lr=" in said and (root / "search.png").exists()


def test_seeds_that_stopped_apart_all_get_to_the_rung(folder):
  run = ("train", "--config=searched.py", "--workdir=s", "--config.seeds=2")
  here(*run, "--until=3", code=75)
  shutil.rmtree(folder / "s/seed1/checkpoints/3")
  here(*run, "--until=6", code=75)
  assert [metrics.last_step(folder / f"s/seed{n}") for n in (0, 1)] == [6, 6]


def test_a_space_that_is_small_ends(folder, capsys):
  (folder / "searched.py").write_text(
    CONFIG.replace("space.log_uniform(0.001, 1.0)", "space.choice(0.1)").replace("(6,)", "()")
  )
  root = folder / "s"
  search.begin(root, "searched.py", [])
  assert len(search.Search(root, 9).left()) == 3, "three widths are all there is"
  assert "no points but the 3" in capsys.readouterr().out


def test_points_that_can_be_counted_are_all_tried():
  space = Space()
  found = Rules({"a": space.choice(*"uvwxyz"), "n": space.integer(1, 5)}, trials=30)
  assert len(list(found.points())) == 30 and {"a": "z", "n": 5} in found.points()
  assert not list(Rules({"lr": space.uniform(0.0, 1.0)}, trials=3).points())


def test_what_trials_read_is_not_blamed_on_points(folder):
  root = folder / "s"
  search.begin(root, "searched.py", [])
  (folder / "words.txt").rename(folder / "gone.txt")
  with pytest.raises(UserError, match=r"words.txt"):
    search.Search(root, 2)
  (folder / "gone.txt").rename(folder / "words.txt")
  base = trials.about(root)["base"]
  (root / f"configs/{base}.json").unlink()
  with pytest.raises(UserError, match=base):
    search.Search(root, 2)
  assert not points.asked(root)


def test_controllers_on_other_machines_have_trials_of_their_own(folder):
  root = folder / "s"
  search.begin(root, "searched.py", [])
  (first,) = search.Search(root, 1).left()
  attempt = attempts.claim(first.folder, 0)
  assert len(search.Search(root, 1).left()) == 1, "this machine trains it"
  attempt.path.write_text(json.dumps(dict(attempt.owner, place=["another"])))
  assert len(search.Search(root, 1, everywhere=True).left()) == 1
  assert len(search.Search(root, 1).left()) == 2


def test_a_point_that_cannot_be_trained_is_passed_over(folder, capsys):
  text = CONFIG.replace(
    '"lr": space.log_uniform(0.001, 1.0)',
    '"model.mixer": space.choice("attention(heads=4)", "min_gru()")',
  ).replace("step=4", "step=2")
  (folder / "searched.py").write_text(text.replace("trials=4", "trials=8"))  # fmt: skip
  root = folder / "s"
  search.begin(root, "searched.py", [])
  found = search.Search(root, 9).left()
  told = points.asked(root)
  assert len(told) == 8 and 0 < len(found) < 8
  refused = [one for one in told if not one["id"]]
  assert len(refused) == 8 - len(found) and all(
    one["changes"]["model.width"] in (10, 12, 14) for one in refused
  )
  assert capsys.readouterr().out.count("cannot be trained") == len(refused)


def test_a_search_is_trained(folder, monkeypatch):
  said = seqlab("sweep", "run", "--config=searched.py", "--workdir=s", "--jobs=2")
  assert "4/4" in said and "paused at step 6, loss" in said and "done, loss" in said
  found = trials.read(folder / "s")
  ended = [trial for trial in found if trial.result()]
  assert len(found) == 4 and ended
  assert all(len(attempts.attempts(trial.folder)) == 1 + trial.level() for trial in found)
  again = seqlab("sweep", "run", "--config=searched.py", "--workdir=s")
  assert "4/4 trials are done" in again and "lr=" not in again, "nothing is trained"
  assert "holds another sweep" in here(
    "sweep", "run", "--config=searched.py", "--workdir=s", "--config.steps=18", code=2
  )
  (folder / "away").mkdir()
  monkeypatch.chdir(folder / "away")
  assert "4/4 trials are done" in here("sweep", "resume", "--workdir=../s")


def test_a_run_that_paused_ends_bitwise_as_one_that_did_not(folder):
  here("train", "--config=searched.py", "--workdir=whole")
  here("train", "--config=searched.py", "--workdir=paused", "--until=6", code=75)
  assert "stopped already" in here(
    "train", "--config=searched.py", "--workdir=paused", "--until=6", code=75
  )
  here("train", "--config=searched.py", "--workdir=paused")

  def numbers(run):
    lines = [json.loads(line) for line in (folder / run / metrics.FILE).read_text().splitlines()]
    return [
      {k: v for k, v in line.items() if k in ("step", "loss", "valid/loss")} for line in lines
    ]

  assert numbers("paused") == numbers("whole")
  spent = goodput.summary(folder / "paused")
  assert spent["attempts"] == 2 and spent["lost"]["down"] == 0, "its wait is not lost"


@pytest.mark.parametrize(
  "old, new, said",
  [
    ("trials=4", "trials=0", "trials=0: a whole number of 1"),
    ("factor=2", "factor=1", "factor=1: a whole number of 2"),
    ("rungs=(6,)", "rungs=(5,)", r"rungs=\(5,\): growing multiples of config.evaluate.every=6"),
    ("rungs=(6,)", "rungs=(12,)", "below config.steps=12"),
    ("rungs=(6,)", "rungs=6", "rungs=6: a tuple of steps"),
    ("trials=4", "trials=4, sampler='grid'", "sampler='grid': tpe or random"),
    ("trials=4", "trials=4, metric='bleu'", "metric='bleu': trials are ranked by loss"),
    ("log_uniform(0.001", "log_uniform(-1", "low below high"),
    ("step=4", "step=-1", "low below high"),
    ("space.integer(8, 16, step=4)", "dict(kind='choice')", "low below high"),
    ("trials=4", "trials=4, rugs=1", r"unknown 'rugs' \(did you mean 'rungs'"),
    ("'lr'", "'steps'", "it is the same for all trials"),
    ("'lr'", "3", r"space\[3\]"),
  ],
)
def test_mistakes_are_one_line(folder, old, new, said):
  text = CONFIG.replace('"lr"', "'lr'")
  assert old in text
  (folder / "searched.py").write_text(text.replace(old, new))
  with pytest.raises(UserError, match=r"get_search\(\): .*" + said):
    rules("searched.py", configs.load("searched.py"))


def test_ends_of_the_space_are_built_before_anything_is_trained(folder):
  text = CONFIG.replace('"lr": space.log_uniform(0.001, 1.0)',
    '"model.mixer": space.choice("min_gru()", "min_gru(x=1)")')  # fmt: skip
  (folder / "searched.py").write_text(text)
  said = here("sweep", "run", "--config=searched.py", "--workdir=s", code=2)
  assert "get_search(): model.mixer=min_gru(x=1)" in said and not (folder / "s").exists()
  (folder / "searched.py").write_text(CONFIG + "\ndef get_sweep():\n  return [{'lr': 1.0}]\n")
  assert "which of them" in here("sweep", "run", "--config=searched.py", "--workdir=s", code=2)


def test_a_sweep_is_looked_at_without_jax():
  said = "import sys, seqlab.sweep, seqlab.sweeps.report; sys.exit('jax' in sys.modules)"
  subprocess.run([sys.executable, "-c", said], check=True)
