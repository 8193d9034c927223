"""What is known of published results, docs/results.json, and the page that shows it,
docs/results.md, with the tables of docs/tables/ below.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from seqlab.claims import Claim, read_claims
from seqlab.scores.seeds import student

PAGE = pathlib.Path("docs/results.md")
TABLES = pathlib.Path("docs/tables")
PASS, FAIL, NOT_RUN = "PASS", "FAIL", "NOT RUN"


def known() -> dict[str, Any]:
  """By target and name of a result: its seeds' values, why it could not be measured (the last time,
  where it has values from before), when and where.
  """
  path = PAGE.with_suffix(".json")
  return json.loads(path.read_text()) if path.exists() else {}


def rows_of(claim: Claim, found: Mapping[str, Any]) -> list[tuple[str, ...]]:
  """A row for each result of a claim, its verdict last."""
  rows: list[tuple[str, ...]] = []
  for result in claim.results:
    values = found.get(result.name, {}).get("values", [])
    number = result.number(values) if values else None
    verdict = NOT_RUN if number is None else PASS if result.low <= number <= result.high else FAIL
    spread = ""
    if len(values) > 1:
      ends = f" ({min(values):.4g} to {max(values):.4g})"
      spread = f" ± {student(values)[1]:.2g}" if result.over == "mean" else ends
    rows.append((
      f"{claim.target}: {result.name}",
      result.metric,
      result.published,
      f"{result.low:g} to {result.high:g}",
      "" if number is None else f"{number:.4g}{spread}",
      f"{result.over} of {len(result.seeds)}" if result.over != "mean" else str(len(result.seeds)),
      verdict,
    ))  # fmt: skip
  return rows


def write_page() -> None:
  """Writes the page anew from what is known and from the tables there are."""
  write(read_claims(), known())


def write(claims: Mapping[str, Claim], found: Mapping[str, Any]) -> None:
  """Both files, whole or not at all, of the targets that there are."""
  found = {target: of for target, of in found.items() if target in claims}
  lines = [
    "# Published results, run anew",
    "",
    "Written by `seqlab reproduce`; the numbers are in results.json. A result is the mean over "
    "seeds with its 95% interval (Student's t), or",
    "the best of them where that is said (smallest to largest in brackets), and passes within the "
    "bounds that its file in",
    "experiments/papers/ states.",
    "",
    "| result | metric | published | wanted | measured | seeds | |",
    "|---|---|---|---|---|---|---|",
  ]
  notes: list[str] = []
  for claim in claims.values():
    of = found.get(claim.target, {})
    rows = rows_of(claim, of)
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    notes += ["", f"**{claim.target}** ({claim.cost}): {claim.says}. Source: {claim.source}.", ""]
    if claim.tried and any(row[-1] == FAIL for row in rows):
      notes.append(f"- FAIL: {claim.tried}")
    for result in claim.results:
      notes += _notes(result.name, of[result.name]) if result.name in of else []
  for table in sorted(TABLES.glob("*.md")):
    notes += ["", table.read_text().rstrip()]
    if table.with_suffix(".png").exists():
      notes += ["", f"![{table.stem}]({TABLES.name}/{table.stem}.png)"]
  PAGE.parent.mkdir(exist_ok=True)
  for path, text in (
    (PAGE.with_suffix(".json"), json.dumps(found, indent=1) + "\n"),
    (PAGE, "\n".join([*lines, *notes]) + "\n"),
  ):
    whole = path.with_name(f"{path.name}.tmp")
    whole.write_text(text)
    whole.replace(path)


def _notes(name: str, about: Mapping[str, Any]) -> list[str]:
  """What is said of a result below the table."""
  notes, where = [], about["machine"]
  if about["why"]:
    notes.append(f"- NOT RUN{' again' * bool(about['values'])} ({name}): {about['why']}")
  if about["values"]:
    cores = f"{where['cpus']} core{'s' * (where['cpus'] > 1)}"
    notes.append(f"- {name}: {about['date']}, {where['devices']} x {where['device']}, {cores}")
  return notes
