"""Cleaning through the commands: what a run is given later goes the way of its training text."""

import json

import pytest
from commands import here, result, seqlab

from seqlab.cli import main

CLEAN = "--config.data.clean=lower() | words(language='european')"
TINY = (
  "--config.model.width=16", "--config.model.depth=1", "--config.batch=8", "--config.length=16",
  "--config.data.tokenizer=words(min_count=2)",
)  # fmt: skip


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
  """A run on pairs of captions, cleaned; its flags but for the cleaning."""
  folder = tmp_path_factory.mktemp("clean")
  (folder / "de").write_text("".join(f"Ein Hund, der's kann: {w}!\n" for w in ("RENNT", "Ja") * 30))
  (folder / "en").write_text("".join(f"The dog's {w}.\n" for w in ("RUNNING", "Jumping") * 30))
  data = f"parallel(path='{folder / 'en'}', source='{folder / 'de'}')"
  flags = [
    f"--workdir={folder / 'run'}", *TINY, f"--config.data.source={data}", "--config.steps=20",
    f"--config.data.store={folder / 'store'}", "--config.objective=sequence_to_sequence()",
    "--config.model.name=encoder_decoder", "--config.lr=0.02",
    "--config.data.valid=hash(fraction=0.2, test=0.2)",
  ]  # fmt: skip
  here("train", *flags, CLEAN)
  return folder / "run", data, flags


def told(file):
  lines = [json.loads(line) for line in file.open()]
  return sorted((line["source"], line["reference"]) for line in lines)


def test_sources_and_references_are_cleaned(pairs, capsys):
  run, data, _ = pairs
  clean = {
    ("ein hund , der 's kann : rennt !", "the dog 's running ."),
    ("ein hund , der 's kann : ja !", "the dog 's jumping ."),
  }
  assert main(["generate", f"--workdir={run}", "--beams=1", "--split=test"]) == 0
  assert set(told(run / "generate_test.jsonl")) == clean
  assert main(["generate", f"--workdir={run}", "--beams=1", f"--data={data}"]) == 0
  assert told(run / "generate_data.jsonl") == sorted([*clean] * 30)
  sources = "--source=EIN Hund, der's kann: Rennt!", f"--source={max(clean)[0]}"
  capsys.readouterr()
  assert main(["generate", f"--workdir={run}", "--beams=2", *sources]) == 0
  said = capsys.readouterr().out.splitlines()
  assert said[1:3] == said[4:6] and said[0] != said[3]


def test_other_data_is_cleaned_and_another_cleaning_is_another_run(pairs):
  run, data, flags = pairs
  said = here("evaluate", f"--workdir={run}", f"--data={data}")
  assert "perplexity" in result(run, "data") and "unknown tokens" not in said
  said = here("train", *flags, code=2)
  assert "data.clean: \"lower() | words(language='european')\", now ''" in said


def test_a_prompt_is_cleaned(tmp_path, capsys):
  (tmp_path / "text").write_text("".join("Round AND round it goes.\n" for _ in range(100)))
  run = f"--workdir={tmp_path / 'run'}"
  here(
    "train", run, *TINY, CLEAN, f"--config.data.store={tmp_path / 'store'}",
    f"--config.data.source=text(path='{tmp_path / 'text'}', documents='line')",
    "--config.steps=10", "--config.lr=0.02",
  )  # fmt: skip
  prompts = "--prompt=ROUND  And", "--prompt=SQUARE"
  said = seqlab("sample", run, *prompts, "--tokens=4", "--temperature=0", both=True)
  assert "\nround and" in said and "\nsquare " in said and "never seen 'square'; they" in said
  assert main(["evaluate", run, "--split=test"]) == 2
  assert (
    "--split=test: config.data.valid='hash(fraction=0.1)' of this run makes train and valid"
    in (capsys.readouterr().err)
  )


def test_the_test_split_is_evaluated(pairs, capsys):
  run, *_ = pairs
  assert main(["evaluate", f"--workdir={run}", "--split=test"]) == 0
  assert result(run, "test")["split"] == "test" and "test set" in capsys.readouterr().out
  assert ".test.documents |" in (run / "card.md").read_text()
