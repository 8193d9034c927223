"""`seqlab attention`: which tokens a trained model looks at, as pictures."""

import re
from typing import Any

import jax
import numpy as np

from seqlab import pictures
from seqlab.data.tokenizers import Tokenizer
from seqlab.errors import UserError
from seqlab.generate import written
from seqlab.spec import parse
from seqlab.texts import cleaned, encoded
from seqlab.trained import Trained, open_run

Batch = dict[str, np.ndarray]


def run(workdir: str, source: list[str], text: list[str], step: str) -> None:
  """Draws attention_1.png, ... into the run's folder, one for each text: what each token gives the
  tokens that it sees, or for a model of sequence to sequence what each token that is written gives
  those of its source; the text is then what the model writes where none is given.
  """
  trained = open_run(workdir, step)
  config = trained.config
  if trained.learned.shapes:
    raise UserError(f"--workdir={workdir}: was trained on arrays; attention is between tokens")
  # a decoder that sees a source as its own beginning is shown what it looks at in any text
  own: Any = trained.objective
  pairs = own.rows in ("pairs", "spans") and not own.network.reads_prefix
  two = own.rows == "examples" and trained.learned.pairs  # texts in one row
  if not (source if pairs else text):
    raise UserError(f"{'--source' if pairs else '--text'}=TEXT is wanted: what is to be looked at")
  if source and not (pairs or two):
    raise UserError(f"--source={source[0]!r}: {config.objective} reads no source; give --text")
  if (two or (pairs and text)) and len(text) != len(source):
    wanted = "one for each" if two else "one for each or none"
    raise UserError(f"--text: {len(text)} texts for {len(source)} sources; {wanted}")
  source, text = cleaned(trained, source), cleaned(trained, text)
  if pairs and not text:
    found = dict(written(trained, source, beams=4, penalty=0.6))
    text = [found[number][0][0] for number in range(len(source))]
  for number, one in enumerate(text):
    if pairs:
      batch, rows, columns = _pair(trained, source[number], one)
      print(f"{source[number]}\n  {one}")
    else:
      texts = [source[number], one] if two else [one]
      batch, rows, columns = _alone(trained, texts)
      print(" | ".join(texts))
    path = trained.folder / f"attention_{number + 1}.png"
    layers = weights(trained, batch, "cross" if pairs else "mixer")
    pictures.save(path, pictures.attention(layers, rows, columns))
    print(f"picture: {path}")


def weights(run: Trained, batch: Batch, part: str) -> dict[str, np.ndarray]:
  """The weights [H, T, S] of each layer of the stack that attends, for the one row of `batch`, by
  the layer's name; part: "cross" for those over a source, "mixer" for those over the text itself.

  Raises:
    UserError: there are none.
  """
  network, pattern = run.objective.network, len(parse(run.config.model.mixer))
  params = run.writer
  notes = jax.device_get(jax.jit(network.noted)(params, *run.objective.inputs(batch)))  # type: ignore[attr-defined]
  found = {}
  for path, leaf in notes.items():
    at = re.fullmatch(rf"stack/(layers_L|tail)/block(\d+)/{part}/weights_BHTS", path)
    if at is None:
      continue
    inside = at[1] == "layers_L"
    first = 0 if inside else run.config.model.depth // pattern * pattern
    for turn, weight_BHTS in enumerate(leaf if inside else leaf[None]):
      found[first + turn * pattern + int(at[2])] = weight_BHTS[0]
  if not found:
    raise UserError(
      f"--workdir={run.folder}: config.model.name={run.config.model.name!r} with config.model."
      f"mixer={run.config.model.mixer!r} has no attention to draw"
    )
  return {f"layer {number}": found[number] for number in sorted(found)}


def _alone(run: Trained, texts: list[str]) -> tuple[Batch, list[str], list[str]]:
  """A batch of one row of a text or two, and what stands beside the rows and columns of its map."""
  parts = encoded(run, texts, "the text ")
  ids, types = np.concatenate(parts), np.repeat(np.arange(len(parts)), [*map(len, parts)])
  if len(ids) > run.config.length:
    raise UserError(f"{texts} have {len(ids)} tokens; at most {run.config.length} are wanted")
  one = np.ones(ids.shape, np.float32)
  batch = dict(tokens_BT=ids, pos_BT=np.arange(len(ids)), weight_BT=one, types_BT=types)
  batch = {name: x[None] for name, x in batch.items()}
  if run.objective.network.reads_prefix:  # type: ignore[attr-defined]
    batch["prefix_BT"] = np.zeros(ids.shape, bool)[None]
  names = [_name(run.learned.tokenizer, i) for i in ids]
  return batch, names, names


def _pair(run: Trained, source: str, text: str) -> tuple[Batch, list[str], list[str]]:
  """A batch of one pair; a row of its map bears the token that was written there."""
  source_S, ids = encoded(run, [source, text], "the text ")
  zeros_S, zeros_T = np.zeros_like(source_S), np.zeros_like(ids)
  batch = dict(
    source_BS=source_S,
    source_pos_BS=np.arange(len(source_S)),
    source_pair_BS=zeros_S,
    tokens_BT=ids,
    pos_BT=np.arange(len(ids)),
    pair_BT=zeros_T,
  )
  tokenizer = run.learned.tokenizer
  rows = [_name(tokenizer, i) for i in (*ids[1:], tokenizer.eot)]
  return {name: x[None] for name, x in batch.items()}, rows, [_name(tokenizer, i) for i in source_S]


def _name(tokenizer: Tokenizer, number: int) -> str:
  """What a token is called; one that is no text of its own by its id."""
  text = tokenizer.decode([number])
  if number == tokenizer.eot:
    return "<end>"
  return f"<{number}>" if not text or "\ufffd" in text else text.strip() or "␣"
