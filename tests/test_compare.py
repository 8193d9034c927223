"""`seqlab compare`: equal budgets, tuned rates, seeds, tests, and a page of it."""

import csv
import json
import re

import pytest
import small
from commands import here, seqlab

from seqlab.comparison.budgets import WITHIN
from seqlab.comparison.plan import planned
from seqlab.errors import UserError
from seqlab.sweeps import trials
from seqlab.sweeps.attempts import attempts
from seqlab.sweeps.declared import architectures

BASE = (
  small.CONFIG.replace("length=8", "length=16, lr=0.01, schedule='constant()'")
  .replace("width=8", "width=16")
  .replace('"min_gru()", mlp="none()"', '"attention(heads=2)", mlp="gated()"')
  .replace("every=6)", "every=4)")
)
CONFIG = f"""{BASE}
def get_architectures():
  return {{"attention": {{}}, "min_gru": {{"model.mixer": "min_gru()"}}}}
"""
RUN = "compare", "--config=compared.py", "--workdir=c", "--seeds=2", "--lrs=0.003,0.01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("compared")
  (folder / "compared.py").write_text(CONFIG)
  small.write_words(folder)
  return folder


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
  monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def said(folder):
  with pytest.MonkeyPatch.context() as patch:
    patch.chdir(folder)
    return seqlab(*RUN)


def plan(equal, folder, config=CONFIG):
  file = folder / "planned.py"
  file.write_text(config)
  return planned(str(file), (), architectures(str(file)), equal, 2, ())


@pytest.mark.parametrize("equal", ["flops", "parameters", "data"])
def test_architectures_cost_the_same(folder, equal):
  made = plan(equal, folder)
  first, second = (getattr(one.costs, equal) for one in made.architectures)
  assert abs(second / first - 1) <= WITHIN
  assert all(one.costs.data == 12 * 4 * 16 for one in made.architectures)
  if equal != "data":
    assert "hidden=" in made.architectures[1].config.model.mlp, "width alone does not come so near"


def test_what_cannot_be_brought_to_the_budget_is_refused(folder):
  turned = CONFIG.replace('"attention": {}, ', "").replace(
    '{"model.mixer": "min_gru()"}}', '{"model.mixer": "min_gru()"}, "attention": {}}'
  )
  with pytest.raises(UserError, match=r"attention: --equal=state: .* is the nearest to 64, "):
    plan("state", folder, turned)


@pytest.mark.slow
def test_a_comparison_is_told_apart_and_trained_once(said, folder):
  assert "tuning: 0/4 cached" in said and "runs_2_seeds: 0/4 cached" in said
  assert "control_2_seeds: 0/2 cached" in said
  found = json.loads((folder / "c/comparison.json").read_text())
  assert {row["name"] for row in found["rows"]} == {"attention", "min_gru"}
  for row in found["rows"]:
    assert len(row["values"]) == 2 and len(row["tuned"]) == 2
    assert row["lr"] == float(min(row["tuned"], key=row["tuned"].get))
    assert [step for step, _ in row["curve"][0]] == [4, 8, 12]
    assert row["latency"] > 0 and row["seconds"] > 0
  beside = {name: value for name, (value, _) in found["beside"].items()}
  assert beside["unigram (Kneser-Ney)"] > beside["trigram (Kneser-Ney)"] > 0
  assert beside["attention, on shuffled text"] > beside["trigram (Kneser-Ney)"]
  assert beside["attention, untrained"] > max(
    value for row in found["rows"] for value in row["values"]
  )
  rows = list(csv.DictReader((folder / "c/report.csv").open()))
  assert len([row for row in rows if row["seed"]]) == 4
  assert found["verdict"] in (folder / "c/report.md").read_text()
  # again, nothing is trained
  before = [len(attempts(one.folder)) for one in trials.read(folder / "c/runs_2_seeds")]
  again = seqlab(*RUN)
  assert "tuning: 4/4 cached" in again and "runs_2_seeds: 4/4 cached" in again
  assert (
    [len(attempts(one.folder)) for one in trials.read(folder / "c/runs_2_seeds")]
    == before
    == [1, 1]
  )
  page = (folder / "c/report.html").read_text()
  assert found["verdict"] in page and page.count("<svg") == 4 + 2 + 1
  # a run of it is an ordinary run
  run = trials.read(folder / "c/runs_2_seeds")[0].runs()[1]
  assert "perplexity" in here("evaluate", f"--workdir={run.folder}")


@pytest.mark.parametrize(
  ("changed", "flags", "told"),
  [
    (("get_architectures", "get_others"), (), r"has no get_architectures\(\)"),
    (('"min_gru": {"model.mixer": "min_gru()"}', ""), (), "gives 1; two are compared"),
    (('"model.mixer": "min_gru()"', '"lr": 1.0'), (), "changes lr of 'min_gru'"),
    (("min_gru()", "min_gruu()"), (), "min_gru: config.model.mixer: unknown.*'min_gruu'"),
    (("", ""), ("--lrs=0.1,zero",), "positive numbers are wanted"),
    (("", ""), ("--seeds=1",), "from 2 to 100"),
    (("", ""), ("--config.seeds=2",), "a comparison has --seeds"),
  ],
)
def test_mistakes_are_told_in_a_line(folder, changed, flags, told):
  (folder / "wrong.py").write_text(CONFIG.replace(*changed) if changed[0] else CONFIG)
  said = here("compare", "--config=wrong.py", "--workdir=w", *flags, code=2)
  said = said.splitlines()[-1]
  assert re.search(told, said), said
  assert not (folder / "w").exists()
