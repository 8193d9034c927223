"""The looks of a page that needs no network: tables sorted by a click, pictures of which one is
shown, light and dark.
"""

import html
import itertools
from collections.abc import Iterable, Sequence

Cell = str | tuple[str, float]  # what is shown, and by what it is sorted

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --line: #d9dee3; --paper: #fff;
  --shade: #f5f7f9; --good: #1a7f4b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b0; --line: #343b43;
  --paper: #14181c; --shade: #1c2127; --good: #5fc48f; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
.verdict { font-size: 1.1rem; border-left: 4px solid var(--good); padding-left: .8rem; }
.soft, small { color: var(--soft); } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; }
thead th button { all: unset; cursor: pointer; }
thead th button:focus-visible { outline: 2px solid; }
thead th[aria-sort=ascending] button::after { content: " ▲"; }
thead th[aria-sort=descending] button::after { content: " ▼"; }
tr.beside td { color: var(--soft); font-style: italic; }
tbody tr:hover { background: var(--shade); } svg { max-width: 100%; height: auto; }
svg text { fill: currentColor; }
fieldset { border: 0; padding: 0; margin: .4rem 0; } fieldset label { margin-right: 1rem; }
code { background: var(--shade); padding: .1rem .3rem; overflow-wrap: anywhere; }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sorted")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)], [p, q] = [parseFloat(x), parseFloat(y)];
      if (isNaN(p) !== isNaN(q)) return isNaN(p) ? 1 : -1;   // what has no number stays below
      const by = isNaN(p) ? x.localeCompare(y) : p - q;
      return down ? -by : by;
    };
    body.append(...[...body.rows].sort(order));
  }));
}
for (const choice of document.querySelectorAll("fieldset input"))
  choice.addEventListener("change", () => {
    for (const shown of choice.closest("section").querySelectorAll("[data-view]"))
      shown.hidden = shown.dataset.view !== choice.value;
  });
"""


def document(title: str, parts: Iterable[str]) -> str:
  """The file."""
  return (
    '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n<body>\n"
    + "\n".join(part for part in parts if part)
    + f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
  )


def section(title: str, body: str, note: str) -> str:
  """A part of it under its title, with a note below; nothing where there is nothing in it."""
  if not body:
    return ""
  return (
    f'<section><h2>{html.escape(title)}</h2>{body}<p class="soft">{html.escape(note)}</p></section>'
  )


def views(shown: dict[str, str]) -> str:
  """Pictures of which one is shown."""
  first, name = next(iter(shown)), "_".join(shown).replace(" ", "")
  choices = "".join(
    f'<label><input type="radio" name="{name}" value="{key}"{" checked" * (key == first)}> '
    f"{html.escape(key)}</label>"
    for key in shown
  )
  pictures = "".join(
    f'<div data-view="{key}"{" hidden" * (key != first)}>{svg}</div>' for key, svg in shown.items()
  )
  return f"<fieldset>{choices}</fieldset>{pictures}"


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], kinds: Sequence[str] = ()) -> str:
  """A table; kinds: of each row its class."""
  heads = "".join(f"<th><button>{html.escape(one) or '&nbsp;'}</button></th>" for one in head)
  lines = []
  for row, kind in itertools.zip_longest(rows, kinds, fillvalue=""):
    cells = "".join(
      f"<td>{html.escape(cell)}</td>"
      if isinstance(cell, str)
      else f'<td data-key="{cell[1]!r}">{html.escape(cell[0])}</td>'
      for cell in row
    )
    lines.append(f'<tr class="{kind}">{cells}</tr>' if kind else f"<tr>{cells}</tr>")
  return (
    f'<div class="wide"><table class="sorted"><thead><tr>{heads}</tr></thead>'
    f"<tbody>{''.join(lines)}</tbody></table></div>"
  )
