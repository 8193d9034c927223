"""Bits per byte of a run beside those of counting and compressing, on the same validation text.

Command:  python scripts/baselines.py runs/demo    (after `seqlab evaluate --workdir=runs/demo`)
"""

import json
import pathlib
import sys

from rich.console import Console
from rich.table import Table

from seqlab.data.baselines import baselines
from seqlab.prepare import texts


def main(workdir: str) -> None:
  folder = pathlib.Path(workdir)
  config = json.loads((folder / "config.json").read_text())
  result = json.loads((folder / "evaluate_valid.json").read_text())
  train, valid = (
    list(texts(config["data.source"], config["data.valid"], split)) for split in ("train", "valid")
  )
  found = baselines(train, valid)
  rows = {
    "byte bigram model (Kneser-Ney), trained on the training text": found["bigram"],
    "xz -9e, on the validation text itself": found["xz"],
    f"{config['model.mixer']}, step {result['step']}": result["bits_per_byte"],
  }
  table = Table(title="bits per byte of the validation text", title_justify="left")
  table.add_column("")
  table.add_column("bits/byte", justify="right")
  for name, value in rows.items():
    table.add_row(name, f"{value:.3f}")
  Console().print(table)


if __name__ == "__main__":
  main(sys.argv[1])
