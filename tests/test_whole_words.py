"""Whole words: which tokens begin one under each tokenizer, and that they are hidden together."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seqlab.data.cleaning.words import chinese_words, split_words
from seqlab.data.loader import Loader
from seqlab.data.subwords import Subwords
from seqlab.data.tokenizers import Bytes
from seqlab.data.vocabulary import plan_tokenizer
from seqlab.data.word_starts import word_starts
from seqlab.objectives.masked_language_model import hide
from seqlab.prepare import prepare

ENGLISH = "Don't panic: unbelievable cats  sat on the café's mat, 3.5 of them."
CHINESE = "我喜欢北京天安门，\u3000loves 猫。"
MIXED = [ENGLISH, CHINESE] * 3


@pytest.fixture(scope="module")
def cut():
  pytest.importorskip("jieba")
  return lambda text: chinese_words("test")(text)


def words_of(tokenizer, text, cut):
  """The text of each group of tokens that begins with a word's first."""
  ids = tokenizer.encode(text)
  pieces = [tokenizer.pieces()[i] for i in ids]
  starts = np.flatnonzero(word_starts(pieces, cut)).tolist()
  assert starts[0] == 0
  ends = [*starts[1:], len(ids)]
  return [b"".join(pieces[a:b]).decode().strip() for a, b in zip(starts, ends, strict=True)]


@pytest.mark.parametrize(
  "spec", ["bytes()", "characters()", "bpe(vocab=290)", "unigram(vocab=450)"]
)
def test_tokens_between_two_starts_are_a_word(spec, cut):
  tokenizer = plan_tokenizer(spec).make([lambda: MIXED])
  for text in (ENGLISH, CHINESE):
    found = [word for word in words_of(tokenizer, text, cut) if word]
    rule = list(split_words(text, lambda: cut))
    if spec in ("bytes()", "characters()"):
      assert found == rule
    ends, wanted = (set(np.cumsum([len(w.replace(" ", "")) for w in ws])) for ws in (found, rule))
    assert ends <= wanted, "no word is cut"
    assert len(ends) > len(wanted) / 2 and len(found) < len(tokenizer.encode(text))
  if spec == "characters()":
    assert found[:4] == ["我", "喜欢", "北京", "天安门"]


def test_a_token_over_two_words_ties_them_together(cut):
  pieces = ["欢北".encode(), "京".encode(), b" a", b"b c", b"d"]
  assert word_starts(["我喜".encode(), *pieces], cut).tolist() == [1, 0, 0, 1, 0, 0]


def test_the_marks_of_bert_and_of_whole_words(cut):
  vocab = ["[UNK]", "[PAD]", "[SEP]", *"我喜欢北京", "play", "##ing", "##欢", "now"]
  made = dict(
    model=dict(
      type="WordPiece",
      vocab={piece: i for i, piece in enumerate(vocab)},
      unk_token="[UNK]",
      continuing_subword_prefix="##",
      max_input_chars_per_word=100,
    ),
    pre_tokenizer={"type": "BertPreTokenizer"},
    normalizer={"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                "strip_accents": None, "lowercase": True},
    decoder={"type": "WordPiece", "prefix": "##", "cleanup": False},
    version="1.0",
    added_tokens=[],
  )  # fmt: skip
  tokenizer = Subwords(json.dumps(made), 2, 1)
  assert words_of(tokenizer, "我喜欢北京 playing now", cut) == [
    "我", "喜欢", "北京", "playing", "now",
  ]  # fmt: skip
  pieces = [tokenizer.pieces()[vocab.index(p)] for p in ("喜", "##欢", "play", "##ing")]
  assert word_starts(pieces, cut).tolist() == [1, 0, 1, 0]
  words = plan_tokenizer("words(min_count=1)").make([lambda: ["a cat 喜欢 猫"]])
  assert words_of(words, "a cat 喜欢 猫", cut) == ["a", "cat", "喜欢", "猫"]


@pytest.mark.parametrize("rows", ["windows", "packed"])
def test_rows_say_where_words_begin(rows, tmp_path, capfd):
  draw = np.random.default_rng(0)
  texts = [" ".join("x" * n for n in draw.integers(1, 6, 9)) + "\n" for _ in range(40)]
  (tmp_path / "text").write_text("".join(texts))
  source = f"text(path='{tmp_path / 'text'}', documents='line')"
  corpus = prepare(source, "bytes()", "hash(fraction=0.3)", str(tmp_path / "store"))
  made = lambda **o: Loader(corpus, length=24, batch=4, rows=f"whole_words(rows={rows!r})", **o)  # noqa: E731
  plain = Loader(corpus, length=24, batch=4, rows=rows, train=False)
  for loader in (made(), made(train=False)):
    for step in range(loader.steps_per_epoch):
      batch = loader(step)
      begins, tokens = batch["begins_BT"], batch["tokens_BT"]
      letter = tokens == ord("x")
      assert (begins[~letter] == 1).all()
      follows = letter[:, 1:] & letter[:, :-1] & (batch["pos_BT"][:, 1:] > 0)
      np.testing.assert_array_equal(begins[:, 1:][letter[:, 1:]], ~follows[letter[:, 1:]])
      if not loader._train:
        assert all((batch[name] == x).all() for name, x in plain(step).items())
  assert capfd.readouterr().err.count("finding the words") == 1, "once for a store"
  assert Bytes.eot in tokens


def test_a_words_tokens_go_the_same_way():
  shape, pad = (64, 256), 60
  tokens_BT = jnp.asarray(np.random.default_rng(0).integers(2, 50, shape))
  begins_BT = np.random.default_rng(1).random(shape) < 0.4
  text_BT = np.broadcast_to(np.arange(256) < 250, shape)
  run = jax.jit(lambda key, begins: hide(tokens_BT, text_BT, key, 0.15, 50, pad, begins))
  shown_BT, chosen_BT = map(np.asarray, run(jax.random.key(1), begins_BT))
  assert not chosen_BT[:, 250:].any()
  same = ~begins_BT[:, 1:] & text_BT[:, 1:]
  assert (chosen_BT[:, 1:] == chosen_BT[:, :-1])[same].all()
  hidden = shown_BT == pad
  left = chosen_BT & (shown_BT == np.asarray(tokens_BT))
  both = same & chosen_BT[:, 1:]
  assert (hidden[:, 1:] == hidden[:, :-1])[both].all() and 0.7 < hidden[chosen_BT].mean() < 0.9
  assert not (left[:, 1:] & hidden[:, :-1])[both].any()
  assert abs(chosen_BT[:, :250].mean() - 0.15) < 0.02
  alone = run(jax.random.key(1), np.ones(shape, int))
  plain = jax.jit(lambda key: hide(tokens_BT, text_BT, key, 0.15, 50, pad))(jax.random.key(1))
  for a, b in zip(alone, plain, strict=True):
    np.testing.assert_array_equal(a, b, "words of one token are hidden as tokens are")
