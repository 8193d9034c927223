"""A table on the terminal, whole also where nobody watches: piped output is not cut at 80
columns.
"""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def made(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
  """Rows under a title; the first column is text and flows left, the others are numbers."""
  table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
  for number, column in enumerate(columns):
    table.add_column(column, justify="right" if number else "left", overflow="fold")
  for row in rows:
    table.add_row(*row)
  return table


def console() -> Console:
  """Where tables are printed."""
  found = Console()
  return found if found.is_terminal else Console(width=200)


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
  """Prints what `made` makes."""
  console().print(made(title, columns, rows))
