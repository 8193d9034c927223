"""The ranking of a comparison as rows: on the terminal, as Markdown, each run as a line of CSV."""

import csv
import io
import math

from seqlab import table
from seqlab.comparison.html import Cell
from seqlab.comparison.outcome import Comparison, Row
from seqlab.progress import scaled


def show(found: Comparison) -> None:
  """Prints the ranking and what may be said of it."""
  head, rows = ranking(found)
  table.show(f"at equal {found.equal}", head, [[shown(cell) for cell in row] for row in rows])
  print(found.verdict())


def markdown(found: Comparison) -> str:
  """The ranking as a table, under what may be said of it."""
  head, rows = ranking(found)
  lines = [
    found.verdict(), "",
    f"| {' | '.join(head)} |", f"|{'---|' * len(head)}",
    *(f"| {' | '.join(shown(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows),
    "",
    f"Written by `{found.about['command']}`.",
  ]  # fmt: skip
  return "\n".join(lines) + "\n"


def as_csv(found: Comparison) -> str:
  """A line for each run, one for each that is no competitor."""
  out = io.StringIO()
  write = csv.writer(out, lineterminator="\n").writerow
  costs = ("parameters", "flops", "state", "data")
  write(["architecture", "seed", found.metric, "lr", "width", "mlp", *costs, "latency"])
  for row in found.rows:
    for seed, value in zip(found.about["seeds"], row.values, strict=True):
      of = (getattr(row.costs, name) for name in costs)
      at = "" if row.latency is None else row.latency
      write([row.name, seed, "" if value is None else value, row.lr, row.width, row.mlp, *of, at])
  for name, (value, _) in found.beside.items():
    write([name, "", value, *[""] * 8])
  return out.getvalue()


def ranking(found: Comparison) -> tuple[list[str], list[list[Cell]]]:
  """The ranking, with what is beside it where its number puts it."""
  costs = "parameters", "FLOPs", "state", "ms/token"
  head = ["", "rank", found.metric, "of each seed", *costs, "lr"]
  sign = 1 if found.lower else -1
  rows = [(math.inf if math.isnan(r.mean) else sign * r.mean, _ranked(r)) for r in found.rows]
  for name, (value, half) in found.beside.items():
    shown = f"{value:.4f}" + (f" ± {half:.4f}" if half else "")
    rows.append((sign * value, [name, "", (shown, value), *[""] * 6]))
  return head, [row for _, row in sorted(rows, key=lambda row: row[0])]


def _ranked(row: Row) -> list[Cell]:
  each = ", ".join("diverged" if value is None else f"{value:.4f}" for value in row.values)
  mean = "–" if math.isnan(row.mean) else f"{row.mean:.4f}"
  half = "" if math.isnan(row.half) else f" ± {row.half:.4f}"
  low, high = row.rank or (0, 0)
  rank = "–" if not row.rank else str(low) if low == high else f"{low}–{high}"
  of = row.costs
  return [
    row.name, (rank, low + high / 1000) if row.rank else "–",
    (mean + half, row.mean) if row.rank else "–", each,
    (_short(of.parameters), of.parameters), (_short(of.flops), of.flops),
    (_short(of.state) + "B", of.state), _milliseconds(row.latency),
    (f"{row.lr:g}" + "*" * row.at_the_edge, row.lr),
  ]  # fmt: skip


def _milliseconds(seconds: float | None) -> Cell:
  return "–" if seconds is None else (f"{1000 * seconds:.3f}", seconds)


def shown(cell: Cell) -> str:
  """What a reader sees of a cell."""
  return cell if isinstance(cell, str) else cell[0]


def _short(value: float) -> str:
  return "{} {}".format(*scaled(value))
