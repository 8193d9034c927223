"""`seqlab check`: the laws of the mixer contract, on registered mixers and on those of a user's own file."""

import time

import jax

from seqlab import build
from seqlab.errors import UserError
from seqlab.laws import LAWS, LawBroken, NotApplicable
from seqlab.nn.mixers import MIXERS
from seqlab.spec import make, parse_one


def run(mixer: list[str], plugin: list[str]) -> int:
  """Prints a row a mixer and a column a law; returns 1 where a law is broken, with what broke it below the table."""
  from rich.console import Console
  from rich.progress import Progress
  from rich.table import Table

  if not jax.config.jax_platforms or jax.config.jax_platforms == "cpu":
    _simulate_devices()
  registered = set(MIXERS)
  build.load_plugins(plugin)
  specs = mixer or [f"{name}()" for name in MIXERS if not plugin or name not in registered]
  if not specs:
    raise UserError(f"--plugin={plugin}: registers no mixer; write MIXERS['name'] = Class in it")
  members = [(spec, make(parse_one(spec, "--mixer"), MIXERS, "--mixer")) for spec in specs]
  console = Console()
  table = Table(title="laws of the mixer contract", title_justify="left")
  for column in ("mixer", *LAWS, "seconds"):
    table.add_column(column)
  broken, notes = [], []
  with Progress(console=console, transient=True) as progress:
    task = progress.add_task("", total=len(members) * len(LAWS))
    for spec, member in members:
      began, row = time.monotonic(), []
      for name, law in LAWS.items():
        progress.update(task, description=f"{spec}: {name}")
        try:
          law(member)
          row.append("[green]holds[/]")
        except NotApplicable as reason:
          row.append("n/a")
          notes.append(f"{name}: n/a, {reason}")
        except LawBroken as error:
          row.append("[red]BROKEN[/]")
          broken.append(f"{spec}: {name}: {error}")
        progress.advance(task)
      table.add_row(spec, *row, f"{time.monotonic() - began:.0f}")
  console.print(table)
  for line in (*dict.fromkeys(notes), *broken):
    console.print(line, soft_wrap=True, markup=False, highlight=False)
  return 1 if broken else 0


def _simulate_devices() -> None:
  """Eight CPU devices for the sharding law, where no backend has started yet; a GPU or TPU keeps its own."""
  jax.config.update("jax_num_cpu_devices", 8)
