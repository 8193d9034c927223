"""The table of commands: module, one line of help, an example, flags."""

import argparse
import dataclasses
import math
from collections.abc import Callable

CONFIG_HELP = "Python file with get_config(); FILE:ARGUMENT hands it an argument"
WORKDIR = ("--workdir", dict(metavar="DIR", required=True, help="folder of the run"))
SPLITS = ("train", "valid", "test")
STEP = ("--step", dict(default="best", metavar="N|best|latest", help="which checkpoint"))


def _whole(low: int, high: float = math.inf) -> Callable[[str], int]:
  """Reads a flag's whole number from `low` to `high`."""

  def read(text: str) -> int:
    try:
      value = int(text)
    except ValueError:
      value = None
    if value is None or not low <= value <= high:
      to = f"from {low} to {high}" if high < math.inf else f"of {low} or more"
      raise argparse.ArgumentTypeError(f"{text!r}: a whole number {to} is wanted")
    return value

  return read


def _wholes(text: str) -> list[int]:
  """Reads a flag's list of positive whole numbers, 1,2,3."""
  return [_whole(1)(one) for one in text.split(",")]


def _text(text: str) -> str:
  """A flag's text; bytes that are no UTF-8 come as halves of surrogate pairs, and are replaced."""
  return text.encode("utf-8", "replace").decode()


STALL = dict(type=float, default=7200.0, help="silence (s) that ends a training; 0 for none")
TEXTS = dict(action="append", default=[], type=_text)


@dataclasses.dataclass(frozen=True)
class Command:
  """A command's module, its one line, an example, its flags, and whether it takes a config; one
  that does not begin with jax gets that as the name of its file and the overrides.
  """

  module: str
  summary: str
  example: str
  flags: tuple[tuple[str, dict], ...] = ()
  takes_config: bool = False
  begins_jax: bool = True


COMMANDS = dict(
  train=Command(
    "seqlab.train",
    "Train a model, or go on with a run that was stopped.",
    "seqlab train --config=experiments/quickstart.py --workdir=runs/lstm "
    '--config.model.mixer="lstm()"',
    (WORKDIR,),
    takes_config=True,
  ),
  evaluate=Command(
    "seqlab.evaluate",
    "Loss and what else its objective measures of a run, over a whole set.",
    "seqlab evaluate --workdir=runs/lstm --split=valid",
    (
      WORKDIR,
      ("--split", dict(default="valid", choices=SPLITS, help="which texts")),
      STEP,
      ("--batch", dict(type=_whole(0), default=0, help="rows at once; not where state is carried")),
      ("--data", dict(default="", metavar="SOURCE", help="all of it: \"text(path='a.txt')\"")),
      ("--classifier", dict(default="", metavar="DIR", help="run that judges images made here")),
    ),
  ),
  sample=Command(
    "seqlab.sample",
    "Write on from prompts with a language model; draw from a VAE or GAN.",
    'seqlab sample --workdir=runs/lstm --prompt="def main(" --tokens=200 --temperature=0.8',
    (
      WORKDIR,
      ("--prompt", dict(**TEXTS, help="text to go on from; several allowed")),
      ("--tokens", dict(type=int, default=200, help="new tokens at most")),
      ("--samples", dict(type=int, default=0, help="continuations of each prompt; examples")),
      ("--temperature", dict(type=float, default=1.0, help="0 takes the likeliest token")),
      ("--top_k", dict(type=int, default=0, help="draw from the k likeliest; 0 for all")),
      ("--top_p", dict(type=float, default=1.0, help="draw from the smallest set of this mass")),
      ("--min_p", dict(type=float, default=0.0, help="drop below this share of the likeliest")),
      ("--repetition_penalty", dict(type=float, default=1.0, help="over 1: seen ones get rarer")),
      ("--stop", dict(**TEXTS, help="text that ends it; several allowed")),
      ("--seed", dict(type=_whole(0, 2**32 - 1), default=0, help="of the draws")),
      STEP,
    ),
  ),
  generate=Command(
    "seqlab.generate",
    "Write from sources with a trained sequence-to-sequence model; score a set by BLEU and chrF.",
    'seqlab generate --workdir=runs/multi30k --source="Ein Hund rennt." --beams=4',
    (
      WORKDIR,
      ("--source", dict(**TEXTS, help="text to write from; several allowed")),
      ("--split", dict(default="valid", choices=SPLITS, help="the set, if no source")),
      ("--data", dict(default="", metavar="SOURCE", help="all of it: \"parallel(path=…)\"")),
      ("--beams", dict(type=_whole(1), default=4, help="beginnings kept; 1 is greedy")),
      ("--penalty", dict(type=float, default=0.6, help="the more of it, the longer the texts")),
      ("--against", dict(default="", metavar="FILE", help="a generate_….jsonl to compare with")),
      STEP,
    ),
  ),
  predict=Command(
    "seqlab.predict",
    "Classes or numbers of texts or images, tags of words by a trained model; scores of a set.",
    'seqlab predict --workdir=runs/ner --text="Anna Marden flew from Port Calsan to Orsel ."',
    (
      WORKDIR,
      ("--text", dict(**TEXTS, help="text to look at; several allowed")),
      ("--source", dict(**TEXTS, help="the text before it, where texts come in pairs")),
      ("--split", dict(default="valid", choices=SPLITS, help="the set, if no text")),
      ("--data", dict(default="", metavar="SOURCE", help="all of it: \"conll(path=…)\"")),
      ("--against", dict(default="", metavar="FILE", help="a predict_….jsonl to compare with")),
      STEP,
    ),
  ),
  merge=Command(
    "seqlab.merge",
    "Make a plain run of one with adapters: its base and what was learned beside it in one.",
    "seqlab merge --workdir=runs/adapters --out=runs/merged",
    (
      WORKDIR,
      ("--out", dict(metavar="DIR", required=True, help="new folder for the plain run")),
      STEP,
    ),
  ),
  attention=Command(
    "seqlab.maps",
    "Draw which tokens a trained model looks at.",
    'seqlab attention --workdir=runs/multi30k --source="Ein Hund rennt."',
    (
      WORKDIR,
      ("--source", dict(**TEXTS, help="text to write from; several allowed")),
      ("--text", dict(**TEXTS, help="text to look at, or what is written")),
      STEP,
    ),
  ),
  reproduce=Command(
    "seqlab.reproduce",
    "Run published results anew and say PASS or FAIL; writes docs/results.md.",
    "seqlab reproduce vae_mnist textcnn",
    (
      ("target", dict(nargs="*", help="files of experiments/papers/ by name")),
      ("--list", dict(action="store_true", help="show targets and what is known; runs nothing")),
      ("--all", dict(action="store_true", help="all of them")),
      ("--jobs", dict(type=_whole(1), default=1, help="targets at a time, on shares of the cores")),
      ("--workdir", dict(default="runs/papers", metavar="DIR", help="folder of the runs")),
    ),
  ),
  prepare=Command(
    "seqlab.prepare",
    "Read, tokenize and store the data of a config, or find it stored.",
    "seqlab prepare --config=experiments/quickstart.py --inspect",
    (("--inspect", dict(action="store_true", help="lengths, vocabulary, texts before and after")),),
    takes_config=True,
  ),
  flops=Command(
    "seqlab.costs",
    "Parameters, FLOPs per token and state bytes of a config's model, mixer by mixer.",
    "seqlab flops --config=experiments/quickstart.py",
    (("--all", dict(action="store_true", help="every mixer, at lengths from 256 to 16,384")),),
    takes_config=True,
  ),
  sweep=Command(
    "seqlab.sweep",
    "Train what get_sweep() of a config file says, and lose nothing: run, status, report, ...",
    "seqlab sweep run --config=experiments/state_tracking.py --workdir=sweeps/s3 --jobs=2",
    (
      ("action", dict(choices=("run", "status", "resume", "cancel", "report"), help="what to do")),
      ("--workdir", dict(metavar="DIR", required=True, help="folder of the sweep")),
      ("--jobs", dict(type=_whole(1), default=1, help="trials at a time, on shares of the cores")),
      ("--stall", STALL),
      ("--watch", dict(action="store_true", help="status: again every two seconds")),
      ("--metric", dict(default="loss", help="of the validation set, to show")),
    ),
    takes_config=True,
    begins_jax=False,
  ),
  attempt=Command(
    "seqlab.attempt",
    "Train one trial of a sweep, watched; what a cluster runs. Any number may be started.",
    "seqlab attempt --workdir=sweeps/s3 --trial=4da7accc01",
    (
      ("--workdir", dict(metavar="DIR", required=True, help="folder of the sweep")),
      ("--trial", dict(metavar="ID", required=True, help="which, by `seqlab sweep status`")),
      ("--stall", STALL),
    ),
    begins_jax=False,
  ),
  plan=Command(
    "seqlab.plan",
    "What a training step takes on devices that are not here: memory, collectives, time.",
    "seqlab plan --config=experiments/gpt2_124m.py --topology=v5e:16x16",
    (
      ("--topology", dict(required=True, metavar="MACHINE:SHAPE", help="v5e:16x16, h100:8, ...")),
      ("--search", dict(action="store_true", help="try meshes and remat, rank those that fit")),
      ("--price", dict(type=float, default=0.0, help="of a device-hour")),
    ),
    takes_config=True,
  ),
  coordinates=Command(
    "seqlab.coordinates",
    "Whether learning rates of a run's config would transfer between widths.",
    "seqlab coordinates --workdir=runs/mup --widths=64,128,256 --steps=4",
    (
      WORKDIR,
      ("--widths", dict(type=_wholes, default=[64, 128, 256], metavar="N,N,…", help="to try")),
      ("--steps", dict(type=_whole(1), default=4, help="of training at each")),
      ("--seeds", dict(type=_whole(1), default=3, help="of each width")),
    ),
  ),
  diff=Command(
    "seqlab.diff",
    "What two runs differ in, and the first step at which their numbers part.",
    "seqlab diff runs/lstm runs/lstm_again",
    (
      ("a", dict(metavar="A", help="folder of a run")),
      ("b", dict(metavar="B", help="folder of another")),
    ),
  ),
  doctor=Command(
    "seqlab.doctor",
    "Try what runs need of this machine: devices, file system, a small run.",
    "seqlab doctor --workdir=runs",
    (("--workdir", dict(default=".", metavar="DIR", help="folder that runs are to lie in")),),
  ),
  check=Command(
    "seqlab.check",
    "Prove mixers: run the laws on registered ones or on those of a file of yours.",
    'seqlab check --mixer="attention(heads=4, window=8)" --plugin=my_mixer.py',
    (
      ("--mixer", dict(**TEXTS, help="spec to check; several allowed")),
      ("--plugin", dict(action="append", default=[], metavar="FILE", help="file with mixers")),
      ("--all", dict(action="store_true", help="every registered mixer")),
      ("--mutants", dict(action="store_true", help="show that the laws catch planted bugs")),
    ),
  ),
)  # fmt: skip
