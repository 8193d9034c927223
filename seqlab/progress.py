"""What the terminal shows while a run trains: one live line, or plain lines where nobody watches.

It knows the names of `Clock.rates`, nothing of the trainer. A number that is not there is left out.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress


class Progress:
  """The line of a run of `steps` steps, `start` of which are done. A context manager."""

  def __init__(self, steps: int, start: int = 0, console: Console | None = None):
    self._steps = steps
    self._console = console or Console()
    self._valid: dict[str, float] = {}
    self._live: RichProgress | None = None
    if self._console.is_terminal:
      columns = (BarColumn(20), TextColumn("{task.description}", markup=False))
      live = self._live = RichProgress(*columns, console=self._console)
      self._task = live.add_task(f"step {start}/{steps}", total=steps, completed=start)

  def update(self, step: int, numbers: Mapping[str, float]) -> None:
    """Shows the numbers of training after `step` steps."""
    text = line(step, self._steps, numbers, self._valid)
    if self._live is not None:
      self._live.update(self._task, completed=step, description=text)
    else:
      self._print(text)

  def evaluated(self, step: int, numbers: Mapping[str, float]) -> None:
    """Notes the numbers of the validation set; the live line goes on showing its loss."""
    self._valid = dict(numbers)
    if self._live is None:
      said = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())
      self._print(f"step {step}/{self._steps}  valid: {said}")

  def say(self, text: str) -> None:
    """A line of its own."""
    self._print(text)

  def _print(self, text: str) -> None:
    self._console.print(text, soft_wrap=True, markup=False, highlight=False)

  def __enter__(self) -> "Progress":
    if self._live is not None:
      self._live.start()
    return self

  def __exit__(self, *_: Any) -> None:
    if self._live is not None:
      self._live.stop()


def line(step: int, steps: int, numbers: Mapping[str, float], valid: Mapping[str, float]) -> str:
  """Returns `step 200/2000  loss 2.1034  valid 2.2011  12.3k tokens/s  ...`."""
  parts = [f"step {step}/{steps}"]
  if "loss" in numbers:
    parts.append(f"loss {numbers['loss']:.4f}")
  if "loss" in valid:
    parts.append(f"valid {valid['loss']:.4f}")
  for work in ("tokens", "examples"):
    if f"{work}_per_second" in numbers:
      parts.append("{}{} {}/s".format(*scaled(numbers[f"{work}_per_second"]), work))
  if "flops_per_second" in numbers:
    parts.append("{} {}FLOP/s".format(*scaled(numbers["flops_per_second"])))
  if "mfu" in numbers:
    parts.append(f"MFU {numbers['mfu']:.1%}")
  if "eta_seconds" in numbers:
    parts.append(f"ETA {datetime.timedelta(seconds=round(numbers['eta_seconds']))}")
  return "  ".join(parts)


def scaled(value: float) -> tuple[str, str]:
  """Returns three digits and the letter of their power of ten: ("12.3", "k"), ("789", "G")."""
  for power, letter in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
    if abs(value) >= 0.9995 * 10**power:
      return f"{value / 10**power:.3g}", letter
  return f"{value:.3g}", ""
