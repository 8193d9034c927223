"""Every command as a user runs it: in a process of its own, on a small text, from its flags
alone.
"""

import json
import os
import shutil
import time

import pytest
from commands import here, result, seqlab

from seqlab.cli import COMMANDS
from seqlab.nn.mixers import MIXERS

TEXT = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。\n" * 60 + "the cat sat on the mat.\n" * 60
MINE = """
import flax.linen as nn
from seqlab.nn.layers import weight
from seqlab.nn.mixers import MIXERS, Mixer
from seqlab.ops.dense import dense


class Pointwise(Mixer):
  @nn.compact
  def __call__(self, x_BTD, pos_BT, state=None):
    return dense(x_BTD, weight(self, "w_DF", (x_BTD.shape[-1],) * 2)), state

  def init_state(self, batch, width, capacity, dtype=None):
    return {}


MIXERS["pointwise"] = Pointwise
"""


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
  folder = tmp_path_factory.mktemp("commands")
  (folder / "text.txt").write_text(TEXT, encoding="utf-8")
  (folder / "mine.py").write_text(MINE)
  return folder, [
    f"--config.data.source=text(path='{folder / 'text.txt'}', documents='line')",
    "--config.data.tokenizer=characters()",
    f"--config.data.store={folder / 'data'}",
    "--config.batch=4",
    "--config.length=16",
    "--config.model.width=16",
    "--config.model.depth=2",
    "--config.model.mixer=min_gru() | attention(heads=2)",
  ]


@pytest.fixture(scope="module")
def trained(flags):
  folder, config = flags
  said = seqlab(
    "train", f"--workdir={folder / 'run'}", *config, "--config.steps=60", "--config.lr=0.02",
    "--config.schedule=constant(warmup=5)", "--config.log.profile=20",
  )  # fmt: skip
  assert "step 60/60" in said and "tokens/s" in said and "valid: loss" in said
  return folder / "run"


def test_prepare(flags):
  said = seqlab("prepare", *flags[1])
  assert "sha256" in said and "tokens" in said and "春眠不觉晓" in said


def test_train_leaves_what_a_reader_needs(trained):
  lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
  losses = [line["loss"] for line in lines if "loss" in line]
  assert losses[-1] < 0.5 * losses[0]
  assert any("valid/loss" in line for line in lines)
  card = (trained / "card.md").read_text()
  for said in ("seqlab train", "parameters", "sha256", "cpu", "model.mixer", "bits_per_character"):
    assert said in card
  assert (trained / "tokenizer").is_dir()
  assert list((trained / "tensorboard").glob("events*"))
  assert list((trained / "profile").rglob("*.xplane.pb"))


def test_a_finished_run_is_not_run_again(flags, trained):
  card = (trained / "card.md").read_text()
  said = here(
    "train", f"--workdir={trained}", *flags[1], "--config.steps=60", "--config.lr=0.02",
    "--config.schedule=constant(warmup=5)",
  )  # fmt: skip
  assert "done already" in said
  assert (trained / "card.md").read_text() == card


def test_evaluate_gives_the_same_whatever_the_batch(trained):
  found = []
  for batch, devices in ((0, 1), (3, 1), (7, 3), (0, 3)):
    said = here("evaluate", f"--workdir={trained}", f"--batch={batch}", devices=devices)
    assert "perplexity" in said and "bits per character" in said
    numbers = result(trained).items()
    found.append({name: value for name, value in numbers if isinstance(value, float)})
  assert len(found[0]) == 4
  for other in found[1:]:
    assert other == pytest.approx(found[0], rel=1e-5)
  lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
  last = [line for line in lines if "valid/loss" in line][-1]
  assert found[0]["loss"] == pytest.approx(last["valid/loss"], rel=1e-5)


def test_evaluate_on_another_text(flags, trained):
  other = flags[0] / "other.txt"
  other.write_text("zebra quick fox\n" * 40)
  here("evaluate", f"--workdir={trained}")
  own = result(trained)
  data = f"--data=text(path='{other}', documents='line')"
  said = seqlab("evaluate", f"--workdir={trained}", data)
  assert result(trained, "data")["loss"] > 2 and result(trained) == own
  lines = [line.rsplit(None, 1) for line in said.splitlines() if line.strip()]
  counted = {words[0].strip(): words[-1] for words in lines}
  assert counted["tokens counted"] == str(40 * len("zebra quick fox\n")), "all of it"
  strange = 40 * sum(c not in TEXT for c in "zebra quick fox")
  assert strange and counted["unknown tokens"] == str(strange)


def test_a_run_is_enough_to_sample_and_other_text_is_not_taken_for_its_own(flags, tmp_path):
  _, config = flags
  text = tmp_path / "text.txt"
  text.write_text(TEXT, encoding="utf-8")
  run = tmp_path / "run"
  here(
    "train", f"--workdir={run}", *config, "--config.steps=2",
    f"--config.data.source=text(path='{text}', documents='line')",
    f"--config.data.store={tmp_path / 'store'}",
  )  # fmt: skip
  options = "sample", f"--workdir={run}", "--temperature=0", "--tokens=9", "--prompt=the"
  before = here(*options)
  text.write_text("zyxwvutsrq" + TEXT[::-1], encoding="utf-8")
  assert here(*options) == before
  said = here("evaluate", f"--workdir={run}", code=2)
  assert "no longer what this run was trained on" in said and said.count("\n") == 1
  text.unlink()
  shutil.rmtree(tmp_path / "store")
  assert here(*options) == before
  text.write_text(TEXT, encoding="utf-8")
  here("evaluate", f"--workdir={run}")


def test_sample_of_what_it_has_never_seen(trained):
  options = "sample", f"--workdir={trained}", "--tokens=40", "--temperature=50"
  said = here(*options, "--prompt=the ΩΩ", "--samples=3", both=True)
  assert said.count("the model has never seen 'Ω'") == 1
  assert "\ufffd" not in said, "unknown characters are never drawn"
  assert "never seen" in seqlab(*options, b"--prompt=\xff", both=True)


def test_a_result_that_cannot_be_written(trained):
  (trained / "evaluate_train.json").mkdir()
  said = here("evaluate", f"--workdir={trained}", "--split=train", code=2)
  assert "evaluate_train.json: cannot be written (Is a directory)" in said


def test_a_classifier_keeps_its_classes(flags, tmp_path):
  _, config = flags

  def source(name, rows):
    file = tmp_path / f"{name}.jsonl"
    file.write_text("".join(json.dumps({"text": t, "label": kind}) + "\n" for t, kind in rows))
    return f"jsonl(path='{file}', label='label')"

  words = {"ants": "aaaa", "bees": "bbbb", "cats": "cccc"}
  rows = [(f"{word}{n}", kind) for n in range(60) for kind, word in words.items()]
  run = f"--workdir={tmp_path / 'run'}"
  here(
    "train", run, *config, f"--config.data.source={source('all', rows)}",
    "--config.data.tokenizer=bytes()", "--config.objective=classification()",
    "--config.steps=60", "--config.lr=0.01",
  )  # fmt: skip
  cats = source("cats", [row for row in rows if row[1] == "cats"])
  bees = source("bees", [row for row in rows if row[1] == "bees"])
  here("evaluate", run, f"--data={cats}")
  assert result(tmp_path / "run", "data")["accuracy"] == 1
  said = here("evaluate", run, f"--data={cats} | {bees}", devices=3)
  assert result(tmp_path / "run", "data")["accuracy"] == 1 and "120" in said
  dogs = source("dogs", [("dddd", "dogs"), *rows])
  said = here("evaluate", run, f"--data={dogs}", code=2).splitlines()[-1]
  assert "unknown labels dogs; the classes are ants, bees, cats" in said


def test_lanes_of_a_carried_state_are_those_of_the_run(flags, tmp_path):
  _, config = flags
  here(
    "train", f"--workdir={tmp_path}", *config, "--config.steps=4",
    "--config.objective=language_model(carry=True)", "--config.model.mixer=min_gru()",
  )  # fmt: skip
  found = []
  for devices in (1, 3):
    here("evaluate", f"--workdir={tmp_path}", devices=devices)
    found.append(result(tmp_path)["loss"])
  assert found[0] == pytest.approx(found[1], rel=1e-6)
  assert "config.batch=4 lanes" in here("evaluate", f"--workdir={tmp_path}", "--batch=8", code=2)


def test_sample(trained):
  options = [f"--workdir={trained}", "--prompt=春眠", "--temperature=0", "--tokens=20"]
  said = seqlab("sample", *options)
  assert said.startswith("春眠不觉晓")
  assert here("sample", *options, "--stop=晓").strip() == "春眠不觉"
  several = here("sample", *options, "--prompt=the c", "--samples=2")
  assert several.count("--- ") == 4 and "春眠不觉晓" in several and "the cat" in several


def test_flops_reads_no_text_where_the_tokenizer_needs_none():
  absent = "--config.data.source=text(path='no/such/file')"
  assert "state bytes" in here("flops", absent, "--config.data.tokenizer=bytes()")
  game = "--config.model.name=sequence_gan()", "--config.objective=sequence_adversarial()"
  assert "counts stacks of mixers" in here("flops", absent, *game, code=2)


def test_flops_of_a_task_count_scores_where_answers_are_told():
  task = ["--config.objective=answers()", "--config.length=64", "--config.model.width=16"]
  found = []
  for pairs in (4, 8):
    said = here("flops", *task, f"--config.data.source=mqar(pairs={pairs}, vocab=64)")
    (line,) = (line for line in said.splitlines() if "forward FLOPs" in line)
    found.append(int(line.split()[-1].replace(",", "")))
  ids = 64 + 3  # with the special ones
  assert found[1] - found[0] == 4 * 2 * 16 * ids // 64


def test_flops_of_a_classifier_count_its_head_and_not_the_vocabulary(tmp_path):
  lines = [f"{text}\t{label}" for text, label in (("good", "a"), ("bad", "b"), ("so so", "c"))] * 9
  (tmp_path / "all.csv").write_text("\n".join(["text\tlabel", *lines]).replace("\t", ","))
  shape = ["--config.length=16", "--config.model.width=8", "--config.model.depth=1"]
  encoder = ["--config.model.name=encoder", "--config.model.mixer=min_gru()"]
  found = []
  source = f"--config.data.source=csv(path='{tmp_path / 'all.csv'}', field='text', label='label')"
  for objective in ("masked_language_model()", "classification()"):
    said = here("flops", source, *shape, *encoder, f"--config.objective={objective}")
    (line,) = (line for line in said.splitlines() if "forward FLOPs" in line)
    found.append(int(line.split()[-1].replace(",", "")))
  # scores of 258 ids at each of 16 tokens, or of 3 classes at one place
  assert found[0] - found[1] == 2 * 8 * 258 - 2 * 8 * 3 // 16


def test_flops_of_what_reads_arrays():
  said = here("flops", "--config=experiments/papers/adding.py:lstm", code=2)
  assert "counts stacks of mixers on tokens" in said


def test_flops(flags):
  said = seqlab("flops", *flags[1])
  assert "min_gru()" in said and "attention(heads=2)" in said and "state bytes" in said


@pytest.mark.slow
def test_flops_of_every_mixer():
  said = here("flops", "--all", "--config.model.width=16")
  assert all(f"{name}()" in said for name in MIXERS) and "16,384" in said
  assert "heads=4 does not divide" in here("flops", "--all", "--config.model.width=30", code=2)


def test_check_wants_to_be_told_what_to_check():
  assert "give --all" in here("check", code=2)
  assert "give it alone" in here("check", "--mutants", "--all", code=2)
  said = here("check", "--mixer=attention(heads=3)", code=2)
  assert "heads=3 does not divide the width 16" in said and said.count("\n") == 1


def test_check_proves_a_mixer_of_ones_own_and_names_the_law_that_is_broken(flags):
  mine = flags[0] / "mine.py"
  said = seqlab("check", f"--plugin={mine}")
  assert "pointwise()" in said and "BROKEN" not in said
  mine.write_text(MINE.replace("return dense(x_BTD", "return dense(x_BTD[:, ::-1]"))
  said = seqlab("check", f"--plugin={mine}", code=1)
  assert "causality: the output at time 0 depends on the input at time 11" in said


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_quick_and_shows_an_example(command):
  began = time.process_time(), os.times().children_user
  said = seqlab(*([command] if command else []), "--help")
  assert "example" in said and "seqlab " in said
  assert os.times().children_user - began[1] < 1.0
