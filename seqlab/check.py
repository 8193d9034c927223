"""`seqlab check`: the laws of the mixer contract, on registered mixers and on those of a user's own
file.
"""

import time
from collections.abc import Callable

from seqlab import networks, runtime
from seqlab.errors import UserError
from seqlab.laws import LAWS, LawBroken, NotApplicable
from seqlab.nn.mixers import MIXERS, Mixer
from seqlab.spec import make, parse_one
from seqlab.table import show


def run(mixer: list[str], plugin: list[str], all: bool = False, mutants: bool = False) -> int:
  """Prints a row a mixer and a column a law; returns 1 where a law is broken, with what broke it
  below the table. Of `mutants` a row a planted bug; returns 1 where a law lets one pass.
  """
  if not (mixer or plugin or all or mutants):
    raise UserError("name mixers by --mixer, a file of yours by --plugin, or give --all")
  if mutants and (mixer or plugin or all):
    raise UserError("--mutants plants bugs in mixers of its own; give it alone")
  runtime.simulate_devices(8)  # for the sharding law
  return catch() if mutants else prove(mixer, plugin, all)


def prove(mixer: list[str], plugin: list[str], all: bool) -> int:
  """The table of laws: of `mixer`, or of what the files of `plugin` register, or of all that are
  registered then.
  """
  from rich.progress import Progress

  registered = set(MIXERS)
  networks.load_plugins(plugin)
  specs = [f"{name}()" for name in MIXERS if all or name not in registered]
  specs = mixer + specs if all else mixer or specs
  if not specs:
    raise UserError(f"--plugin={plugin}: registers no mixer; write MIXERS['name'] = Class in it")
  members = [(spec, make(parse_one(spec, "--mixer"), MIXERS, "--mixer")) for spec in specs]
  rows, broken, notes = [], [], []
  with Progress(transient=True) as progress:
    task = progress.add_task("", total=len(members) * len(LAWS))
    for spec, member in members:
      began, row = time.monotonic(), []
      for name, law in LAWS.items():
        progress.update(task, description=f"{spec}: {name}")
        word, said = verdict(law, member)
        row.append(word)
        broken += [f"{spec}: {name}: {said}"] if word == "BROKEN" else []
        notes += [f"{name}: {said}"] if word == "n/a" else []
        progress.advance(task)
      rows.append((spec, *row, f"{time.monotonic() - began:.0f}"))
      kept = "breaks a law" if "BROKEN" in row else "keeps the laws"
      progress.console.print(f"{spec}: {kept}, {rows[-1][-1]} s", highlight=False)
  show("laws of the mixer contract", ("mixer", *LAWS, "seconds"), rows)
  print("\n".join([*dict.fromkeys(notes), *broken]))
  return 1 if broken else 0


def catch() -> int:
  """The table of planted bugs."""
  from seqlab.mutants import MUTANTS

  rows = []
  for mutant in MUTANTS:
    word, said = "PASSED", ""
    with mutant.planted() as mixer:
      try:
        LAWS[mutant.law](mixer)
      except LawBroken as error:  # any other error is a mistake in the mutant
        word, said = "caught", str(error)
    rows.append((mutant.wrong, mutant.law, word, said[:60]))
    print(f"{mutant.wrong}: {word}", flush=True)
  show("planted bugs", ("bug", "law", "", "what the law says"), rows)
  return int(any(row[2] == "PASSED" for row in rows))


def verdict(law: Callable[[Mixer], None], mixer: Mixer) -> tuple[str, str]:
  """A law's word on a mixer: holds, n/a or BROKEN, and why."""
  try:
    law(mixer)
    return "holds", ""
  except NotApplicable as reason:
    return "n/a", str(reason)
  except LawBroken as error:
    return "BROKEN", str(error)
  # a mixer that raises keeps no law, and the others are still to be tried
  except Exception as error:
    return "BROKEN", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
