"""`seqlab sample`: write on from prompts with a run's model, streaming to the terminal; write
sentences out of a latent space; or draw examples from a generator.
"""

import sys

import numpy as np

from seqlab import generated, latent
from seqlab.data.tokenizers import Characters, Tokenizer
from seqlab.decode import Decoding, Draw
from seqlab.errors import UserError
from seqlab.positions import positions
from seqlab.texts import cleaned
from seqlab.trained import open_run


class Stops:
  """Text of one continuation that ends before the first of the `stops`; holds back what may become
  one.
  """

  def __init__(self, stops: list[str]):
    self._stops, self._held, self.ended = [s for s in stops if s], "", False

  def push(self, text: str) -> str:
    """What may be shown now."""
    if self.ended:
      return ""
    text = self._held + text
    found = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
    if found:
      self.ended, self._held = True, ""
      return text[: min(found)]
    held = max(
      (n for s in self._stops for n in range(1, len(s)) if text.endswith(s[:n])), default=0
    )
    self._held = text[len(text) - held :]
    return text[: len(text) - held]

  def finish(self) -> str:
    held, self._held = self._held, ""
    return "" if self.ended else held


def run(
  workdir: str,
  prompt: list[str],
  tokens: int,
  samples: int,
  temperature: float,
  top_k: int,
  top_p: float,
  min_p: float,
  repetition_penalty: float,
  stop: list[str],
  seed: int,
  step: str,
) -> None:
  """Prints each continuation after its prompt; a single one is streamed as it is drawn. A model of
  sentences writes `samples` of them, like the one prompt or from the one to the other. A run that
  makes arrays keeps `samples` of them in its folder.
  """
  trained = open_run(workdir, step)
  config = trained.config
  if trained.objective.writes == "arrays":
    if prompt:
      raise UserError(f"--prompt={prompt[0]!r}: {config.objective} draws arrays from noise alone")
    return generated.sample(trained, samples or 100, seed)
  _check(tokens, samples or 1, temperature, top_k, top_p, min_p, repetition_penalty)
  if trained.objective.writes not in ("continuations", "sentences"):
    see = "; see `seqlab generate`" if trained.objective.writes == "targets" else ""
    raise UserError(
      f"--workdir={workdir}: config.objective={config.objective!r} writes no text{see}"
    )
  tokenizer = trained.learned.tokenizer
  prompt = cleaned(trained, prompt)
  _warn_of_unknown(tokenizer, prompt)
  given: tuple[np.ndarray, ...] = ()
  if trained.objective.writes == "sentences":
    given = (latent.places(trained, prompt, samples, seed),)
    prompt, samples = [""], len(given[0])
  prompts = [text for text in prompt or [""] for _ in range(samples or 1)]
  ids = [np.concatenate([[tokenizer.eot], tokenizer.encode_batch([text])[0]]) for text in prompts]
  longest = max(map(len, ids)) + tokens
  most, why = positions(config)
  if longest > most:
    raise UserError(f"--tokens={tokens}: prompt and new tokens make {longest}, and {why}")
  draw = Draw(temperature, top_k, top_p, min_p, repetition_penalty)
  network = trained.objective.network
  decoding = Decoding(
    network, draw, eot=tokenizer.eot, ids=tokenizer.vocab, silent=tokenizer.silent
  )
  streams = [tokenizer.stream() for _ in prompts]
  stops = [Stops(stop) for _ in prompts]
  for stream, known in zip(streams, ids, strict=True):
    stream.push(known)  # so that what comes is spaced as after the prompt
  texts = list(prompts)
  live = len(prompts) == 1

  def show(row: int, text: str) -> None:
    texts[row] += text
    if live:
      print(text, end="", flush=True)

  if live:
    print(prompts[0], end="", flush=True)
  for new in decoding(trained.writer, ids, tokens, seed, given):
    for row, piece in enumerate(new):
      show(row, stops[row].push(streams[row].push(piece)))
    if all(s.ended for s in stops):
      break
  for row in range(len(prompts)):
    show(row, stops[row].push(streams[row].finish()) + stops[row].finish())
  if live:
    print()
  else:
    for row, text in enumerate(texts):
      print(f"--- {row + 1} of {len(texts)}\n{text}")
  sys.stdout.flush()


def _warn_of_unknown(tokenizer: Tokenizer, prompts: list[str]) -> None:
  """One line on stderr where characters or words of the prompts are outside the vocabulary."""
  if tokenizer.unknown is None:
    return
  parts = {
    p for text in prompts for p in (text if isinstance(tokenizer, Characters) else text.split())
  }
  strange = sorted(part for part in parts if tokenizer.unknown in tokenizer.encode(part))
  if strange:
    print(
      f"seqlab: the model has never seen {', '.join(map(repr, strange[:10]))}"
      f"{', ...' if strange[10:] else ''}; they are read as something unknown",
      file=sys.stderr,
    )


def _check(
  tokens: int,
  samples: int,
  temperature: float,
  top_k: int,
  top_p: float,
  min_p: float,
  penalty: float,
) -> None:
  ranges = dict(
    tokens=(tokens, tokens >= 1, "1 or more"),
    samples=(samples, samples >= 1, "1 or more"),
    temperature=(temperature, temperature >= 0, "0 or more"),
    top_k=(top_k, top_k >= 0, "0 (all) or more"),
    top_p=(top_p, 0 < top_p <= 1, "over 0 and at most 1"),
    min_p=(min_p, 0 <= min_p < 1, "at least 0 and under 1"),
    repetition_penalty=(penalty, penalty > 0, "over 0; 1 for none"),
  )
  for flag, (value, fine, wanted) in ranges.items():
    if not fine:
      raise UserError(f"--{flag}={value}: {wanted} is wanted")
