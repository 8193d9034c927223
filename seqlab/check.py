"""`seqlab check`: the laws of the mixer contract, on registered mixers and on those of a user's own
file.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor

from seqlab import plugins, runtime
from seqlab.errors import UserError
from seqlab.laws import LAWS, LawBroken, NotApplicable
from seqlab.laws.base import WIDTH
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
  return catch() if mutants else prove(mixer, plugin, all)


def prove(mixer: list[str], plugin: list[str], all: bool) -> int:
  """The table of laws: of `mixer`, or of what the files of `plugin` register, or of all that are
  registered then. Several are tried at once, in a process for each core.
  """
  from rich.progress import Progress

  registered = set(MIXERS)
  _begin(plugin)
  specs = [f"{name}()" for name in MIXERS if all or name not in registered]
  specs = mixer + specs if all else mixer or specs
  if not specs:
    raise UserError(f"--plugin={plugin}: registers no mixer; write MIXERS['name'] = Class in it")
  for spec in specs:
    made = make(parse_one(spec, "--mixer"), MIXERS, "--mixer")
    try:
      made.check(WIDTH)
    except UserError as error:
      raise UserError(f"--mixer={spec!r}: {error} (laws try a width of {WIDTH})") from None
  rows, broken, notes = [], [], []
  with contextlib.ExitStack() as stack:
    tried: Iterable = map(_tried, specs)
    if len(specs) > 1:
      # compiling is most of the time, and takes one core
      workers = min(len(specs), runtime.cores())
      spawn = multiprocessing.get_context("spawn")
      tried = stack.enter_context(
        ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=(plugin,))
      ).map(_tried, specs)
    progress = stack.enter_context(Progress(transient=True))
    task = progress.add_task("mixers", total=len(specs))
    for spec, (words, said, seconds) in zip(specs, tried, strict=True):
      rows.append((spec, *words, f"{seconds:.0f}"))
      told = dict(zip(LAWS, zip(words, said, strict=True), strict=True))
      broken += [f"{spec}: {law}: {why}" for law, (word, why) in told.items() if word == "BROKEN"]
      notes += [f"{law}: {why}" for law, (word, why) in told.items() if word == "n/a"]
      kept = "breaks a law" if "BROKEN" in words else "keeps the laws"
      progress.console.print(f"{spec}: {kept}, {seconds:.0f} s", highlight=False)
      progress.advance(task)
  show("laws of the mixer contract", ("mixer", *LAWS, "seconds"), rows)
  print("\n".join([*dict.fromkeys(notes), *broken]))
  return 1 if broken else 0


def _begin(plugin: list[str]) -> None:
  """What a process needs before it tries a mixer."""
  runtime.simulate_devices(8)  # for the sharding law
  plugins.load(plugin)


def _tried(spec: str) -> tuple[list[str], list[str], float]:
  """Each law's word on a mixer, what it says, and the seconds that all of them took."""
  began, mixer = time.monotonic(), make(parse_one(spec), MIXERS)
  told = [verdict(law, mixer) for law in LAWS.values()]
  return [word for word, _ in told], [said for _, said in told], time.monotonic() - began


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
