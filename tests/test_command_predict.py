"""Classes and tags through the commands: what is printed, what is written, and what is refused."""

import json
import random
import types

import numpy as np
import pytest
from commands import here, seqlab

from seqlab.checkpoint import Checkpoints
from seqlab.data.tags import may_follow
from seqlab.errors import UserError
from seqlab.predictors import predictor
from seqlab.scores.spans import span_scores
from seqlab.stored import read_body

WORDS = {"ants": "aaab", "bees": "bbba", "猫": "ccab"}


def lines(file):
  return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
  folder = tmp_path_factory.mktemp("predict")
  return folder, [
    "--config.model.name=encoder", "--config.model.mixer=gru()", "--config.model.mlp=none()",
    "--config.model.width=32", "--config.model.depth=1", "--config.batch=16", "--config.lr=0.01",
    "--config.schedule=constant(warmup=5)", f"--config.data.store={folder / 'data'}",
    "--config.log.tensorboard=False", "--config.evaluate.every=0",
  ]  # fmt: skip


@pytest.fixture(scope="module")
def tagger(small):
  folder, flags = small
  flags = [
    *flags, "--config.objective=tagging()", "--config.data.tokenizer=bpe(vocab=400)",
    "--config.data.source=entities(sentences=400)", "--config.length=80",
    "--config.data.valid=entities(sentences=60, part='held_out')",
  ]  # fmt: skip
  here("train", f"--workdir={folder / 'tagger'}", *flags, "--config.steps=60")
  return folder / "tagger", flags


@pytest.fixture(scope="module")
def classifier(small):
  folder, flags = small
  draw = random.Random(0)
  rows = [(draw.choice(list(WORDS)), n) for n in range(240)]
  (folder / "rows.jsonl").write_text(
    "".join(
      json.dumps(dict(text="".join(draw.choices(WORDS[kind], k=6)), label=kind)) + "\n"
      for kind, _ in rows
    )
  )
  flags = [
    *flags, "--config.objective=classification()", "--config.length=16",
    f"--config.data.source=jsonl(path='{folder / 'rows.jsonl'}', label='label')",
  ]  # fmt: skip
  flags.append("--config.checkpoint.metric=accuracy")
  here("train", f"--workdir={folder / 'classifier'}", *flags, "--config.steps=40")
  return folder / "classifier", folder


def test_tags_of_a_set(tagger):
  run, _ = tagger
  told = here("predict", f"--workdir={run}")
  found = lines(run / "predict_valid.jsonl")
  assert len(found) == 60 and found[0].keys() == {"words", "tags", "predicted"}
  scores = span_scores([f["predicted"] for f in found], [f["tags"] for f in found])
  assert scores.f1 > 0.5 and f"{100 * scores.f1:.2f} [" in told
  for name in ("span f1 of ORG", "span recall", "accuracy of tags", "exact match"):
    assert name in told
  for tags in (f["predicted"] for f in found):
    assert all(map(may_follow, [None, *tags], tags))
  here("evaluate", f"--workdir={run}")
  told = json.loads((run / "evaluate_valid.json").read_text())
  assert "perplexity" not in told and told["accuracy"] > 0.6


def test_tags_are_compared_with_another_systems(tagger):
  run, _ = tagger
  here("predict", f"--workdir={run}")
  other = run / "other.jsonl"
  found = lines(run / "predict_valid.jsonl")
  nothing = [dict(f, predicted=["O"] * len(f["words"])) for f in found]
  other.write_text("".join(json.dumps(line) + "\n" for line in nothing))
  told = here("predict", f"--workdir={run}", f"--against={other}")
  scores = span_scores([f["predicted"] for f in found], [f["tags"] for f in found])
  (row,) = (
    line for line in told.splitlines() if line.split()[:2] == ["span", "f1"] and "of" not in line
  )
  assert row.count(f"{100 * scores.f1:.2f} [") == 2, "the other's F1 is 0"
  other.write_text("".join(json.dumps(line) + "\n" for line in nothing[1:]))
  told = here("predict", f"--workdir={run}", f"--against={other}", code=2)
  assert "other.jsonl: of other examples than these 60" in told
  other.write_text("{}\n")
  told = here("predict", f"--workdir={run}", f"--against={other}", code=2)
  assert "not what `seqlab predict` writes" in told


def test_tags_of_texts_and_of_files(tagger, small):
  run, (folder, _) = tagger[0], small
  told = seqlab(
    "predict", f"--workdir={run}", "--text=Dr. Marden lives.", "--text=so", b"--text=\xff"
  )
  first, second, third, *_ = told.split("\n\n")
  assert [line.split()[0] for line in first.splitlines()] == ["Dr", ".", "Marden", "lives", "."]
  assert second.split()[0] == "so" and third.split()[0] == "?"
  (folder / "a.conll").write_text("Dr. B-PER\nMarden I-PER\nlives O\n\nso O\n")
  told = here("predict", f"--workdir={run}", f"--data=conll(path='{folder / 'a.conll'}')")
  assert "2 texts" in told and "span f1" in told
  (folder / "a.txt").write_text("Dr. Marden lives")
  told = here("predict", f"--workdir={run}", f"--data=text(path='{folder / 'a.txt'}')")
  assert "1 texts" in told and "span f1" not in told
  (line,) = lines(run / "predict_data.jsonl")
  assert line["words"] == ["Dr", ".", "Marden", "lives"] and line["tags"] is None
  (folder / "a.conll").write_text("Dr. B-TITLE\n")
  data = f"--data=conll(path='{folder / 'a.conll'}')"
  told = here("predict", f"--workdir={run}", data, code=2)
  assert "a.conll#0: unknown tag 'B-TITLE'; known are B-LOC, B-ORG" in told
  told = here("evaluate", f"--workdir={run}", data, code=2)
  assert "unknown labels B-TITLE; the classes are B-LOC" in told
  told = here("predict", f"--workdir={run}", f"--text={'word ' * 90}", code=2)
  assert "tokens; at most 79 are wanted" in told and told.count("\n") == 1


def test_classes_of_a_set_with_the_table_and_the_picture(classifier):
  run, _ = classifier
  told = here("predict", f"--workdir={run}")
  found = lines(run / "predict_valid.jsonl")
  assert found[0].keys() == {"text", "label", "predicted", "probabilities"}
  for f in found:
    assert sum(f["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert f["predicted"] == max(f["probabilities"], key=f["probabilities"].get)
  right = np.mean([f["label"] == f["predicted"] for f in found])
  assert right > 0.6 and f"{100 * right:.2f} [" in told and "macro f1" in told and "auroc" in told
  (row,) = (line.split() for line in told.splitlines() if line.split()[:1] == ["猫"])
  assert sum(map(int, row[1:])) == sum(f["label"] == "猫" for f in found)
  assert (run / "confusion_valid.png").read_bytes().startswith(b"\x89PNG")
  here("evaluate", f"--workdir={run}")
  again = json.loads((run / "evaluate_valid.json").read_text())["accuracy"]
  assert again == pytest.approx(right), "a row of predict is a row of training"
  texts = ("aaaa", "b" * 15, "b" * 15 + "c" * 9)
  told = here("predict", f"--workdir={run}", *(f"--text={text}" for text in texts))
  ants, bees, longer = (told.splitlines()[i : i + 4] for i in (0, 4, 8))
  assert ants[0] == "aaaa" and "ants" in ants[1]
  assert bees[1:] == longer[1:], "cut as in training"
  assert here("predict", f"--workdir={run}", f"--against={run / 'predict_valid.jsonl'}")


def test_the_best_may_be_the_most_accurate(classifier):
  checkpoints = Checkpoints(classifier[0] / "checkpoints")
  checkpoints.close()
  body = read_body(checkpoints.directory / str(checkpoints.latest))
  assert body["metric"] == "accuracy" and body["metrics"].keys() >= {"loss", "accuracy"}


def test_what_is_no_class(classifier):
  run, folder = classifier
  (folder / "dogs.jsonl").write_text(json.dumps(dict(text="dddd", label="dogs")) + "\n")
  data = f"--data=jsonl(path='{folder / 'dogs.jsonl'}', label='label')"
  told = here("predict", f"--workdir={run}", data, code=2)
  assert "dogs.jsonl#0: unknown label 'dogs'; known are ants, bees, 猫" in told
  told = here("predict", f"--workdir={run}", "--text= ", code=2)
  assert "--text=' ': is empty" in told


@pytest.fixture(scope="module")
def letters(small):
  """Texts, the letters in them as labels, and how many a's they have."""
  folder, flags = small
  draw, rows = random.Random(1), []
  for _ in range(300):
    text = "".join(draw.choices("abcd", weights=(3, 1, 1, 5), k=5))
    rows.append(f"{text},{' | '.join(c for c in 'abc' if c in text)},{text.count('a') / 2}\n")
  (folder / "letters.csv").write_text("text,letters,half\n" + "".join(rows))
  return folder, [*flags, "--config.length=8", f"--config.data.store={folder / 'letters'}"]


def test_sets_of_classes(letters):
  folder, flags = letters
  run, source = folder / "sets", f"csv(path='{folder / 'letters.csv'}', label='letters')"
  flags = [*flags, "--config.objective=multi_label_classification(separator='|')"]
  told = here(
    "train", f"--workdir={run}", *flags, "--config.steps=80", f"--config.data.source={source}"
  )
  told = here("predict", f"--workdir={run}")
  found = lines(run / "predict_valid.jsonl")
  exact = np.mean([line["labels"] == line["predicted"] for line in found])
  assert exact > 0.7 and f"{100 * exact:.2f} [" in told and "micro f1" in told
  assert {name for line in found for name in line["labels"]} == {"a", "b", "c"}
  here("evaluate", f"--workdir={run}")
  again = json.loads((run / "evaluate_valid.json").read_text())
  assert again["exact_match"] == pytest.approx(exact) and "perplexity" not in again
  (folder / "few.csv").write_text("text,letters\naab,a|b\nccc,c\nddd,\nabc,c|b|a\n")
  few = f"csv(path='{folder / 'few.csv'}', label='letters')"
  here("evaluate", f"--workdir={run}", f"--data={few}")
  assert json.loads((run / "evaluate_data.json").read_text())["exact_match"] > 0.4
  (folder / "few.csv").write_text("text,letters\naab,a|z\nb,b\n")
  for command in ("evaluate", "predict"):
    told = here(command, f"--workdir={run}", f"--data={few}", code=2)
    assert "unknown label 'z'" in told and "a, b, c" in told


def test_numbers(letters):
  folder, flags = letters
  run, source = folder / "numbers", f"csv(path='{folder / 'letters.csv'}', label='half')"
  flags = [*flags, "--config.objective=regression()"]
  told = here(
    "train", f"--workdir={run}", *flags, "--config.steps=120", f"--config.data.source={source}"
  )
  told = here("predict", f"--workdir={run}")
  found = lines(run / "predict_valid.jsonl")
  error = np.mean([(line["label"] - line["predicted"]) ** 2 for line in found])
  assert error < 0.1 and "pearson" in told
  (folder / "new.csv").write_text("text,half\naadd,1.25\ndddd,-3\n")
  new = f"--data=csv(path='{folder / 'new.csv'}', label='half')"
  here("predict", f"--workdir={run}", new)
  here("evaluate", f"--workdir={run}", new)
  found = lines(run / "predict_data.jsonl")
  error = np.mean([(line["label"] - line["predicted"]) ** 2 for line in found])
  loss = json.loads((run / "evaluate_data.json").read_text())["loss"]
  assert loss == pytest.approx(error, rel=1e-3) and [f["label"] for f in found] == [1.25, -3]
  assert float(here("predict", f"--workdir={run}", "--text=aaaa").split()[0]) > 1
  named = source.replace("half", "letters")
  changes = [f"--config.data.source={named}", f"--workdir={folder / 'none'}"]
  told = here("train", *flags, *changes, code=2)
  assert "is no number" in told


@pytest.mark.parametrize(
  "writes, advice",
  [
    ("continuations", "see `seqlab sample`"),
    ("targets", "see `seqlab generate`"),
    ("", "fine-tune"),
  ],
)
def test_what_predict_is_not_for(writes, advice):
  objective = types.SimpleNamespace(writes=writes)
  config = types.SimpleNamespace(objective="its_call()")
  run = types.SimpleNamespace(folder="runs/x", objective=objective, config=config)
  with pytest.raises(UserError, match=f"predicts nothing of an example; {advice}"):
    predictor(run)


def test_objectives_and_sources_that_do_not_go_together(tagger, classifier, small):
  _, tags = tagger
  folder, _ = small

  def refused(*changes):
    return here("train", f"--workdir={folder / 'none'}", *tags, *changes, code=2)

  text = f"--config.data.source=jsonl(path='{folder / 'rows.jsonl'}', label='label')"
  hashed = "--config.data.valid=hash()"
  assert "the source has no tags; use conll(path=…)" in refused(text, hashed)
  told = refused("--config.objective=classification()")
  assert "the source has tags of words, no classes; name the column" in told
  assert "config.length=16: the longest text has" in refused("--config.length=16")
  told = refused("--config.model.name=encoder_decoder")
  assert "tagging() trains 'decoder' or 'encoder' or 'dilated_cnn'" in told
  assert "crf=3 of tagging() is not True or False" in refused("--config.objective=tagging(crf=3)")


def test_what_is_wrong_with_data_is_said_of_data(classifier, small):
  run, folder = classifier[0], small[0]
  for data, told in {
    f"csv(path='{folder / 'nope.csv'}')": "matches no file",
    f"jsonl(path='{folder / 'rows.jsonl'}', label='lable')": "label='lable' is no column",
    "idx(path='images.gz')": "the run was trained on",
  }.items():
    line = here("predict", f"--workdir={run}", f"--data={data}", code=2).splitlines()[-1]
    assert line.startswith("seqlab: --data") and told in line
