"""Subword vocabularies learned from text, through `tokenizers`.

References: Sennrich et al. 2016 (arXiv:1508.07909) for BPE; Radford et al. 2019 (GPT-2) for its
  byte level; Kudo 2018 (arXiv:1804.10959) for Unigram; Schuster and Nakajima 2012, and Devlin et
  al. 2018 (arXiv:1810.04805), for WordPiece.
"""

import collections
import json
from collections.abc import Iterable, Sequence
from typing import Any

from seqlab.data.subwords import Subwords
from seqlab.data.tokenizers import END, PAD, UNKNOWN

_LONGEST = 200  # characters of a word that WordPiece takes apart
_NEVER = -1e4  # score of a piece that text should not be made of


def train_bpe(texts: Iterable[str], vocab: int) -> Subwords:
  """A byte-level BPE of at most `vocab` ids, the same for the same texts."""
  from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

  made = Tokenizer(models.BPE())
  # Training is quadratic in a word's length; DNA or base64 is one word, so words end at 128 bytes.
  short = pre_tokenizers.Split(Regex(".{1,128}"), "isolated")
  made.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.ByteLevel(add_prefix_space=False), short]
  )
  made.decoder = decoders.ByteLevel()
  trainer = trainers.BpeTrainer(
    vocab_size=vocab,
    special_tokens=[END, PAD],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
  )
  made.train_from_iterator(texts, trainer)
  return Subwords(made.to_str(), 0, 1)  # the specials come first


def train_unigram(texts: Iterable[str], vocab: int) -> Subwords:
  """A Unigram model of at most `vocab` ids over characters; a character that is no piece is spelled
  in bytes, so that every text is represented. U+2581, which spells the space, is read as one.
  """
  from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

  made = Tokenizer(models.Unigram())
  short = pre_tokenizers.Split(Regex(".{1,128}"), "isolated")
  made.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Metaspace(prepend_scheme="never"), short]
  )
  made.decoder = decoders.Sequence(
    [decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " ")]
  )
  trainer = trainers.UnigramTrainer(
    vocab_size=vocab - 258,
    special_tokens=[UNKNOWN],
    unk_token=UNKNOWN,
    initial_alphabet=[chr(code) for code in range(33, 127)],
    show_progress=False,
  )
  made.train_from_iterator(texts, trainer)
  # The names of the bytes are pieces too: scored so low that a text which holds one is spelled
  # out. Rare characters beyond `vocab` go: their bytes are there.
  pieces = _settled(json.loads(made.to_str())["model"]["vocab"][1:])
  named = [(f"<0x{i:02X}>", _NEVER) for i in range(256)]
  kept = [(UNKNOWN, _NEVER), *pieces[: vocab - 259], *named]
  made.model = models.Unigram(kept, unk_id=0, byte_fallback=True)
  return _with_specials(made)


def train_wordpiece(texts: Iterable[str], vocab: int) -> Subwords:
  """A WordPiece vocabulary of at most `vocab` ids over words that end at white space. Unknown as a
  whole is a word of more than 200 characters, or with one that the texts lack or that is too rare
  for the vocabulary. How words are spaced is lost, and `##` at the beginning of a word is read as
  the going on of the one before.
  """
  from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

  made = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
  made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
  made.decoder = decoders.WordPiece(cleanup=False)
  texts = list(texts)
  words = collections.Counter(word for text in texts for word in text.split())
  letters: collections.Counter[str] = collections.Counter()
  for word, count in words.items():
    letters.update({letter: count * word.count(letter) for letter in set(word)})
  ranked = sorted(letters, key=lambda letter: (-letters[letter], letter))
  alphabet = ranked[: (vocab - 3) // 2]  # a letter is two pieces: at the beginning and further on
  inner = sorted({letter for word in words for letter in word[1:]} & set(alphabet))
  # Numbered here, letters do not depend on the trainer's random order of hashing, nor do merges.
  trainer = trainers.WordPieceTrainer(
    vocab_size=vocab - 2,
    special_tokens=[UNKNOWN, *(f"##{letter}" for letter in inner)],
    initial_alphabet=alphabet,
    limit_alphabet=len(alphabet),
    show_progress=False,
  )
  made.train_from_iterator(texts, trainer)
  learned = sorted(made.get_vocab().items(), key=lambda entry: entry[1])
  kept = [piece for piece, _ in learned if piece not in (END, PAD)]
  made.model = models.WordPiece(
    dict(zip(kept, range(len(kept)), strict=True)),
    unk_token=UNKNOWN,
    max_input_chars_per_word=_LONGEST,
  )
  return _with_specials(made)


def _settled(pieces: Iterable[Sequence]) -> list[tuple[str, float]]:
  """The learned pieces, best first, without what the trainer's random order of hashing adds to
  scores: the last bits, and 0.0001 for each further character that no piece would spell.
  """
  scores = {piece: score for piece, score in pieces if piece not in (END, PAD)}
  lowest, letters = min(scores.values()), sum(len(piece) == 1 for piece in scores)
  edge = lowest + 1e-4 * letters
  settled = {
    piece: round(lowest if len(piece) == 1 and score <= edge else score, 6)
    for piece, score in scores.items()
  }
  return sorted(settled.items(), key=lambda entry: (-entry[1], entry[0]))


def _with_specials(made: Any) -> Subwords:
  """Puts end-of-text and padding behind the model's pieces, of which they are none, so that no text
  is taken for them. What is unknown is no special token: it is to be seen in decoded text.
  """
  from tokenizers import Tokenizer

  made = Tokenizer.from_str(json.dumps({**json.loads(made.to_str()), "added_tokens": []}))
  made.add_special_tokens([END, PAD])
  return Subwords(made.to_str(), made.token_to_id(END), made.token_to_id(PAD))
