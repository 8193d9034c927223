"""What is said of a comparison: the verdict, the ranking, the page in a browser."""

import csv
import dataclasses
import functools
import io
import json
import math
import shutil
import subprocess

import pytest

from seqlab.comparison import written
from seqlab.comparison.budgets import Costs
from seqlab.comparison.outcome import Comparison, Row
from seqlab.comparison.page import page
from seqlab.scores.paired import pairs_of, ranks
from seqlab.scores.seeds import student

VALUES = {
  "lstm": [1.50, 1.51, 1.49],
  "attention": [1.70, 1.72, 1.69],
  "<mamba>": [1.71, 1.69, 1.70],
}


def comparison(values=VALUES, lower=True, **more):
  """A comparison of three that were never trained; one with None in its values diverged."""
  whole = {name: each for name, each in values.items() if None not in each}
  pairs = pairs_of(whole)
  rank = ranks(whole, pairs, lower)
  rows = []
  for number, name in enumerate([*rank, *(name for name in values if name not in rank)]):
    mean, half = student(whole[name]) if name in whole else (math.nan, math.nan)
    costs = Costs(1000 * (number + 1), 2_000_000_000 + number, 64 * number, 4096)
    curve = [[(step, 3.0 - step / 10 + value) for step in (5, 10)] for value in (0.0, 0.1, 0.2)]
    rows.append(Row(
      name, values[name], mean, half, rank.get(name), 0.01, {0.01: 1.5, 0.03: math.inf, 0.1: 1.8},
      costs, 64, "gated(hidden=3) | x()", curve, 0.1, None if number == 1 else 0.002 + number,
    ))  # fmt: skip
  about = dict(
    command="seqlab compare --config='a.py'", what="text", made="seqlab", device="cpu", steps=10,
    first=rows[0].name, length=16, lrs=[0.01, 0.03, 0.1], seeds=[0, 1, 2], tuning_seed=1000,
    tokens=64.0, counts="tokens",
  )  # fmt: skip
  beside = {"unigram (Kneser-Ney)": (2.5, 0.0), "lstm, on shuffled text": (2.6, 0.01)}
  metric = "loss" if lower else "accuracy"
  made = Comparison(metric, lower, "flops", rows, pairs, beside, about)
  return dataclasses.replace(made, **more)


def test_the_verdict_ranks_only_what_is_told_apart():
  assert "lstm has the lowest loss, told apart from every other. 2 of 3 pairs" in (
    comparison().verdict()
  )
  near = {"a": [1.0, 1.2, 1.1], "b": [1.1, 1.05, 1.15]}
  assert "None is ranked: a and b cannot be told apart." in comparison(near).verdict() or (
    "None is ranked: b and a" in comparison(near).verdict()
  )
  assert comparison({"a": [1.0, 1.0, 1.0], "b": [1.0, None, 1.0]}).verdict() == (
    "Only a got through all its seeds. Not ranked, as a seed diverged: b."
  )
  assert "No architecture got through" in comparison({"a": [None] * 3, "b": [None] * 3}).verdict()
  # a differs from c alone, so that b may still be as good as any
  open_ = {"a": [1.0, 1.01, 0.99], "b": [1.3, 0.9, 1.4], "c": [1.6, 1.61, 1.595]}
  found = comparison(open_)
  assert found.rows[0].rank == (1, 2)
  assert "Nothing is shown to have a lower loss than a and b." in found.verdict()


def test_what_diverged_stands_last_whichever_way_is_better():
  for lower in (True, False):
    found = comparison({"a": [0.5, None, 0.6], "b": [0.7, 0.8, 0.9], "c": [0.1, 0.2, 0.3]}, lower)
    _, rows = written.ranking(found)
    assert rows[-1][0] == "a" and rows[-1][1] == "–" and "diverged" in rows[-1][3]
    names = [row[0] for row in rows if row[0] in "bc"]
    assert names == (["c", "b"] if lower else ["b", "c"])


def test_files_hold_every_run_and_may_be_read_by_others():
  found = comparison()
  rows = list(csv.DictReader(io.StringIO(written.as_csv(found))))
  assert [row["architecture"] for row in rows if row["seed"] == "2"] == [r.name for r in found.rows]
  assert rows[-1]["loss"] == "2.6"
  lines = written.markdown(found).splitlines()
  table = [line for line in lines if line.startswith("|")]
  assert len(table) == 2 + 5 and len({line.replace("\\|", "").count("|") for line in table}) == 1
  assert json.loads(found.json())["rows"][0]["tuned"]["0.03"] is None, "infinity is no JSON"


@functools.cache
def chromium():
  found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
  if found is None:
    pytest.skip("no Chromium to open the page with: apt-get install chromium")
  return found


# What the page's own script does is tried in the page: a copy clicks and says what it sees.
PROBE = """<script>
  const table = document.querySelector("table.sorted");
  const column = n => [...table.tBodies[0].rows].map(row => row.cells[n].dataset.key);
  const before = [...table.tBodies[0].rows].map(row => row.cells[0].textContent);
  const heads = [...table.tHead.rows[0].cells];
  const click = name => heads.find(h => h.textContent === name).querySelector("button").click();
  click("parameters"); const up = column(4);
  click("parameters"); const down = column(4);
  click("loss"); const losses = column(2);
  const choice = document.querySelector("input[value=FLOPs]"); choice.click();
  const shown = [...choice.closest("section").querySelectorAll("[data-view]")]
    .filter(view => !view.hidden).map(view => view.dataset.view);
  const ids = [...document.querySelectorAll("[id]")].map(x => x.id);
  document.title = JSON.stringify({before, up, down, losses, shown,
    twice: ids.length - new Set(ids).size,
    fits: document.documentElement.scrollWidth <= window.innerWidth});
</script></body>"""


def test_the_page_works_in_a_browser_without_a_network(tmp_path):
  text = page(comparison())
  assert "http" not in text.replace("http://www.w3.org/", "") and "<mamba>" not in text
  (tmp_path / "probe.html").write_text(text.replace("</body>", PROBE))
  command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
  done = subprocess.run(
    [*command, f"--user-data-dir={tmp_path}/chromium", f"file://{tmp_path}/probe.html"],
    capture_output=True, text=True, timeout=120,
  )  # fmt: skip
  title = done.stdout.partition("<title>")[2].partition("</title>")[0]
  seen = json.loads(title.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">"))
  assert seen["before"][:2] == ["lstm", seen["before"][1]] and "<mamba>" in seen["before"]
  assert seen["up"][:3] == ["1000", "2000", "3000"] and seen["down"][:3] == ["3000", "2000", "1000"]
  assert seen["losses"] == sorted(seen["losses"], key=float)
  assert seen["shown"] == ["FLOPs"] and seen["fits"] and not seen["twice"]
