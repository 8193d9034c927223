"""What every tokenizer owes: round trips, no special id from text, valid UTF-8, exact loading."""

import json
import subprocess
import sys

import numpy as np
import pytest

from seqlab.data.tokenizers import load_tokenizer, save_tokenizer
from seqlab.data.vocabulary import plan_tokenizer
from seqlab.errors import UserError

TEXTS = [
  "To be, or not to be: that is the question.\n  \tIndented\r\n",
  "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。",
  "emoji 👩‍👩‍👧 and 🎉, accents é ü ñ, maths ∑∫, العربية, हिन्दी",
  "the literal <|endoftext|> and <|pad|> of a page about tokenizers </s> [SEP]",
  " ",
  "\x00\x01 control \x7f",
]
SPECS = ["bytes()", "characters()", "words(min_count=1)", "bpe(vocab=300)", "file"]
SPECS += ["unigram(vocab=420)", "wordpiece(vocab=400)"]


def kept(tokenizer, text):
  """What of a text this tokenizer promises to give back."""
  spaced = tokenizer.description()["kind"] == "words" or '"WordPiece"' in str(
    tokenizer.description()
  )
  return " ".join(text.split()) if spaced else text


@pytest.fixture(scope="module", params=SPECS)
def tokenizer(request, tmp_path_factory):
  if request.param != "file":
    return plan_tokenizer(request.param).make([lambda: TEXTS])
  # A sentencepiece-like file: ids do not stand for bytes, its decoder joins neighbours.
  from tokenizers import Tokenizer, decoders, models, pre_tokenizers

  pieces = [("<unk>", 0.0), ("</s>", 0.0)]
  pieces += [(f"<0x{i:02X}>", -9.0) for i in range(256)]
  pieces += [("▁to", -2.0), ("▁be", -2.0), ("▁", -3.0), ("t", -4.0), ("o", -4.0), ("be", -3.0)]
  made = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
  made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
  made.decoder = decoders.Sequence(
    [decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " ")]
  )
  made.add_special_tokens(["</s>"])
  path = tmp_path_factory.mktemp("unigram") / "tokenizer.json"
  made.save(str(path))
  return plan_tokenizer(f"file(path={str(path)!r})").make([])


@pytest.mark.parametrize("text", TEXTS)
def test_round_trip_and_no_special_id(tokenizer, text):
  ids = tokenizer.encode(text)
  assert tokenizer.decode(ids) == kept(tokenizer, text)
  assert ids.max(initial=0) < tokenizer.vocab and ids.dtype == np.int32
  assert not np.isin(ids, [tokenizer.eot, *tokenizer.silent]).any()
  assert tokenizer.decode([tokenizer.eot, *ids, tokenizer.eot]) == kept(tokenizer, text)


def test_saved_and_loaded_is_the_same(tokenizer, tmp_path):
  save_tokenizer(tokenizer, tmp_path / "made" / "here")
  again = load_tokenizer(tmp_path / "made" / "here")
  assert (again.vocab, again.eot, again.pad) == (tokenizer.vocab, tokenizer.eot, tokenizer.pad)
  for text, ids in zip(TEXTS, tokenizer.encode_batch(TEXTS), strict=True):
    assert np.array_equal(again.encode(text), ids) and again.decode(ids) == tokenizer.decode(ids)
  assert (again.silent, again.unknown) == (tokenizer.silent, tokenizer.unknown)
  via_spec = plan_tokenizer(f"file(path={str(tmp_path / 'made' / 'here')!r})").make([])
  assert np.array_equal(via_spec.encode(TEXTS[3]), tokenizer.encode(TEXTS[3]))


def test_streaming_prints_whole_characters_only(tokenizer):
  for text in TEXTS:
    stream = tokenizer.stream()
    shown = [stream.push([i]) for i in tokenizer.encode(text)]
    assert "".join(shown) + stream.finish() == kept(tokenizer, text)
    assert "\ufffd" not in "".join(shown)


def test_any_ids_decode_to_valid_utf8(tokenizer):
  ids = np.random.default_rng(0).integers(0, tokenizer.vocab + 5, 3000)  # a model may be wider
  assert tokenizer.decode(ids).encode("utf-8")
  stream = tokenizer.stream()
  assert ("".join(stream.push([i]) for i in ids) + stream.finish()).encode("utf-8")


def test_streaming_does_not_wait_for_ever_on_broken_bytes():
  for spec in ("bytes()", "bpe(vocab=300)"):
    tokenizer = plan_tokenizer(spec).make([lambda: TEXTS])
    lead = tokenizer.encode("字")[0]
    stream = tokenizer.stream()
    shown = [stream.push([lead]) for _ in range(20)]
    assert len("".join(shown)) >= 19


def test_a_character_the_training_text_lacks_is_unknown_and_says_so():
  tokenizer = plan_tokenizer("characters()").make([lambda: ["abc"]])
  assert tokenizer.vocab == 6
  assert tokenizer.encode("a字b\U0010ffff").tolist() == [3, 2, 4, 2]
  assert tokenizer.decode([3, 2, 4]) == "a\ufffdb"


def test_words_are_the_frequent_ones_and_others_unknown():
  texts = ["a dog and a cat", "a dog <unk> <unk>"]
  tokenizer = plan_tokenizer("words()").make([lambda: texts])
  assert tokenizer.words == ("a", "<unk>", "dog"), "by count, then by name"
  ids = tokenizer.encode("a cat <unk>\n dog")
  assert ids.tolist() == [3, tokenizer.unknown, 4, 5], "the text's own <unk> is a word like others"
  assert tokenizer.decode(ids) == "a <unk> <unk> dog"
  assert tokenizer.unknown in tokenizer.silent
  whole = plan_tokenizer("words(min_count=1)").make([lambda: texts[:1], lambda: texts[1:]])
  assert whole.vocab == 3 + 5
  stream = tokenizer.stream()
  assert [stream.push([i]) for i in (tokenizer.eot, 3, tokenizer.pad, 5)] == ["", "a", "", " dog"]


def test_training_is_deterministic_and_bounded():
  plan = plan_tokenizer("bpe(vocab=280, megabytes=0.0003)")
  first = plan.make([lambda: TEXTS * 50])
  assert first.description() == plan.make([lambda: TEXTS * 50]).description()
  assert first.description() == plan.make([lambda: [*TEXTS, "never read" * 50]]).description()
  assert first.vocab <= 280
  cut = plan.make([lambda: ["ab" * 150 + "xyz" * 500]])  # one document longer than the limit
  assert cut.description() == plan.make([lambda: ["ab" * 150]]).description()


@pytest.mark.parametrize("spec", ["unigram(vocab=450)", "wordpiece(vocab=120)"])
def test_subwords_are_learned_the_same_and_no_more_than_asked_for(spec):
  plan = plan_tokenizer(spec)
  first = plan.make([lambda: TEXTS * 20])
  assert first.description() == plan.make([lambda: TEXTS * 20]).description()
  assert first.vocab <= int(spec.partition("=")[2][:-1])


def test_what_unigram_and_wordpiece_cannot_spell():
  texts = ["the cats and the dogs, they bark", "the bats"] * 20
  bytes_for_it = plan_tokenizer("unigram(vocab=400)").make([lambda: texts])
  ids = bytes_for_it.encode("the 猫 <0x41> <unk>")
  assert bytes_for_it.decode(ids) == "the 猫 <0x41> <unk>" and bytes_for_it.unknown not in ids
  assert bytes_for_it.decode(bytes_for_it.encode("a▁b")) == "a b", "the one thing that is lost"
  pieces = plan_tokenizer("wordpiece(vocab=60)").make([lambda: texts])
  ids = pieces.encode("the 猫s dogs")
  assert (ids == pieces.unknown).sum() == 1 and pieces.unknown in pieces.silent
  assert pieces.decode(ids) == "the <unk> dogs"
  assert pieces.unknown in pieces.encode("t" * 201) and pieces.unknown not in pieces.encode(
    "t" * 200
  )


def test_decoding_a_saved_bpe_needs_no_tokenizers(tmp_path):
  tokenizer = plan_tokenizer("bpe(vocab=300)").make([lambda: TEXTS])
  save_tokenizer(tokenizer, tmp_path)
  ids = tokenizer.encode(TEXTS[1]).tolist()
  code = (
    "import sys, json; from seqlab.data.tokenizers import load_tokenizer\n"
    f"text = load_tokenizer({str(tmp_path)!r}).decode({ids})\n"
    "print(json.dumps([text, [m for m in ('tokenizers', 'datasets', 'jax') if m in sys.modules]]))"
  )
  out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  assert json.loads(out.stdout) == [TEXTS[1], []]


def test_a_huge_text_is_encoded_in_pieces_to_the_same_ids(monkeypatch):
  import seqlab.data.subwords as subwords

  tokenizer = plan_tokenizer("bpe(vocab=400)").make([lambda: TEXTS])
  text = "".join(TEXTS) * 20 + "to be,  or\n\n   not " * 300
  whole = tokenizer.encode(text)
  monkeypatch.setattr(subwords, "_PIECE", 1500)
  assert len(subwords._pieces(text)) > 5 and "".join(subwords._pieces(text)) == text
  assert np.array_equal(tokenizer.encode(text), whole)
  unspaced = "床前明月光" * 1000
  assert tokenizer.decode(tokenizer.encode(unspaced)) == unspaced


def test_no_special_token_of_a_file_comes_from_text(tmp_path):
  from tokenizers import Tokenizer

  made = Tokenizer.from_str(plan_tokenizer("bpe(vocab=300)").make([lambda: TEXTS]).text)
  made.add_special_tokens(["<|user|>"])
  made.save(str(tmp_path / "chat.json"))
  tokenizer = plan_tokenizer(f"file(path={str(tmp_path / 'chat.json')!r})").make([])
  text = "a page about <|user|> and <|endoftext|>"
  assert made.token_to_id("<|user|>") not in tokenizer.encode(text)
  assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_tokenizer_file_without_a_known_end_is_named(tmp_path):
  from tokenizers import Tokenizer, models

  made = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
  made.add_special_tokens(["<|stop|>"])
  path = str(tmp_path / "words.json")
  made.save(path)
  with pytest.raises(UserError, match=r"its special tokens: <\|stop\|>"):
    plan_tokenizer(f"file(path={path!r})").make([])
  assert plan_tokenizer(f"file(path={path!r}, eot='<|stop|>')").make([]).eot == 2


@pytest.mark.parametrize(
  "spec, message",
  [
    ("byte()", r"unknown 'byte' \(did you mean 'bytes'\?\)"),
    ("bpe(vocabulary=300)", r"no argument 'vocabulary' \(did you mean 'vocab'\?\)"),
    ("bpe(vocab=200)", "vocab=200 of bpe.. must be at least 258"),
    ("words(min_count=0)", "min_count=0 of words.. must be 1 or more"),
    ("unigram(vocab=300)", "vocab=300 of unigram.. must be at least 400"),
    ("wordpiece(vocab=3)", "vocab=3 of wordpiece.. must be at least 4"),
    ("bpe(megabytes=0)", "megabytes=0 of bpe.. must be above 0"),
    ("file(path='no/such.json')", "path='no/such.json' matches no file"),
    ("bytes() | bytes()", "one call is wanted"),
  ],
)
def test_mistakes_are_one_line(spec, message):
  with pytest.raises(UserError, match=message) as caught:
    plan_tokenizer(spec)
  assert str(caught.value).startswith("config.data.tokenizer") and "\n" not in str(caught.value)


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
  (tmp_path / "x.json").write_text("{}")
  with pytest.raises(UserError, match=r"not a tokenizer\.json"):
    plan_tokenizer(f"file(path={str(tmp_path / 'x.json')!r})").make([])


def test_a_word_without_end_is_no_trap():
  """Training is quadratic in a word's length: 200,000 letters in one word took 40 seconds."""
  tokenizer = plan_tokenizer("bpe(vocab=300)").make([lambda: ["ACGT" * 50_000]])
  assert tokenizer.decode(tokenizer.encode("ACGT" * 1000)) == "ACGT" * 1000
