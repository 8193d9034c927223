"""What each step of cleaning does to texts and documents."""

import random
import sys

import pytest
from test_cleaning import cleaned

from seqlab.data.cleaning.pipeline import build_pipeline
from seqlab.data.documents import Document
from seqlab.errors import UserError

TURNS = [
  ("nfkc()", "ﬁne ＡＢＣ１２３ｶﾞ　full\u00a0width ①", "fine ABC123ガ full width 1"),
  ("half_width()", "ﬁne ＡＢＣ１２３ｶﾞ　full，！～￥", "ﬁne ABC123ｶﾞ full,!~¥"),
  ("control()", "a\x0cb\x00\u200bc\u200d\ufeff\x9fd\te\r\n", "a bc\u200dd\te\r\n"),
  ("whitespace()", " a \n\n\u3000b\r\n c ", "a b c"),
  ("whitespace(lines=True)", " a \n\n\u3000b  b\r\n c ", "a\nb b\nc"),
  ("html()", "<p>Tom &amp; <b>A</b>nn</p>great.<br /><br />The", "Tom & Ann\ngreat.\nThe"),
  ("html()", "I <3 you, a < b &lt;b&gt;", "I <3 you, a < b <b>"),
  ("html()", "x<script>if (a<b) y()</script><style>p {}</style><!-- c -->z", "x\nz"),
  ("html()", "<script>never ends", ""),
  ("simplified()", "舉頭望明月，乾坤、頭髮", "举头望明月，乾坤、头发"),
  ("traditional()", "头发，发展", "頭髮，發展"),
  ("words()", "A man's t-shirt: 3.5", "A man 's t-shirt : 3.5"),
  ("words(hyphens='apart')", "A man's t-shirt: 3.5 -- no", "A man 's t - shirt : 3.5 -- no"),
  ("words() | stop_words()", "I don't think that the film is good!", "think film good !"),
  ("words() | stop_words()", "我们觉得这个电影很好看", "觉得 电影 好看"),
  ("stop_words(language='english')", "The 的 film", "的 film"),
]


@pytest.mark.parametrize("spec, text, wanted", TURNS)
def test_what_a_step_makes_of_a_text(spec, text, wanted):
  assert build_pipeline(spec).text(text) == wanted


def test_shuffled_keeps_the_characters_and_draws_by_content():
  text = "人生若只如初见 the quick brown fox"
  turn = build_pipeline("shuffled()").text
  assert sorted(turn(text)) == sorted(text) and turn(text) == turn(text) != text
  assert build_pipeline("shuffled(seed=1)").text(text) != turn(text)
  assert turn("") == ""


@pytest.mark.parametrize(
  "text, wanted",
  [
    ("to a.b+c@ex-ample.co.uk, or zhang@qq.com谢谢", "to <EMAIL>, or <EMAIL>谢谢"),
    ("微信13812345678。+86 138-1234-5678", "微信<PHONE>。<PHONE>"),
    ("+1 (415) 555-2671, 415-555-2671, 010-12345678", "<PHONE>, <PHONE>, <PHONE>"),
    ("11010519491231002X but not 110105194912310021", "<ID> but not 110105194912310021"),
    ("4111 1111 1111 1111 but not 4111111111111112", "<CARD> but not 4111111111111112"),
    ("2023-2024, 3.14159265358979, 1,000,000, 192.168.1.100, 13812345678123457", None),
  ],
)
def test_personal_data(text, wanted):
  assert build_pipeline("pii()").text(text) == (wanted or text)


SENTENCES = [
  'Dr. Smith paid $3.50 to J. Doe. | He left! | "Why?" she said. | So did I. | U.S. law, No. 5.',
  "他来了。|“好！”|他说。|真的？……|嗯…|对",
  "Das ist z. B. heute bzw. morgen. | Wait... what? | Well… | I think so… but no. | No!",
  "One line\nwrapped \n\n| another",
]


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences(text):
  found = cleaned("sentences()", Document("d", text.replace("|", ""), label=1))
  assert [document.text for document in found] == [part.strip() for part in text.split("|")]
  assert {(document.id, document.label) for document in found} == {("d", 1)}


def test_sentences_refuse_pairs():
  with pytest.raises(UserError, match=r"config.data.clean: sentences\(\) would cut .* pair p#1"):
    cleaned("sentences()", Document("p#1", "One. Two.", source="Eins. Zwei."))


def test_filters_take_both_sides():
  short, long = "ab", "abcdef"
  pairs = [Document(f"{n}", a, source=b) for n, (a, b) in enumerate([(short, long), (long, long)])]
  assert cleaned("length(min=3)", *pairs) == pairs[1:]
  assert cleaned("length(max=3)", *pairs) == []
  assert cleaned("length(min=2, max=6)", *pairs) == pairs
  assert cleaned("stop_words()", Document("a", "the", source="cat")) == []


def test_the_first_of_the_same_stays():
  texts = ["one", "two", "ONE", "one", "two "]
  documents = [Document(f"{n}", text, label=n) for n, text in enumerate(texts)]
  assert [d.id for d in cleaned("deduplicate()", *documents)] == ["0", "1", "2", "4"]
  spec = "lower() | whitespace() | deduplicate()"
  assert [d.id for d in cleaned(spec, *documents)] == ["0", "1"], "the steps before it count"
  pairs = [Document("a", "x", source="1"), Document("b", "x", source="2")]
  assert cleaned("deduplicate()", *pairs, *pairs) == pairs


def jaccard(a, b, size=5):
  a, b = ({text[i : i + size] for i in range(len(text) - size + 1)} for text in (a, b))
  return len(a & b) / len(a | b)


def test_near_copies_go_and_others_stay():
  """Beside the similarity that is counted: what is clearly above goes, what is below stays."""
  pytest.importorskip("datasketch")
  draw = random.Random(0)
  base = ["".join(draw.choices("abcdefgh 我你他", k=200)) for _ in range(20)]
  near = [text[:100] + "X" + text[101:] for text in base]  # five of 196 shingles differ
  far = [text[:145] + "".join(draw.choices("uvwxyz", k=55)) for text in base]
  assert min(map(jaccard, base, near)) > 0.9 and max(map(jaccard, base, far)) < 0.6
  documents = [Document(f"{n}", text) for n, text in enumerate([*base, *near, *far])]
  left = [int(d.id) for d in cleaned("near_deduplicate(threshold=0.7)", *documents)]
  assert left == [*range(20), *range(40, 60)]


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


def test_a_package_that_is_not_there_is_one_line(monkeypatch):
  monkeypatch.setitem(sys.modules, "datasketch", None)
  with pytest.raises(
    UserError, match=r"near_deduplicate\(\) needs the package datasketch; `pip install"
  ):
    cleaned("near_deduplicate()", Document("a", "a"))


@pytest.mark.parametrize(
  "spec, message",
  [
    ("lowr()", r"unknown 'lowr' \(did you mean 'lower'\?\)"),
    ("lower(a=1)", "no argument 'a'; its arguments: none"),
    ("words(language='europian')", r"must be one of auto, european \(did you mean 'european'\?\)"),
    ("lower() words()", "write calls"),
    ("stop_words(language='chinses')", r"auto, english, chinese \(did you mean 'chinese'\?\)"),
    ("length(unit='word')", r"one of characters, words \(did you mean 'words'\?\)"),
    ("length(min=5, max=4)", "min=5, max=4 of length.. leave nothing"),
    ("near_deduplicate(threshold=1.5)", "threshold=1.5 of near_deduplicate.. must be above 0"),
    ("near_deduplicate(shingle=0)", "shingle=0, permutations=128 .* 1 and 2 or more"),
  ],
)
def test_mistakes_are_one_line(spec, message):
  with pytest.raises(UserError, match=message) as caught:
    build_pipeline(spec)
  assert str(caught.value).startswith("config.data.clean") and "\n" not in str(caught.value)
