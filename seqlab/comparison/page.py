"""A comparison as a page: one HTML file."""

import html
import math

from seqlab.comparison.html import Cell, document, section, table, views
from seqlab.comparison.outcome import Comparison
from seqlab.comparison.written import ranking
from seqlab.pictures import comparison as pictures


def page(found: Comparison) -> str:
  """The whole of it as HTML."""
  about = found.about
  title = f"{len(found.rows)} architectures at equal {_named(found.equal)}"
  parts = [
    f"<h1>{html.escape(title)}</h1>",
    f'<p class="soft">{html.escape(about["what"])}</p>',
    f'<p class="verdict">{html.escape(found.verdict())}</p>',
    section("Ranking", _ranking(found), RANKING.format(**_words(found))),
    section("Validation while training", _courses(found), COURSES),
    section("Quality against memory and speed", _trades(found), TRADES.format(**about)),
    section("Pairs", _pairs(found), PAIRS),
    section("Learning rates", _rates(found), _of_rates(found)),
    section("Budgets", _budgets(found), BUDGETS),
    f"<h2>How it was made</h2><p><code>{html.escape(about['command'])}</code></p>",
    f'<p class="soft">{html.escape(about["made"])}</p>',
  ]
  return document(title, parts)


RANKING = (
  "{metric} on the validation set, mean ± 95% interval over {seeds} seeds (Student). A rank is a "
  "range: it holds every place that the tests leave open. Lines in italics are no competitors."
)
COURSES = (
  "Means over seeds, in a band from the least to the most of them. Seconds are a run's share of "
  "its program's steps, without compiling and validation."
)
TRADES = (
  "State: bytes that one sequence holds after {length} tokens. Latency: of one token of one "
  "sequence, in the second half of {length} tokens, on {device}, untuned."
)
PAIRS = (
  "The first less the second, seed by seed. p: Student's paired test; Holm: the same for all pairs "
  "together, below 0.05 where the two are told apart. Detectable: the difference that so many "
  "seeds would show, tested alone at 5%, four times in five."
)
BUDGETS = (
  "Parameters without tables of ids; FLOPs of all steps, three forward passes each, exact from the "
  "jaxpr; the column that was made equal says how far it is from the first architecture's."
)


def _ranking(found: Comparison) -> str:
  head, rows = ranking(found)
  names = set(found.beside)
  return table(head, rows, ["beside" if row[0] in names else "" for row in rows])


def _courses(found: Comparison) -> str:
  steps, tokens = found.about["steps"], found.about["tokens"]

  def view(across: str, scale: dict[str, float]) -> str:
    curves = {
      row.name: [[(step * scale[row.name], value) for step, value in seed] for seed in row.curve]
      for row in found.rows
    }
    return pictures.courses(curves, across, f"validation {found.metric}")

  flops = {row.name: row.costs.flops / steps for row in found.rows}
  return views({
    "steps": view("steps", dict.fromkeys(flops, 1.0)),
    found.about["counts"]: view(found.about["counts"], dict.fromkeys(flops, tokens)),
    "FLOPs": view("training FLOPs", flops),
    "seconds": view("seconds", {row.name: row.seconds for row in found.rows}),
  })  # fmt: skip


def _trades(found: Comparison) -> str:
  up, made = f"validation {found.metric}", {}
  ranked = [row for row in found.rows if row.rank]
  with_state = {
    row.name: (row.costs.state, row.mean, row.half) for row in ranked if row.costs.state
  }
  timed = {
    row.name: (1000 * row.latency, row.mean, row.half) for row in ranked if row.latency is not None
  }
  if with_state:
    made["state"] = pictures.places(with_state, "state of one sequence (bytes)", up)
  if timed:
    made["latency"] = pictures.places(timed, "milliseconds a token", up)
  return views(made) if made else ""


def _pairs(found: Comparison) -> str:
  rows: list[list[Cell]] = []
  for (one, other), pair in found.pairs.items():
    half = "" if math.isnan(pair.half) else f" ± {pair.half:.4f}"
    rows.append([
      f"{one} − {other}", (f"{pair.difference:+.4f}{half}", pair.difference), *(
        "–" if math.isnan(x) else (f"{x:.2g}", x) for x in (pair.p, pair.holm, pair.detectable)
      ), "apart" if pair.apart else "not apart",
    ])  # fmt: skip
  head = ["pair", "difference", "p", "Holm", "detectable", ""]
  return table(head, rows) if rows else ""


def _rates(found: Comparison) -> str:
  tuned = {row.name: row.tuned for row in found.rows if len(row.tuned) > 1}
  return pictures.rates(tuned, f"validation {found.metric}") if tuned else ""


def _of_rates(found: Comparison) -> str:
  about, edges = found.about, [row.name for row in found.rows if row.at_the_edge]
  said = (
    f"Each architecture was run once at each of {len(about['lrs'])} rates on a seed of its own "
    f"({about['tuning_seed']}), at the budget of a run; the best is what it is compared at."
  )
  if edges:
    said += (
      f" * The best of {', '.join(edges)} is the first or the last that was tried: there may be a "
      f"better one beyond."
    )
  return said


def _budgets(found: Comparison) -> str:
  first = next(row for row in found.rows if row.name == found.about["first"]).costs
  head = ["", "width", "channel mixer", "parameters", "FLOPs", "state bytes", found.about["counts"]]
  names = ("parameters", "flops", "state", "data")
  rows: list[list[Cell]] = []
  for row in found.rows:
    cells: list[Cell] = [row.name, (str(row.width), row.width), row.mlp]
    for name in names:
      value, wanted = getattr(row.costs, name), getattr(first, name)
      off = f" ({100 * (value / wanted - 1):+.2f}%)" if name == found.equal and wanted else ""
      cells.append((f"{value:,}{off}" if value < 1e9 else f"{value:.4g}{off}", value))
    rows.append(cells)
  return table(head, rows)


def _named(equal: str) -> str:
  return {"flops": "training FLOPs", "state": "state bytes"}.get(equal, equal)


def _words(found: Comparison) -> dict[str, str]:
  return dict(metric=found.metric.capitalize(), seeds=str(len(found.about["seeds"])))
