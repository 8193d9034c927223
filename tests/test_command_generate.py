"""Sequence to sequence and masked language models through the commands, each in its own process."""

import json
import random

import numpy as np
import pytest
from commands import here, result, seqlab

from seqlab import maps, pictures
from seqlab.cli import main

WORDS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four", "猫": "cat"}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
  """Words to be translated one by one, in reverse order."""
  folder, draw = tmp_path_factory.mktemp("generate"), random.Random(0)
  texts = [draw.choices(list(WORDS), k=draw.randint(1, 4)) for _ in range(300)]
  (folder / "de").write_text("".join(" ".join(text) + "\n" for text in texts), "utf-8")
  (folder / "en").write_text("".join(" ".join(map(WORDS.get, t[::-1])) + "\n" for t in texts))
  return folder, [
    f"--config.data.source=parallel(path='{folder / 'en'}', source='{folder / 'de'}')",
    "--config.data.tokenizer=bpe(vocab=290)",
    f"--config.data.store={folder / 'data'}",
    "--config.objective=sequence_to_sequence(label_smoothing=0.05)",
    "--config.model.name=encoder_decoder",
    "--config.model.width=32",
    "--config.model.depth=1",
    "--config.batch=16",
    "--config.length=24",
  ]


@pytest.fixture(scope="module")
def trained(config):
  folder, flags = config
  run = f"--workdir={folder / 'run'}"
  here("train", run, *flags, "--config.steps=300", "--config.lr=0.01")
  return folder / "run"


def test_what_is_written_from_sources(trained):
  said = seqlab(
    "generate", f"--workdir={trained}", "--source=eins zwei 猫", "--source=vier", "--beams=2"
  ).splitlines()
  assert said[0] == "eins zwei 猫" and said[1].split() == [said[1].split()[0], "cat", "two", "one"]
  assert said[3] == "vier" and said[4].endswith("four") and len(said) == 6
  assert float(said[4].split()[0]) >= float(said[5].split()[0])


def test_the_scores_of_a_set(trained):
  said = here("generate", f"--workdir={trained}")
  lines = [json.loads(line) for line in (trained / "generate_valid.jsonl").read_text().splitlines()]
  right = sum(line["written"] == line["reference"] for line in lines) / len(lines)
  assert right > 0.9 and f"{100 * right:.2f}" in said
  assert all(name in said for name in ("tok:13a", "bleu", "chrf", "rougeL", "exact match"))
  assert "distinct-2" in said and "repetition-4" in said
  greedy = trained / "greedy.jsonl"
  (trained / "generate_valid.jsonl").rename(greedy)
  said = here("generate", f"--workdir={trained}", "--beams=1", f"--against={greedy}")
  assert "less the other's" in said
  lacking = trained / "lacking.jsonl"
  lacking.write_text(greedy.read_text().replace('"written"', '"said"'))
  said = here("generate", f"--workdir={trained}", f"--against={lacking}", code=2)
  assert "lacking.jsonl: not what `seqlab generate` writes" in said
  greedy.write_text(greedy.read_text().replace("one", "two"))
  said = here("generate", f"--workdir={trained}", f"--against={greedy}", code=2)
  assert "greedy.jsonl: of other examples than these" in said


def test_evaluate_counts_the_target_alone(config, trained):
  _, flags = config
  said = here("evaluate", f"--workdir={trained}")
  assert "bits per byte" in said and "tokens counted" in said
  once = result(trained)["loss"]
  here("evaluate", f"--workdir={trained}", "--batch=5", devices=3)
  assert result(trained)["loss"] == pytest.approx(once, rel=1e-5)
  source = flags[0].partition("=")[2]
  here("evaluate", f"--workdir={trained}", f"--data={source}")
  assert result(trained, "data")["perplexity"] < 1.5


def test_what_was_looked_at_is_drawn(trained, capsys):
  """The words go in reverse order, so each looks at its own from the other end."""
  layers = []

  def drawn(found, rows, columns):
    layers.append(found)
    assert columns[0] == rows[-1] == "<end>"
    return attention(found, rows, columns)

  def best(run, sources, beams, penalty):  # what `generate` writes, whose test it has
    assert sources == ["eins drei"]
    yield 0, [("three one", -0.1), ("one", -3.0)]

  attention = pictures.attention
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(pictures, "attention", drawn)
    patch.setattr(maps, "written", best)
    told = ["attention", f"--workdir={trained}", "--source=eins drei"]
    assert main(told) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].strip() == "three one" and said[2] == f"picture: {trained / 'attention_1.png'}"
    assert main([*told, "--source=vier 猫", "--text=three one", "--text=one"]) == 0
    assert capsys.readouterr().out.splitlines()[4].strip() == "one"
  assert (trained / "attention_2.png").read_bytes().startswith(b"\x89PNG")
  np.testing.assert_allclose(layers[0]["layer 0"].sum(-1), 1, atol=1e-4)
  np.testing.assert_allclose(layers[1]["layer 0"], layers[0]["layer 0"], atol=1e-4)
  assert main([*told[:2], "--text=one"]) == 2
  assert "--source=TEXT is wanted" in capsys.readouterr().err
  assert main([*told, "--text=a", "--text=b"]) == 2
  assert "2 texts for 1 sources" in capsys.readouterr().err


def test_what_does_not_fit_says_so(config, trained):
  folder, flags = config
  run = f"--workdir={folder / 'none'}"
  said = here("train", run, *flags, "--config.model.name=decoder", code=2)
  assert "config.model.name='decoder': sequence_to_sequence() trains 'encoder_decoder'" in said
  said = here("train", run, *flags, "--config.objective=language_model()", code=2)
  assert "config.model.name='encoder_decoder': language_model() trains 'decoder'" in said
  said = here("train", run, *flags, "--config.length=4", code=2)
  assert "config.length=4: the longest side of a pair has" in said
  said = here("generate", f"--workdir={trained}", f"--source={'eins ' * 40}", code=2)
  assert "tokens; 1 to 23 are wanted" in said
  said = here("generate", f"--workdir={trained}", f"--data=text(path='{folder / 'en'}')", code=2)
  assert "holds no pairs; name the other side with source='…'" in said
  assert "four" in here("generate", f"--workdir={trained}", "--source=vier", b"--source=eins \xff")
  was = (folder / "en").read_text()
  (folder / "en").write_text(was.replace("one", "ONE"))
  said = here("generate", f"--workdir={trained}", code=2)
  (folder / "en").write_text(was)
  assert "is no longer what this run was trained on" in said
  said = here("sample", f"--workdir={trained}", code=2)
  assert "writes no text" in said


def test_a_masked_language_model_lends_its_encoder_to_a_classifier(tmp_path):
  draw = random.Random(1)
  rows = [
    dict(text="".join(draw.choices("abcde" if kind else "vwxyz", k=12)), kind=kind)
    for kind in (0, 1) * 150
  ]
  (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  source = f"--config.data.source=jsonl(path='{tmp_path / 'rows.jsonl'}'"
  flags = [
    "--config.model.name=encoder", "--config.model.width=16", "--config.model.depth=2",
    "--config.model.mixer=attention(heads=2) | min_gru()", "--config.length=16",
    f"--config.data.store={tmp_path / 'data'}", "--config.lr=0.01",
  ]  # fmt: skip
  said = here(
    "train", f"--workdir={tmp_path / 'masked'}", *flags, f"{source})", "--config.steps=80",
    "--config.objective=masked_language_model(rate=0.2)", "--config.data.rows=packed",
  )  # fmt: skip
  assert "perplexity" in said and "bits_per_byte" not in said
  here("evaluate", f"--workdir={tmp_path / 'masked'}")
  once = result(tmp_path / "masked")
  assert once["perplexity"] < 12, "the tokens of a row's other kind are ruled out"
  here("evaluate", f"--workdir={tmp_path / 'masked'}", "--batch=3")
  assert result(tmp_path / "masked")["loss"] == pytest.approx(once["loss"], rel=1e-5)
  said = here(
    "train", f"--workdir={tmp_path / 'tuned'}", *flags, f"{source}, label='kind')",
    "--config.objective=classification()", "--config.steps=20",
    f"--config.init.path={tmp_path / 'masked'}",
  )  # fmt: skip
  assert "accuracy 1.0000" in said and "leaves from" in said
