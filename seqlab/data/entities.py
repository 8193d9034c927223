"""A small corpus of tagged names that is made up: `entities(language="en")` or "zh".

A name is drawn from syllables (characters in Chinese) and stands in a sentence as a person (PER), a
place (LOC) or an organisation (ORG). The same bare stem may be any of the three, and the stems and
sentences of `part="held_out"` are in no other part: what tells a name's type is the words around
it, often those behind it, so that no list of names gets far.
"""

import dataclasses
import hashlib
import random
import re
from collections.abc import Iterator, Mapping

from seqlab.data.documents import Document, Source
from seqlab.data.files import identify
from seqlab.data.tags import tagged_document
from seqlab.errors import UserError, nearest

PARTS = ("train", "held_out")
_VERSION = 1  # of the sentences: a change makes another corpus


def entities(
  config_key: str,
  sentences: int = 2000,
  language: str = "en",
  part: str = "train",
  seed: int = 0,
) -> Source:
  """Made-up sentences with the BIO tags of their names; English words or Chinese characters."""
  for name, value, known in (("language", language, LANGUAGES), ("part", part, PARTS)):
    if value not in known:
      raise UserError(
        f"{config_key}: {name}={value!r} of entities() must be one of {', '.join(known)}"
        f"{nearest(value, known)}"
      )
  if sentences < 1:
    raise UserError(f"{config_key}: sentences={sentences} of entities() must be 1 or more")

  def documents() -> Iterator[Document]:
    draw, of = random.Random(f"{seed} {language} {part}"), LANGUAGES[language]
    for number in range(sentences):
      words, tags = _sentence(draw, of, part)
      yield tagged_document(f"{part}-{seed}#{number}", words, tags, of.between)

  given = ("entities", _VERSION, sentences, language, part, seed)
  return Source(identify(given), documents)


@dataclasses.dataclass(frozen=True)
class Language:
  """What sentences are made of: one clause, or two with a joint between. For each slot (PER, N) a
  form or a filler is drawn; in a form, * is a stem of syllables and @ a given name. Half of the
  forms are the bare stem.

  words: a regular expression of what has a tag of its own.
  """

  between: str
  words: str
  syllables: tuple[str, ...]
  given: tuple[str, ...]
  forms: Mapping[str, tuple[str, ...]]
  fillers: Mapping[str, tuple[str, ...]]
  clauses: Mapping[str, tuple[str, ...]]
  joints: tuple[str, ...]
  end: str


def _sentence(draw: random.Random, of: Language, part: str) -> tuple[list[str], list[str]]:
  words: list[str] = []
  tags: list[str] = []
  said = [draw.choice(of.clauses[part])]
  if draw.random() < 0.5:
    said += [draw.choice(of.joints), draw.choice(of.clauses[part])]
  for place in re.findall(of.words, of.between.join([*said, of.end])):
    if place in of.forms:
      form = draw.choice(of.forms[place])
      name = re.sub(
        r"[*@]", lambda m: _stem(draw, of, part) if m[0] == "*" else draw.choice(of.given), form
      )
      found = re.findall(of.words, name)
      tags += [f"B-{place}", *[f"I-{place}"] * (len(found) - 1)]
    else:
      found = re.findall(of.words, draw.choice(of.fillers.get(place, (place,))))
      tags += ["O"] * len(found)
    words += found
  return words, tags


def _stem(draw: random.Random, of: Language, part: str) -> str:
  """A stem of this part: a fifth of all stems, by their hash, are held out."""
  while True:
    stem = "".join(draw.choices(of.syllables, k=draw.choice((2, 2, 3)))).capitalize()
    held = hashlib.sha256(stem.encode()).digest()[0] < 256 // 5
    if held == (part == "held_out"):
      return stem


ENGLISH = Language(
  between=" ",
  words=r"\S+",
  syllables=(
    *("al", "an", "ar", "bel", "ber", "bor", "cal", "dar", "del", "den", "dor", "el", "en", "fal"),
    *("far", "gan", "gor", "hal", "har", "hol", "kar", "ken", "kil", "lan", "lin", "lor", "mal"),
    *("mar", "mer", "mil", "nor", "or", "pel", "ral", "ran", "ros", "sal", "san", "sel", "sor"),
    *("tal", "tar", "tol", "val", "var", "ven", "wel", "wes", "wil"),
  ),
  given=(
    *("Anna", "Ben", "Carla", "David", "Emma", "Frank", "Grace", "Henry", "Iris", "Jack", "Karen"),
    *("Leo", "Maria", "Nina", "Oscar", "Paul", "Rosa", "Sam", "Tom", "Vera"),
  ),
  forms={
    "PER": ("*", "*", "*", "@ *", "@ *", "Dr. *"),
    "LOC": ("*", "*", "*", "New *", "* Bay", "Port *"),
    "ORG": ("*", "*", "*", "* Group", "* & *", "Bank of *"),
  },
  fillers={
    "N": ("three", "forty", "900", "12,000", "two hundred"),
    "M": ("January", "March", "May", "June", "August", "October"),
    "J": ("teacher", "lawyer", "painter", "doctor", "farmer"),
    "G": ("shoes", "engines", "software", "paper", "cheese"),
  },
  clauses={
    "train": (
      "PER lives in LOC",
      "PER was born in LOC in M",
      "PER works for ORG as a J",
      "LOC lies on a river and has N inhabitants",
      "ORG makes G and has N workers",
      "in M , ORG hired PER",
      "the mayor of LOC is called PER",
      "shares of ORG fell after PER left",
      "PER , a J from LOC , sold a house to ORG",
      "ORG opened an office near LOC",
      "PER and PER flew from LOC to LOC",
      "nobody in LOC had heard of ORG",
      "PER told the board of ORG that LOC was too far",
      "it rained in LOC when PER met ORG 's lawyers",
      "LOC , ORG and PER were in the news",
      "PER , who makes G , is N years old",
      "ORG , which makes G , is N years old",
      "LOC , where G come from , is N years old",
      "we wrote to PER , who never answered",
      "we wrote to ORG , which never answered",
    ),
    "held_out": (
      "in M , PER left LOC and works for ORG",
      "ORG has N workers in LOC",
      "the board of ORG met PER , who was born in LOC",
      "LOC , where PER lives , lies on a river",
      "PER , who works for ORG , flew to LOC",
      "ORG , which has an office in LOC , hired PER and PER",
      "PER is a J and lives near LOC",
      "we met PER , who is N years old",
      "we met lawyers of ORG , which makes G",
      "it rained in LOC , where ORG makes G",
    ),
  },
  joints=(",", ", and", ", while", ";"),
  end=".",
)

CHINESE = Language(
  between="",
  words="PER|LOC|ORG|.",
  syllables=tuple("安白宝长成大丰高广海和红华江金康兰林龙梅明南宁平青荣石天文武西新兴阳永云中"),
  given=tuple("王李张刘陈杨赵黄周吴徐孙"),
  forms={
    "PER": ("*", "*", "*", "@*", "@*", "老@"),
    "LOC": ("*", "*", "*", "*市", "*县", "*镇"),
    "ORG": ("*", "*", "*", "*公司", "*银行", "*集团"),
  },
  fillers={
    "N": ("三", "四十", "九百", "一万二千"),
    "M": ("一月", "三月", "五月", "八月", "十月"),
    "J": ("教师", "律师", "画家", "医生", "农民"),
    "G": ("鞋子", "机器", "软件", "纸张", "面包"),
  },
  clauses={
    "train": (
      "PER住在LOC",
      "PER于M出生在LOC",
      "PER在ORG当J",
      "LOC位于河边，有N名居民",
      "ORG生产G，有N名员工",
      "M，ORG聘请了PER",
      "LOC的市长名叫PER",
      "PER离开后，ORG的股票下跌了",
      "来自LOC的JPER把房子卖给了ORG",
      "ORG在LOC附近开了一家分店",
      "PER和PER从LOC飞往LOC",
      "在LOC没有人听说过ORG",
      "PER告诉ORG的董事会，LOC太远了",
      "PER见到ORG的律师时，LOC正在下雨",
      "LOC、ORG和PER都上了新闻",
      "PER今年N岁，会做G",
      "ORG成立N年了，生产G",
      "LOC建城N年了，盛产G",
      "我们给PER写了信，他没有回答",
      "我们给ORG写了信，董事会没有回答",
    ),
    "held_out": (
      "M，PER离开LOC，在ORG当J",
      "ORG在LOC有N名员工",
      "ORG的董事会见到了PER，他出生在LOC",
      "PER住在LOC，那里位于河边",
      "PER从ORG飞往LOC",
      "ORG在LOC开了一家分店，聘请了PER和PER",
      "PER是J，住在LOC附近",
      "我们见到了PER，他今年N岁",
      "我们见到了ORG的律师，那里生产G",
      "LOC正在下雨，ORG的股票下跌了",
    ),
  },
  joints=("，", "，而", "，同时", "；"),
  end="。",
)

LANGUAGES = {"en": ENGLISH, "zh": CHINESE}
