"""Scores equal those of the packages they come from, in English and Chinese; intervals hold."""

import itertools
import random

import numpy as np
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer
from seqeval import metrics as seqeval

from seqlab.errors import UserError
from seqlab.scores.bootstrap import interval, mean_of, paired
from seqlab.scores.rouge import rouge, tokens
from seqlab.scores.spans import span_scores, spans
from seqlab.scores.translation import tokenizer_of, translation_scores

ENGLISH = (
  ["The cat sat on the mat.", "A dog runs through the snow!", "two men talk", "a b c d e f g"],
  ["The cat is on the mat.", "A dog is running through the snow.", "Two men talk.", "g f a x c e"],
)
CHINESE = (
  ["猫坐在垫子上。", "一只狗在雪地里跑。", "两个人说话", "BERT 模型在 2018 年发布"],
  ["猫在垫子上。", "一只狗正在雪地里奔跑。", "两个男人在说话。", "2018 年发布了 bert 模型。"],
)


@pytest.mark.parametrize("texts, tokenize", [(ENGLISH, "13a"), (CHINESE, "zh")])
def test_bleu_and_chrf_are_those_of_sacrebleu(texts, tokenize):
  scores, every = translation_scores(*texts), np.arange(4)
  bleu = sacrebleu.corpus_bleu(texts[0], [texts[1]], tokenize=tokenize).score
  assert scores["bleu"][0](every) == pytest.approx(bleu) and bleu > 5
  chrf = sacrebleu.corpus_chrf(texts[0], [texts[1]]).score
  assert scores["chrf"][0](every) == pytest.approx(chrf)
  assert f"tok:{tokenize}" in scores["bleu"][1] and "nc:6" in scores["chrf"][1]
  some = [1, 1, 3]
  written, references = ([side[i] for i in some] for side in texts)
  again = sacrebleu.corpus_bleu(written, [references], tokenize=tokenize).score
  assert scores["bleu"][0](np.array(some)) == pytest.approx(again)


@pytest.mark.parametrize(
  "text, tokenize",
  [
    ("The 猫 sat on a mat", "13a"),
    ("1, 2, 3!", "13a"),
    (
      "我喜欢看《ドラえもん》这一部很长的动画片,每天都看,大家也都非常喜欢它的故事和人物,尤其是孩子们和他们的父母",
      "zh",
    ),
    ("猫がマットの上に座った。", "char"),
    ("แมวนั่งบนเสื่อ", "char"),
    ("고양이가 매트 위에 앉았다", "13a"),
  ],
)
def test_a_script_without_spaces_has_its_tokenizer_or_a_warning(text, tokenize, caplog):
  assert tokenizer_of([text]) == tokenize
  assert ("no tokenizer here; BLEU counts characters" in caplog.text) == (tokenize == "char")
  if tokenize == "char":  # by 13a it would be a word that is wrong
    score, signature = translation_scores([text[1:]], [text])["bleu"]
    assert score(np.arange(1)) > 50 and "tok:char" in signature


def test_texts_that_match_score_100():
  assert translation_scores(CHINESE[1], CHINESE[1])["bleu"][0](np.arange(4)) == pytest.approx(100)


@pytest.mark.parametrize(
  "written, references, said",
  [
    (["a"], ["a", "b"], "1 texts against 2 references"),
    (["a", "b"], ["a", " "], "reference 2 is empty"),
    ([], [], "there are no references"),
  ],
)
def test_lists_that_sacrebleu_would_take_are_refused(written, references, said):
  with pytest.raises(UserError, match=said):
    translation_scores(written, references)


class Characters:
  """Our tokens, for a package whose own tokenizer drops Chinese."""

  def tokenize(self, text):
    return tokens(text)


@pytest.mark.parametrize("texts, tokenizer", [(ENGLISH, None), (CHINESE, Characters())])
def test_rouge_is_that_of_rouge_score(texts, tokenizer):
  scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=tokenizer)
  for written, reference in [*zip(*texts, strict=True), ("", texts[1][0]), (texts[0][0], "")]:
    wanted = {name: s.fmeasure for name, s in scorer.score(reference, written).items()}
    assert rouge(written, reference) == pytest.approx(wanted)


def test_rouge_of_many_random_texts():
  draw, scorer = random.Random(0), RougeScorer(["rouge1", "rouge2", "rougeL"])
  for _ in range(200):
    one, other = (" ".join(draw.choices("abcde", k=draw.randint(1, 12))) for _ in range(2))
    wanted = {name: s.fmeasure for name, s in scorer.score(other, one).items()}
    assert rouge(one, other) == pytest.approx(wanted)


def test_a_chinese_character_is_a_token():
  assert tokens("BERT在2018年。") == ["bert", "在", "2018", "年"]


def test_spans_are_those_of_seqeval_for_every_short_sentence():
  """All sentences of four tags, right and wrong ones (an I- after O, or after another type)."""
  kinds = ["O", "B-人", "I-人", "B-LOC", "I-LOC"]
  every = [list(tags) for tags in itertools.product(kinds, repeat=4)]
  other = every[17:] + every[:17]
  for wanted, given in zip(every, other, strict=True):
    assert {(k, a, b) for k, a, b in seqeval.sequence_labeling.get_entities(wanted)} == spans(
      wanted
    )
    del given
  scores = span_scores(other, every)
  assert scores.precision == pytest.approx(seqeval.precision_score(every, other))
  assert scores.recall == pytest.approx(seqeval.recall_score(every, other))
  assert scores.f1 == pytest.approx(seqeval.f1_score(every, other))


def test_tags_that_cannot_be():
  assert span_scores([["O"]], [["O"]]) == (0, 0, 0)
  with pytest.raises(UserError, match="tag 'X-人' is outside the scheme"):
    spans(["O", "X-人"])
  with pytest.raises(UserError, match="sentence 2: 1 tags against 2"):
    span_scores([["O"], ["O"]], [["O"], ["O", "O"]])
  with pytest.raises(UserError, match="tags of 1 sentences against 2"):
    span_scores([["O"]], [["O"], ["O"]])


def test_intervals_hold_the_truth_as_often_as_they_say():
  random, held = np.random.default_rng(0), 0
  for trial in range(200):
    found = interval(mean_of(random.normal(3, 1, 400)), 400, samples=500, seed=trial)
    held += found.low < 3 < found.high
  assert 0.90 < held / 200 < 0.98


def test_a_paired_difference_is_narrower_than_the_two_apart():
  random = np.random.default_rng(0)
  hard = random.normal(size=300)
  one, other = mean_of(hard + 0.2 + 0.1 * random.normal(size=300)), mean_of(hard)
  found = paired(one, other, 300)
  assert 0 < found.low < 0.2 < found.high
  assert found.high - found.low < interval(one, 300).high - interval(one, 300).low
  assert paired(one, one, 300) == (0, 0, 0)
