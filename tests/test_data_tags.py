"""Tagged words on their way from a file into rows: every tag once, on the right token; what is no
tag is refused with its line.
"""

import dataclasses
import itertools

import numpy as np
import pytest

from seqlab.data.documents import Document
from seqlab.data.loader import Loader
from seqlab.data.sources import build_sources
from seqlab.data.tags import allowed, cut
from seqlab.errors import UserError
from seqlab.prepare import prepare

CONLL = """-DOCSTART- -X- O

Anna NNP B-PER
Lee NNP I-PER
lives VBZ O
in IN O
Bonn NNP B-LOC
. . O

Bonn NNP B-LOC
SV NNP B-ORG
"""


@pytest.fixture
def file(tmp_path):
  (tmp_path / "train.conll").write_text(CONLL)
  return tmp_path / "train.conll"


def quiet(line):
  pass


def documents(source):
  return list(build_sources(source)[0].documents())


def rows(corpus, split, batch=8, **options):
  """The batches of an evaluation, joined."""
  loader = Loader(corpus, split, batch=batch, rows="tagged", train=False, **options)
  batches = [loader(step) for step in range(loader.steps_per_epoch)]
  return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


@pytest.mark.parametrize("tokenizer", ["bytes()", "characters()", "bpe(vocab=300)"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_tag_is_told_once_on_the_first_token_of_its_word(tmp_path, tokenizer, language):
  source = f"entities(sentences=60, language='{language}')"
  valid = f"entities(sentences=20, language='{language}', part='held_out')"
  corpus = prepare(source, tokenizer, valid, store=str(tmp_path), tell=quiet)
  assert corpus.between == {"en": " ", "zh": ""}[language]
  for split, spec in (("train", source), ("valid", valid)):
    told = documents(spec)
    batch = rows(corpus, split, length=256)
    assert batch["weight_BT"].sum() == sum(len(d.words) for d in told)
    assert not batch["weight_BT"][len(told) :].any()
    for row, document in enumerate(told):
      told_T, ids_T = batch["weight_BT"][row] > 0, batch["tokens_BT"][row]
      size = int(np.argmax(np.append(batch["pos_BT"][row], -1))) + 1
      assert ids_T[0] == corpus.eot and (ids_T[size:] == corpus.pad).all()
      names = tuple(corpus.labels[tag] for tag in batch["tag_BT"][row][told_T])
      assert names == document.tags
      words = np.split(ids_T[:size], np.flatnonzero(told_T))[1:]
      if not corpus.size(split)["unknown"]:
        assert tuple(map(corpus.tokenizer.decode, words)) == document.words


def test_a_file_of_words_and_tags(file):
  first, second = documents(f"conll(path='{file}')")
  assert first.text == "Anna Lee lives in Bonn ." and second.text == "Bonn SV"
  assert first.words == ("Anna", " Lee", " lives", " in", " Bonn", " .")
  assert first.tags == ("B-PER", "I-PER", "O", "O", "B-LOC", "O")
  assert second.tags == ("B-LOC", "B-ORG") and first.id == "train.conll#0"
  parts = documents(f"conll(path='{file}', column=1, scheme='any')")
  assert parts[0].tags == ("NNP", "NNP", "VBZ", "IN", "NNP", ".")
  (chinese,) = documents(f"conll(path='{file}', between='')")[1:]
  assert chinese.text == "BonnSV" and chinese.words == ("Bonn", "SV")


@pytest.mark.parametrize(
  "old, new, options, said",
  [
    ("I-PER", "X-PER", "", "line 4 has the tag 'X-PER', which is outside the scheme: O, B-TYPE"),
    ("lives VBZ O", "lives VBZ I-PER-", "", "line 5 has the tag 'I-PER-' after 'I-PER'; a span be"),
    ("B-PER", "I-PER", "", "line 3 has the tag 'I-PER' first; a span begins with 'B-PER'"),
    ("SV NNP B-ORG", "SV NNP I-ORG", "", "line 11 has the tag 'I-ORG' after 'B-LOC'"),
    ("in IN O", "in", "", "line 6 has 1 columns; column=-1"),
    ("", "", ", column=3", "line 3 has 3 columns; column=3 of conll"),
    ("", "", ", scheme='bioes'", "scheme='bioes' of conll() must be one of bio, any (did you mean"),
    ("", "", ", between='-'", "between='-' of conll() must be ' ' or ''"),
  ],
)
def test_a_tag_outside_the_scheme_is_named_with_its_line(file, old, new, options, said):
  file.write_text(CONLL.replace(old, new, 1))
  with pytest.raises(UserError) as caught:
    documents(f"conll(path='{file}'{options})")
  assert said in str(caught.value) and "\n" not in str(caught.value)
  if old:
    assert str(file) in str(caught.value)


def test_what_may_follow_what():
  names = ["B-A", "B-B", "I-A", "I-B", "O"]
  follow, first = allowed(names)
  assert [n for n, may in zip(names, first, strict=True) if may] == ["B-A", "B-B", "O"]
  refused = {
    p for p, may in zip(itertools.product(names, names), follow.ravel(), strict=True) if not may
  }
  assert refused == {(a, b) for a in names for b in ("I-A", "I-B") if a[-1] != b[-1] or a == "O"}
  follow, first = allowed(["NN", "O", "I-A"])
  assert follow.all() and first.all(), "not BIO: all is allowed"


def test_made_up_entities_ask_for_context():
  train, held = (
    [d for seed in range(2) for d in documents(f"entities(part='{part}', seed={seed})")]
    for part in ("train", "held_out")
  )
  assert documents("entities(sentences=9)") == documents("entities(sentences=9)")
  assert train[0].text != train[2000].text, "another seed, other sentences"

  def bare(found):
    """The types of names of one word."""
    types = {}
    for d in found:
      for word, tag, after in zip(d.words, d.tags, (*d.tags[1:], "O"), strict=True):
        if tag.startswith("B-") and not after.startswith("I-"):
          types.setdefault(word.strip(), set()).add(tag)
    return types

  seen, new = bare(train), bare(held)
  assert not seen.keys() & new.keys(), "no held-out name is seen in training"
  several = [name for name, types in seen.items() if len(types) > 1]
  assert len(several) > 50, "a name alone does not tell its type"
  assert {w for d in held for w, t in zip(d.words, d.tags, strict=True) if t == "O"} <= {
    w for d in train for w, t in zip(d.words, d.tags, strict=True) if t == "O"
  }, "the words around names are known"


def test_texts_are_cut_as_corpora_are():
  assert cut("Anna's U.N. post-war, (1.5%)", " ") == [
    "Anna's", "U.N", ".", "post-war", ",", "(", "1.5", "%", ")",
  ]  # fmt: skip
  assert cut("张伟 住在 Bonn", "") == list("张伟住在Bonn")


def test_tags_numbered_by_another_corpus(tmp_path, file):
  corpus = prepare(
    f"conll(path='{file}')", valid="hash(fraction=0)", store=str(tmp_path), tell=quiet
  )
  assert corpus.labels == ["B-LOC", "B-ORG", "B-PER", "I-PER", "O"]
  other = corpus.stores[0].numbered(["O", *corpus.labels[:4]], "--data")
  before, after = corpus.stores[0].split("train").tags, other.split("train").tags
  np.testing.assert_array_equal(after, np.where(before < 0, -1, (before + 1) % 5))
  with pytest.raises(UserError, match=r"^--data=conll.*unknown labels B-ORG; the classes are"):
    corpus.stores[0].numbered(["B-LOC", "B-PER", "I-PER", "O"], "--data")


def test_what_does_not_go_with_tags(tmp_path, file):
  source = f"conll(path='{file}')"
  text = tmp_path / "text.txt"
  text.write_text("no tags\n")

  def made(source=source, **options):
    options = {"valid": "hash(fraction=0)", "store": str(tmp_path / "data"), **options}
    return prepare(source, tell=quiet, **options)

  with pytest.raises(UserError, match=r"config.length=8: the longest text has 25 tokens"):
    rows(made(), "train", length=8)
  with pytest.raises(UserError, match="the source has no tags"):
    rows(made(f"text(path='{text}')"), "train", length=8)
  with pytest.raises(UserError, match=r"tail\(\) would cut words from their tags"):
    made(valid="tail(fraction=0.5)")
  with pytest.raises(UserError, match="some texts have tags, others none"):
    made(valid=f"text(path='{text}')")
  first = documents(source)[0]
  with pytest.raises(UserError, match=r"train.conll#0 has tags, and no step of config.data.clean"):
    dataclasses.replace(first, text=first.text.lower())
  assert Document("a", "b").pieces() == ("b",)


@pytest.mark.parametrize(
  "spec, said",
  [
    ("entities(language='de')", "language='de' of entities() must be one of en, zh"),
    ("entities(part='valid')", "part='valid' of entities() must be one of train, held_out"),
    ("entities(sentences=0)", "sentences=0 of entities() must be 1 or more"),
  ],
)
def test_entities_that_cannot_be_made(spec, said):
  with pytest.raises(UserError) as caught:
    build_sources(spec)
  assert said in str(caught.value)
