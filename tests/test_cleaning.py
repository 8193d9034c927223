"""What every step of cleaning owes, and what a pipeline does to a store and its splits."""

import itertools

import numpy as np
import pytest

from seqlab import prepare
from seqlab.data.cleaning import CLEANERS
from seqlab.data.cleaning.pipeline import build_pipeline
from seqlab.data.documents import Document, Source

TEXTS = [
  "To be, or NOT to be: that's the question.\n  \tIndented\r\n",
  "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。",
  "emoji 👩‍👩‍👧 and 🎉, accents é ü ñ, maths ∑∫, العربية, हिन्दी",
  "ﬁne ＡＢＣ１２３ｶﾞ　full\u00a0width \u200bzero\x00\x07 \ufeffmark",
  "<p>Tom &amp; <b>Ann</b></p>",
  " ",
  "",
]
SPECS = [
  *("nfkc()", "half_width()", "control()", "whitespace()", "whitespace(lines=True)", "html()"),
  *("lower()", "simplified()", "traditional()", "pii()", "words()", "words(language='european')"),
  *("stop_words()", "stop_words(language='chinese')", "sentences()", "shuffled()"),
  *("length(max=60)", "length(min=2, unit='words')", "deduplicate()"),
  "near_deduplicate(threshold=0.5, shingle=3)",
]
PACKAGES = {  # of the extra `text`
  "words": "jieba", "simplified": "opencc", "traditional": "opencc",
  "near_deduplicate": "datasketch",
}  # fmt: skip
TEXT_SPECS = [spec for spec in SPECS if build_pipeline(spec).text_spec]


@pytest.fixture(autouse=True)
def installed(request):
  spec = getattr(request.node, "callspec", None)
  if spec and "spec" in spec.params:
    pytest.importorskip(PACKAGES.get(spec.params["spec"].partition("(")[0], "numpy"))


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
  assert all(document.id == f"d{document.label}" for document in first), "each keeps its own"
  for document in first:
    document.text.encode("utf-8")
  left = {document.id for document in first}
  assert len(documents) - len(left) == sum(one.dropped.values())


@pytest.mark.parametrize("spec", TEXT_SPECS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_cleaned_the_same_wherever_it_stands(spec, text):
  pipeline = build_pipeline(spec)
  clean = pipeline.text(text)
  if spec != "html()":  # which makes a tag of &lt;b&gt;
    assert pipeline.text(clean) == clean, "twice is once"
  pair = Document("pair", "x" + text, source="y" + text)
  (both,) = cleaned(spec, pair)
  assert (both.text, both.source) == (pipeline.text("x" + text), pipeline.text("y" + text))


def test_fingerprints_tell_pipelines_apart():
  specs = [*SPECS, "lower() | words()", "words() | lower()"]
  prints = {build_pipeline(spec).fingerprint for spec in specs}
  assert len(prints) == len(specs)
  # as it was before `hyphens`: runs from then are evaluated on their own data
  assert build_pipeline("lower() | words()").fingerprint.startswith("8e8df4d7")
  assert build_pipeline("words()").fingerprint == (
    build_pipeline("words( language = 'auto' )").fingerprint
  ), "how a spec is written, and what it leaves to its default, is nothing"
  raw = source(Document("a", "A"))
  assert build_pipeline("").sources([raw]) == [raw], "no step, the same source"
  one = build_pipeline("lower()").sources([raw])[0]
  assert one.fingerprint != raw.fingerprint and one.origin is raw


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


def test_what_is_held_out_has_no_copy_in_the_training_text(tmp_path):
  """Between a source and its split, a source and the text held out, the sources of a mixture."""
  (tmp_path / "a.txt").write_text("".join(f"line {n % 50}\n" for n in range(400)))
  (tmp_path / "b.txt").write_text("".join(f"line {n}\n" for n in range(40, 60)))
  a, b = (f"text(path='{tmp_path / name}', documents='line')" for name in ("a.txt", "b.txt"))

  def held(source, valid, clean):
    reads = (prepare.texts(source, valid, split, clean) for split in ("train", "valid"))
    train, valid = map(list, reads)
    assert train and valid
    return len(set(train) & set(valid)), len(train), len(valid)

  rule = "hash(fraction=0.3)"
  assert held(a, rule, "")[0] > 20 and held(f"{a} | {b}", rule, "")[0] > 20
  assert held(a, rule, "deduplicate()")[0] == 0
  assert held(f"{a} | {b}", rule, "deduplicate()")[0] == 0
  assert held(a, b, "")[0] == 10 and held(a, b, "deduplicate()") == (0, 40, 20)
  both = prepare.fingerprint(f"{b} | {a}", "bytes()", rule, "deduplicate()")
  assert both != prepare.fingerprint(f"{a} | {b}", "bytes()", rule, "deduplicate()")
