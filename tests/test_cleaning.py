"""What every step of cleaning owes, and what each of them does."""

import itertools

import numpy as np
import pytest

from seqlab import prepare
from seqlab.data.cleaning import CLEANERS
from seqlab.data.cleaning.pipeline import build_pipeline
from seqlab.data.documents import Document, Source
from seqlab.errors import UserError

TEXTS = [
  "To be, or NOT to be: that's the question.\n  \tIndented\r\n",
  "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。",
  "emoji 👩‍👩‍👧 and 🎉, accents é ü ñ, maths ∑∫, العربية, हिन्दी",
  "ﬁne ＡＢＣ１２３ｶﾞ　full\u00a0width \u200bzero\x00\x07 \ufeffmark",
  "<p>Tom &amp; <b>Ann</b></p>",
  " ",
  "",
]
SPECS = ["lower()", "words()", "words(language='european')"]
TEXT_SPECS = [spec for spec in SPECS if build_pipeline(spec).text_spec]


def source(*documents, fingerprint="some"):
  return Source(fingerprint, lambda: iter(documents))


def cleaned(spec, *documents):
  return list(build_pipeline(spec).sources([source(*documents)])[0].documents())


def test_every_member_is_tried():
  assert {spec.partition("(")[0] for spec in SPECS} == set(CLEANERS)


@pytest.mark.parametrize("spec", SPECS)
def test_what_every_step_owes(spec):
  documents = [Document(f"d{n}", text, label=n) for n, text in enumerate(TEXTS)]
  one = build_pipeline(spec).sources([source(*documents)])[0]
  first = list(one.documents())
  assert first and first == list(one.documents()), "a source is read the same again and again"
  assert all(document.text.strip() for document in first), "empty texts are left out"
  by_label = {document.label: document.id for document in first}
  assert all(id.startswith(f"d{label}") for label, id in by_label.items())
  for document in first:
    document.text.encode("utf-8")


@pytest.mark.parametrize("spec", TEXT_SPECS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_cleaned_the_same_wherever_it_stands(spec, text):
  pipeline = build_pipeline(spec)
  clean = pipeline.text(text)
  assert pipeline.text(clean) == clean, "twice is once"
  pair = Document("pair", "x" + text, source="y" + text)
  (both,) = cleaned(spec, pair)
  assert (both.text, both.source) == (pipeline.text("x" + text), pipeline.text("y" + text))


def test_fingerprints_tell_pipelines_apart():
  specs = [*SPECS, "lower() | words()", "words() | lower()"]
  prints = {build_pipeline(spec).fingerprint for spec in specs}
  assert len(prints) == len(specs)
  assert build_pipeline("words()").fingerprint == (
    build_pipeline("words( language = 'auto' )").fingerprint
  ), "how a spec is written, and what it leaves to its default, is nothing"
  raw = source(Document("a", "A"))
  assert build_pipeline("").sources([raw]) == [raw], "no step, the same source"
  one = build_pipeline("lower()").sources([raw])[0]
  assert one.fingerprint != raw.fingerprint and one.origin is raw


def test_words():
  text = "Don't stop; the man's T-shirt costs $3,000.50 (U.S.)... well—ok! CAN'T"
  assert build_pipeline("words()").text(text) == (
    "Do n't stop ; the man 's T-shirt costs $ 3,000.50 ( U . S . ) ... well — ok ! CA N'T"
  )
  mixed = "我爱北京天安门AI2，हिन्दी 👩‍👩‍👧!"
  assert build_pipeline("words(language='european')").text(mixed) == (
    "我爱北京天安门 AI2 ， हिन्दी 👩‍👩‍👧 !"
  )
  pytest.importorskip("jieba")
  assert build_pipeline("words()").text(mixed) == "我 爱 北京 天安门 AI2 ， हिन्दी 👩‍👩‍👧 !"


@pytest.mark.parametrize(
  "spec, message",
  [
    ("lowr()", r"unknown 'lowr' \(did you mean 'lower'\?\)"),
    ("lower(a=1)", "no argument 'a'; its arguments: none"),
    ("words(language='europian')", r"must be one of auto, european \(did you mean 'european'\?\)"),
    ("lower() words()", "write calls"),
  ],
)
def test_mistakes_are_one_line(spec, message):
  with pytest.raises(UserError, match=message) as caught:
    build_pipeline(spec)
  assert str(caught.value).startswith("config.data.clean") and "\n" not in str(caught.value)


def prepared(folder, spec, **options):
  told = []
  corpus = prepare.prepare(spec, store=str(folder / "store"), tell=told.append, **options)
  return corpus, told


def texts_of(corpus, split="train"):
  store = corpus.stores[0]
  tokens, starts = store.split(split), store.split(split).documents.tolist()
  ids = np.empty(tokens.count, tokens.dtype)
  tokens.read(0, ids)
  return [store.tokenizer.decode(ids[a:b]) for a, b in itertools.pairwise(starts)]


def test_a_store_holds_clean_text_and_is_found_by_its_cleaning(tmp_path):
  (tmp_path / "a.txt").write_text("The CAT's\n \nA Dog.\n")
  (tmp_path / "b.txt").write_text("A BIRD\n")
  spec = f"text(path='{tmp_path / 'a.txt'}', documents='line')"
  options = dict(valid=f"text(path='{tmp_path / 'b.txt'}')", tokenizer="words(min_count=1)")
  plain, _ = prepared(tmp_path, spec, **options)
  clean, told = prepared(tmp_path, spec, clean="lower() | words()", **options)
  assert plain.fingerprint != clean.fingerprint
  assert texts_of(clean) == ["the cat 's", "a dog ."]
  assert texts_of(clean, "valid") == ["a <unk>"], "validation text is cleaned too"
  assert "cleaning left out 1 by no text" in told[-1]
  assert clean.fingerprint == prepare.fingerprint(spec, clean="lower() | words()", **options)
  again, told = prepared(tmp_path, spec, clean="lower()|words()", **options)
  assert "reusing" in told[0] and again.fingerprint == clean.fingerprint
  assert clean.stores[0].meta["source_sha256"] == plain.stores[0].meta["source_sha256"]
  assert list(prepare.texts(spec, options["valid"], "valid", "lower()")) == ["a bird\n"]


def test_the_split_is_that_of_the_source(tmp_path):
  (tmp_path / "a.txt").write_text("".join(f"Line {n}\n" for n in range(200)))
  spec = f"text(path='{tmp_path / 'a.txt'}', documents='line')"
  plain, clean = (
    [d.text.lower() for d in prepare.documents(spec, "hash(fraction=0.2)", "valid", clean)]
    for clean in ("", "lower()")
  )
  assert plain == clean and plain
