"""A prepared store on the terminal: what it holds, and at length what its texts and its vocabulary
are like and what cleaning did to them.
"""

import itertools
from collections.abc import Iterable

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seqlab.data.documents import Document
from seqlab.data.statistics import QUANTILES, histogram, lengths, occurrences, quantiles
from seqlab.data.store import Store

Trace = tuple[Document, list[Document], str]  # a text, what takes its place, what left it out
_WIDEST = 100
_READ = 2000  # texts that are looked through for examples
_BEFORE = 24  # characters shown before the first that cleaning changed


def overview(store: Store) -> None:
  """Counts, files and an example."""
  console = Console(soft_wrap=True)
  console.print(_counts(store))
  console.print(f"store       {store.folder}\nsource      {escape(store.meta['source'])}")
  console.print(f"sha256      {store.meta['source_sha256']}  (of the source)")
  for file in store.meta["splits"]["train"]["files"]:
    console.print(f"            {file['sha256']}  ({file['name']})")
  if store.meta.get("clean"):
    console.print(f"cleaning    {escape(store.meta['clean'])}")
  for source, steps in store.meta.get("left_out", {}).items():
    for step, count in steps.items():
      console.print(f"left out    {count:,} by {escape(step)} of {escape(source)}")
  console.print(_example(store), markup=False, highlight=False)


def detail(store: Store, traces: Iterable[Trace]) -> None:
  """Lengths, vocabulary, frequent tokens, and texts before and after cleaning; `traces` are those
  of the source.
  """
  console = Console()
  width = min(console.width, _WIDEST)
  sizes = {name: lengths(store.split(name)) for name in store.meta["splits"]}
  counts = {
    name: occurrences(store.split(name), store.meta["vocab"]) for name in store.meta["splits"]
  }
  console.print("\n[bold]tokens a text, with its end-of-text[/bold]")
  console.print(_percentiles(sizes))
  train = sizes["train"]
  if train.ndim == 2:
    console.print("\n[bold]pairs of the training set by their longer side[/bold]")
    train = train.max(1)
  else:
    console.print("\n[bold]texts of the training set by tokens[/bold]")
  for line in _bars(train, width):
    console.print(line, highlight=False, markup=False)
  console.print("\n[bold]vocabulary[/bold]")
  console.print(_coverage(store, counts))
  console.print("\n[bold]most frequent tokens of the training set[/bold]")
  console.print(Padding(Text(_frequent(store, counts["train"])), (0, 0, 0, 1)), width=width)
  title = "before and after cleaning" if store.meta.get("clean") else "texts and their tokens"
  console.print(f"\n[bold]{title}[/bold]")
  for line in _examples(store, traces):
    text = Text(line)
    text.truncate(width, overflow="ellipsis")
    console.print(text)


def _counts(store: Store) -> Table:
  table = _table("", *store.meta["splits"])
  splits, pairs = store.meta["splits"].values(), store.meta.get("pairs", False)
  for name in ("documents", "tokens", "bytes", "characters"):
    of_pairs = dict(documents="pairs", tokens="tokens of both").get(name, f"{name} of targets")
    table.add_row(of_pairs if pairs else name, *(f"{split[name]:,}" for split in splits))
  if not pairs:
    ratio = (f"{s['bytes'] / max(s['tokens'] - s['documents'] - 1, 1):.3f}" for s in splits)
    table.add_row("bytes per token", *ratio)
  if any(split["unknown"] for split in splits):
    table.add_row("unknown tokens", *(f"{split['unknown']:,}" for split in splits))
  table.add_row("vocabulary", f"{store.meta['vocab']:,}")
  if store.meta["labels"]:
    table.add_row("labels", ", ".join(store.meta["labels"]))
  return table


def _example(store: Store) -> str:
  """The start of the first document, or of both sides of the first pair: ids, and their text."""
  tokens, lines = store.split("train"), []
  for start, end in itertools.pairwise(tokens.documents[: 3 if tokens.pairs else 2].tolist()):
    ids = np.empty(min(40, end - start), tokens.dtype)
    tokens.read(start, ids)
    lines += [str(ids.tolist()), repr(store.tokenizer.decode(ids))]
  return "example     " + "\n            ".join(lines)


def _percentiles(sizes: dict[str, np.ndarray]) -> Table:
  columns = {}
  for name, of_split in sizes.items():
    if of_split.ndim == 2:
      columns[f"{name} sources"], columns[f"{name} targets"] = of_split.T
    else:
      columns[name] = of_split
  table = _table("", *columns)
  found = [quantiles(of_column) for of_column in columns.values()]
  for share, row in zip(QUANTILES, zip(*found, strict=True), strict=True):
    name = f"{share:.0%} have at most" if share < 1 else "the longest has"
    table.add_row(name, *(f"{size:,}" for size in row))
  return table


def _bars(sizes: np.ndarray, width: int) -> list[str]:
  """A line for each range of lengths, as long as its share of the texts."""
  rows = histogram(sizes)
  names = [f"{low:,}-{high:,}" if low < high else f"{low:,}" for low, high, _ in rows]
  numbers = [f"{count:,}  {count / len(sizes):6.1%}" for *_, count in rows]
  left, right = max(map(len, names)), max(map(len, numbers))
  room, most = width - left - right - 6, max(count for *_, count in rows)
  return [
    f" {name:>{left}}  {'█' * round(room * count / most):<{room}}  {number:>{right}}"
    for name, number, (*_, count) in zip(names, numbers, rows, strict=True)
  ]


def _coverage(store: Store, counts: dict[str, np.ndarray]) -> Table:
  """How much of the vocabulary the splits use, and how much of their text training has shown."""
  tokenizer = store.tokenizer
  text = np.ones(store.meta["vocab"], bool)
  text[[tokenizer.eot, *tokenizer.silent]] = False
  seen = text & (counts["train"] > 0)
  table = _table("", *counts)
  used = [int((text & (of_split > 0)).sum()) for of_split in counts.values()]
  table.add_row("ids that occur", *(f"{n:,}" for n in used))
  table.add_row(f"  of the {text.sum():,} for text", *(_share(n, text.sum()) for n in used))
  unknown = 0 if tokenizer.unknown is None else tokenizer.unknown
  strange = [0 if tokenizer.unknown is None else int(c[unknown]) for c in counts.values()]
  totals = [int(c[text].sum()) + n for c, n in zip(counts.values(), strange, strict=True)]
  known = [int(c[seen].sum()) for c in counts.values()]
  shares = [_share(n, total) for n, total in zip(known, totals, strict=True)]
  table.add_row("tokens with an id seen in train", *shares)
  shares = [_share(n, total) for n, total in zip(strange, totals, strict=True)]
  table.add_row("tokens that are unknown", *shares)
  return table


def _frequent(store: Store, counts: np.ndarray, number: int = 20) -> str:
  text = counts.copy()
  text[[store.tokenizer.eot, store.tokenizer.pad]] = 0
  best = [i for i in np.argsort(-text, kind="stable")[:number].tolist() if text[i]]
  return "  ".join(f"{_shown(store.tokenizer.decode([i]))} {text[i]:,}" for i in best)


def _examples(store: Store, traces: Iterable[Trace], changed: int = 3) -> list[str]:
  """The first texts that cleaning changed and the first that it left out; without cleaning the
  first texts.
  """
  first = list(itertools.islice(traces, _READ))
  if not store.meta.get("clean"):
    chosen = first[:changed]
  else:
    chosen = [t for t in first if t[1] and t[1] != [t[0]]][:changed]
    chosen += [t for t in first if not t[1]][:1]
  lines = []
  for document, after, gone in chosen:
    if not after:
      lines += [f" before  {_shown(text)}" for text in document.texts()]
      lines.append(f" after   left out by {gone}")
    for clean in after[:1]:
      for old, new in zip(document.texts(), clean.texts(), strict=True):
        start = _changed_at(old, new)
        if old != new:
          lines.append(f" before  {_shown(old[start:])}")
        ids = store.tokenizer.encode_batch([new[start : start + 200]])[0]
        lines.append(f" after   {_shown(new[start:])}" if old != new else f" text    {_shown(old)}")
        lines.append(" tokens  " + "|".join(_plain(store.tokenizer.decode([i])) for i in ids))
    lines.append("")
  return lines


def _changed_at(old: str, new: str) -> int:
  """Where to begin to show two texts so that the first difference is seen."""
  pairs = enumerate(zip(old, new, strict=False))
  first = next((i for i, (a, b) in pairs if a != b), min(len(old), len(new)))
  return max(first - _BEFORE, 0) if first > 2 * _BEFORE and old != new else 0


def _table(*columns: str) -> Table:
  table = Table(*columns, box=None, title_justify="left")
  for column in table.columns[1:]:
    column.justify = "right"
  return table


def _share(part: float, whole: float) -> str:
  return f"{part / whole:.2%}" if whole else "-"


def _shown(text: str) -> str:
  """A text on one line, in quotes."""
  return repr(text[:300])


def _plain(text: str) -> str:
  return repr(text)[1:-1]
