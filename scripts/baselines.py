#!/usr/bin/env python3
"""What a run's model has learned beyond counting and compressing, on the same validation text.

Command:  seqlab evaluate --workdir=runs/demo
          scripts/baselines.py runs/demo
"""

import json
import pathlib
import sys

from seqlab.data.baselines import baselines
from seqlab.prepare import texts
from seqlab.table import show


def main(workdir: str) -> None:
  folder = pathlib.Path(workdir)
  config = json.loads((folder / "config.json").read_text())
  result = json.loads((folder / "evaluate_valid.json").read_text())
  data = config["data.source"], config["data.valid"]
  clean = config.get("data.clean", "")
  train, valid = (list(texts(*data, split, clean)) for split in ("train", "valid"))
  found = baselines(train, valid)
  each = sum(len(text.encode()) for text in valid) / sum(map(len, valid))  # bytes of a character
  rows = {
    "byte bigram (Kneser-Ney)": found["bigram"],
    "character trigram (Kneser-Ney)": found["trigram"] / each,
    "xz -9e": found["xz"],
    f"{config['model.mixer']}, step {result['step']}": result["bits_per_byte"],
  }
  show(
    "the validation text",
    ("model", "bits per byte", "bits per character"),
    [(name, f"{bits:.3f}", f"{bits * each:.3f}") for name, bits in rows.items()],
  )
  print("n-grams learn from the training text; xz compresses the validation text itself.")


if __name__ == "__main__":
  main(sys.argv[1])
