"""What a user does wrong: one line with the key, the value and what would be right; exit code 2.

Each mistake goes through the command as a user gives it. Lines that begin with "data: " say what
was prepared before the mistake showed and are no part of it.
"""

import errno
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from seqlab.cli import main

TINY = {
  "steps": 1, "batch": 8, "length": 8, "model.width": 8, "model.depth": 1, "model.mlp": "none()",
  "model.mixer": "min_gru()", "log.tensorboard": False, "evaluate.batches": 1,
  "data.valid": "tail()",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("errors")
  (folder / "text.txt").write_text("".join(f"{n} green bottles\n" for n in range(100)))
  (folder / "short.txt").write_text("ab")
  (folder / "empty.txt").write_text("")
  return folder


def flags_of(folder, text="text.txt", **config):
  given = {
    **TINY,
    "data.source": f"text(path={str(folder / text)!r})",
    "data.store": folder / "store",
    **{key.replace("__", "."): value for key, value in config.items()},
  }
  return [f"--config.{key}={value}" for key, value in given.items()]


@pytest.fixture
def mistake(folder, capsys, tmp_path):
  """Trains with a mistake and returns the line that says so."""

  def line_of(*more, workdir=None, **config):
    workdir = workdir or tmp_path / "run"
    code = main(["train", *flags_of(folder, **config), f"--workdir={workdir}", *map(str, more)])
    return the_line(code, capsys.readouterr().err)

  return line_of


def the_line(code, stderr):
  lines = [line for line in stderr.splitlines() if not line.startswith("data: ")]
  assert code == 2, stderr
  assert len(lines) == 1 and lines[0].startswith("seqlab: "), stderr
  assert "Traceback" not in stderr and not lines[0].endswith(": ")
  return lines[0].removeprefix("seqlab: ")


@pytest.fixture(scope="module")
def trained(folder):
  """A run of one step."""
  workdir = folder / "trained"
  assert main(["train", *flags_of(folder), f"--workdir={workdir}"]) == 0
  return workdir


def test_an_unknown_key_names_the_nearest(mistake):
  line = mistake("--config.model.widht=64")
  assert "unknown key config.model.widht" in line and "'model.width'" in line
  assert "config.model" in mistake("--config.model=3") and "model.width" in mistake(
    "--config.model=3"
  )


@pytest.mark.parametrize("written", ["config.lr=3", "-config.lr=3"])
def test_missing_dashes(mistake, written):
  line = mistake(written)
  assert written in line and "write --config.lr=3" in line


def test_unknown_flags_and_commands(mistake, capsys):
  assert "--wrkdir" in mistake("--wrkdir=x") and "--workdir" in mistake("--wrkdir=x")
  line = the_line(main(["trian"]), capsys.readouterr().err)
  assert "'trian'" in line and "'train'" in line
  line = the_line(main(["train"]), capsys.readouterr().err)
  assert "--workdir" in line


@pytest.mark.parametrize(
  ("key", "value", "wanted"),
  [
    ("steps", "ten", "a whole number"),
    ("steps", "1.5", "a whole number"),
    ("steps", "True", "a whole number"),
    ("lr", "fast", "a number"),
    ("model.tied", "1", "True or False"),
    ("rates", "3", "a tuple"),
  ],
)
def test_a_value_of_another_type(mistake, key, value, wanted):
  line = mistake(f"--config.{key}={value}")
  assert f"config.{key}=" in line and value in line and wanted in line


@pytest.mark.parametrize(
  ("given", "said"),
  [
    (
      ["--config.batch", "4"],
      "--config.batch 4: an equals sign is missing; write --config.batch=4",
    ),
    (["--config.lr", "-1"], "write --config.lr=-1"),
    (["--config.batch"], "--config.batch: a value is missing"),
    (["--conifg=x"], "--conifg=x: unknown argument (did you mean '--config'?)"),
  ],
)
def test_an_override_without_its_equals_sign(mistake, given, said):
  assert said in mistake(*given)


@pytest.mark.parametrize(
  ("command", "flag", "wanted"),
  [
    ("sample", "--seed=-1", "from 0 to 4294967295"),
    ("sample", "--seed=4294967296", "from 0 to 4294967295"),
    ("sample", "--seed=x", "from 0 to 4294967295"),
    ("evaluate", "--batch=-1", "of 0 or more"),
  ],
)
def test_a_flag_out_of_range(command, flag, wanted, tmp_path, capsys):
  line = the_line(main([command, f"--workdir={tmp_path}", flag]), capsys.readouterr().err)
  name, _, value = flag.partition("=")
  assert f"{name}: {value!r}: a whole number {wanted} is wanted" in line


@pytest.mark.parametrize("value", ["0", "-4"])
@pytest.mark.parametrize("key", ["steps", "batch", "length", "accumulate", "inner_steps"])
def test_a_size_that_is_not_positive(mistake, key, value):
  line = mistake(f"--config.{key}={value}")
  assert f"config.{key}={value}" in line and "positive" in line


@pytest.mark.parametrize(
  ("key", "value", "wanted"),
  [
    *[("lr", "0.0", "positive"), ("lr", "-1.0", "positive"), ("lr", "inf", "positive")],
    *[("model.width", "0", "positive"), ("model.depth", "0", "positive")],
    *[("checkpoint.keep", "0", "positive"), ("log.every", "0", "positive")],
    *[(key, "-1", "0 or more") for key in ("model.unroll", "evaluate.batches", "evaluate.every")],
    *[(key, "-1", "0 or more") for key in ("checkpoint.every", "checkpoint.best", "log.profile")],
    *[("decay", "-0.1", "0 or more"), ("clip", "-1.0", "0 or more"), ("clip", "inf", "0 or more")],
    *[("ema", "1.0", "below 1"), ("ema", "-0.1", "below 1"), ("model.dropout", "1.0", "below 1")],
    *[("seed", "-1", "from 0 to 4294967295"), ("seed", "4294967296", "from 0 to 4294967295")],
  ],
)
def test_a_number_out_of_range(mistake, key, value, wanted):
  line = mistake(f"--config.{key}={value.replace('inf', '1e999')}")
  assert f"config.{key}={value}: " in line and wanted in line


@pytest.mark.parametrize(
  ("given", "said"),
  [
    ("rates=('V', 0.1)", "((selector, factor), ...) is wanted"),
    ("rates=('V', 0.1)", "a comma is missing: (('V', 0.1),)"),
    ("rates=(('V', 'x'),)", "('V', 'x') is not (selector, factor), such as ('V', 0.1)"),
    ("rates=((3, 0.1),)", "(3, 0.1) is not (selector, factor)"),
    ("rates=(('V', -1),)", "('V', -1) is to be 0 or more"),
    ("rates=(('V', 1, 2),)", "((selector, factor), ...) is wanted"),
    ("plugins=(3,)", "config.plugins=(3,): names of Python files are wanted"),
    ("plugins=('no_such.py',)", "no_such.py fails with FileNotFoundError: no such Python file"),
    ("plugins=a.py", "config.plugins='a.py' is not a tuple, such as ('mine.py',)"),
    ("axes=('K', 'tensor')", "a comma is missing: (('K', 'tensor'),)"),
    ("axes=(('HK', 'tensor'),)", "'HK' to 'tensor'; letters, one for each pair"),
    ("axes=(('', 'tensor'),)", "'' to 'tensor'"),
    ("axes=((3, 'tensor'),)", "3 to 'tensor'"),
    ("axes=(('K', 3),)", "'K' to 3"),
    ("axes=(('K', ('data', 'tensro')),)", "'K' to ('data', 'tensro')"),
  ],
)
def test_a_tuple_of_another_shape(mistake, given, said):
  line = mistake(f"--config.{given}")
  assert f"config.{given.partition('=')[0]}" in line and said in line


@pytest.mark.parametrize(
  ("key", "value", "right"),
  [
    ("model.dtype", "bfloat61", "bfloat16"),
    ("model.norm", "rsm", "rms"),
    ("data.rows", "window", "windows"),
    ("nonfinite", "halt", "stop, skip"),
  ],
)
def test_a_choice_that_is_none(mistake, key, value, right):
  line = mistake(f"--config.{key}={value}")
  assert f"config.{key}={value!r}" in line and right in line


@pytest.mark.parametrize(
  ("key", "spec", "said"),
  [
    ("schedule", "cosin()", "'cosine'"),
    ("optimizer", "adamw(beta=3)", "'beta'"),
    ("objective", "language_modl()", "'language_model'"),
    ("model.mlp", "plain(ration=2)", "'ratio'"),
    ("data.tokenizer", "byte()", "'bytes'"),
    ("data.source", "texts(path='x')", "'text'"),
    ("data.valid", "tial()", "'tail'"),
    ("model.mixer", "lstm(", "write calls"),
    ("optimizer", "adamw() | sgd()", "one call"),
    ("schedule", "step()", "step() needs the argument 'every', a whole number"),
    ("schedule", "per_epoch()", "per_epoch() needs the argument 'factor', a number"),
    ("schedule", "cosine(warmup='a')", "warmup='a' of cosine() is not a whole number, such as 0"),
    ("schedule", "cosine(warmup=-5)", "warmup=-5 of cosine(): 0 or more is wanted"),
    ("schedule", "step(every=0)", "every=0 of step(): a positive number is wanted"),
    ("schedule", "wsd(decay=1.5)", "decay=1.5 of wsd(): from 0 to 1 is wanted"),
    ("optimizer", "adamw(b2='x')", "b2='x' of adamw() is not a number, such as 0.95"),
    ("optimizer", "adamw(b1=5)", "b1=5 of adamw(): at least 0 and below 1 is wanted"),
    ("optimizer", "sgd(momentum=1.0)", "momentum=1.0 of sgd(): at least 0 and below 1"),
    ("optimizer", "muon(iterations=0)", "iterations=0 of muon(): a positive number is wanted"),
    ("objective", "language_model(z_loss='a')", "z_loss='a' of language_model() is not a number"),
    ("objective", "language_model(memory=-1)", "memory=-1 of language_model(): 0 or more"),
    ("objective", "classification(label_smoothing=1)", "label_smoothing=1"),
    ("objective", "multi_label_classification(separator='')", "separator=''"),
    ("model.mlp", "plain(ratio='x')", "ratio='x' of plain() is not a number, such as 4.0"),
    ("model.mlp", "plain(ratio=0)", "plain(): ratio=0: a positive number is wanted"),
    ("model.mlp", "gated(ratio=1e999)", "gated(): ratio=inf: a positive number is wanted"),
    ("model.mlp", "plain(activation='gleu')", "'gelu'?): choose from gelu, relu, silu, tanh"),
    ("model.mixer", "attention(heads='4')", "heads='4' of attention() is not a whole number"),
    ("model.mixer", "attention(window=2.5)", "window=2.5 of attention() is not a whole number"),
    ("model.mixer", "attention(heads=0)", "attention(): heads=0 must be positive"),
    ("model.mixer", "attention(heads=3)", "attention(): heads=3 does not divide the width 8"),
    ("model.mixer", "attention(kv_heads=3)", "kv_heads=3 does not divide heads=4"),
    ("model.mixer", "attention(head_width=3)", "attention(): head_width=3 must be even for rope"),
    ("model.mixer", "attention(window=-1)", "attention(): window=-1 must be positive, or 0"),
    ("model.mixer", "attention(positions='rpoe')", "(did you mean 'rope'?): choose from rope,"),
    ("checkpoint.metric", "accuracy", "language_model() measures none; use 'loss'"),
    ("checkpoint.metric", "acuracy", "(did you mean 'accuracy'?): choose from loss, accuracy"),
    ("model.name", "decodr", "unknown 'decodr' (did you mean 'decoder'?)"),
    ("model.mixer", "lstm(hidden='a')", "hidden='a' of lstm() is not a whole number"),
    ("model.mixer", "lstm(hidden=-5)", "lstm(): hidden=-5 must be positive, or 0"),
    ("data.source", "embedded(megabytes='x')", "megabytes='x' of embedded() is not a number"),
    ("data.source", "csv(field=3)", "field=3 of csv() is not text or a tuple"),
    ("data.source", "csv(columns=3)", "columns=3 of csv() is not a tuple of text"),
    ("data.source", "text(documents=['a'])", "documents=['a'] of text() is not text"),
  ],
)
def test_a_part_that_cannot_be_made(mistake, key, spec, said):
  line = mistake(f"--config.{key}={spec}")
  assert f"config.{key}" in line and said in line


def test_an_attention_that_there_is_not(mistake):
  line = mistake(
    "--config.objective=sequence_to_sequence()",
    "--config.model.name=encoder_decoder(attention='dto')",
  )
  assert "attention='dto' of encoder_decoder() (did you mean 'dot'?)" in line
  line = mistake(
    "--config.objective=sequence_to_sequence()",
    "--config.model.name=encoder_decoder(attention='none')",
    "--config.model.mixer=attention(heads=2)",
  )
  assert "config.model.mixer='attention(heads=2)'" in line and "use recurrent mixers" in line


def test_a_missing_config_file(mistake, folder, tmp_path):
  (tmp_path / "quickstart.py").touch()
  line = mistake(f"--config={tmp_path / 'quickstrat.py'}")
  assert "quickstrat.py: no such file" in line and "quickstart.py'" in line


@pytest.mark.parametrize(
  ("content", "said"),
  [
    ("x = 1", "no get_config()"),
    ("def get_config(): return 1 / 0", "ZeroDivisionError"),
    ("def get_config(", "SyntaxError"),
    ("def get_config(): return {'lrr': 1.0}", "unknown key config.lrr (did you mean 'lr'?)"),
    ("def get_config(): return {'lr': 'x'}", "config.lr='x' is not a number"),
    ("def get_config(): pass", "get_config() returns None"),
    ("raise SystemExit(3)", "the file fails with SystemExit: 3"),
    ("def get_config(): exit(3)", "get_config() fails with SystemExit: 3"),
    ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    (
      "from ml_collections import ConfigDict, config_dict\n"
      "def get_config(): return ConfigDict(dict(lr=config_dict.required_placeholder(float)))",
      "config.lr is a placeholder that wants a value; write --config.lr=VALUE",
    ),
  ],
)
def test_a_config_file_that_fails(mistake, tmp_path, content, said):
  (tmp_path / "config.py").write_text(content)
  line = mistake(f"--config={tmp_path / 'config.py'}")
  assert str(tmp_path / "config.py") in line and said in line


def test_a_folder_for_a_config_file(mistake, tmp_path):
  assert f"--config={tmp_path}: a config is a Python file" in mistake(f"--config={tmp_path}")


def test_a_missing_data_file(mistake, folder):
  line = mistake(text="txet.txt")
  assert "config.data.source" in line and str(folder / "txet.txt") in line and "text.txt" in line


def test_an_empty_data_set(mistake):
  line = mistake(text="empty.txt")
  assert "config.data.source" in line and "empty.txt" in line and "with text is wanted" in line


def test_a_set_of_empty_texts(mistake, folder):
  (folder / "empty.jsonl").write_text('{"text": ""}\n' * 3)
  line = mistake(data__source=f"jsonl(path={str(folder / 'empty.jsonl')!r})")
  assert "config.data.source" in line and "empty.jsonl" in line and "text is wanted" in line


def test_a_text_shorter_than_a_window(mistake):
  line = mistake(text="short.txt", data__valid="tail(fraction=0.0)", length=50)
  assert "config.length=50" in line and re.search(r"length=\d+ or less", line)


def test_an_unknown_mixer_or_argument(mistake):
  line = mistake(model__mixer="lstn()")
  assert "config.model.mixer" in line and "'lstn'" in line and "'lstm'" in line and "rnn" in line
  line = mistake(model__mixer="attention(head=4)")
  assert "config.model.mixer" in line and "'head'" in line and "'heads'" in line
  line = mistake(model__mixer="attention(heads=3)")
  assert "heads" in line and "3" in line and "8" in line


def test_a_pattern_longer_than_the_depth(mistake):
  line = mistake(model__mixer="rnn() | gru() | lstm()", model__depth=2)
  assert "config.model.depth=2" in line and "config.model.mixer has 3 mixers" in line


def test_learned_positions_with_carried_state(mistake):
  line = mistake(model__learned_positions=True, objective="language_model(carry=True)")
  assert "positions are learned up to config.length=" in line
  assert "language_model(carry=True)" in line


def test_lengths_beyond_xpos(mistake):
  xpos = "attention(heads=2, positions='xpos')"
  line = mistake(model__mixer=xpos, length=30_001)
  assert "config.length=30001" in line and "end at 30,000" in line and "rope_scale" in line
  inside = "parallel(left='min_gru()', right=\"attention(heads=2, positions='xpos')\")"
  assert "end at 30,000" in mistake(model__mixer=inside, length=30_001)
  line = mistake(model__mixer="attention(positions='xpos', rope_scale='2')")
  assert "rope_scale" in line and "config.model.mixer" in line
  line = mistake(model__mixer="attention(positions='xpos', rope_scale=0)")
  assert "rope_scale=0" in line
  line = mistake(model__mixer=xpos, objective="language_model(carry=True)")
  assert "language_model(carry=True)" in line and "end at 30,000" in line


def test_a_vocabulary_that_does_not_fit_the_model(mistake):
  line = mistake(model__vocab=100)
  assert "config.model.vocab=100" in line and "258" in line


def test_a_batch_that_does_not_divide(mistake):
  line = mistake(batch=12)
  assert "config.batch=12" in line and "8 devices" in line
  line = mistake(batch=16, accumulate=3)
  assert "config.accumulate=3" in line and "config.batch=16" in line
  line = mistake(batch=16, accumulate=4)
  assert "config.batch=16" in line and "config.accumulate=4" in line and "8 devices" in line


def test_a_mesh_that_does_not_multiply_to_the_devices(mistake):
  line = mistake(mesh__data=3)
  assert "config.mesh" in line and "data=3" in line and "8 devices" in line and "-1" in line
  assert "tensor=3" in mistake(mesh__tensor=3)


def test_a_table_of_axes_that_is_none(mistake):
  assert "config.axes" in mistake("--config.axes=(('H', 'tensr'),)")
  assert "config.axes" in mistake("--config.axes=(('H',),)")


def test_a_workdir_that_holds_a_run_of_another_config(mistake, trained):
  line = mistake(workdir=trained, lr=0.25, model__width=16)
  assert f"--workdir={trained}" in line and "another config" in line
  assert "lr: 0.001, now 0.25" in line and "model.width: 8, now 16" in line


def test_a_mistake_leaves_a_folder_that_the_right_config_may_take(mistake, folder, tmp_path):
  workdir = tmp_path / "run"
  mistake(workdir=workdir, text="txet.txt")
  mistake(workdir=workdir, model__mixer="lstn()")
  assert main(["train", *flags_of(folder), f"--workdir={workdir}"]) == 0


def test_a_checkpoint_of_other_shapes(mistake, trained, folder, tmp_path):
  line = mistake(model__width=16, init__path=trained)
  assert f"init.path='{trained}'" in line and "embed_VD" in line
  assert "float32[258,8] saved, float32[258,16] wanted" in line and "init.keep" in line
  # Someone put the checkpoints of another run here.
  workdir = tmp_path / "wider"
  assert main(["train", *flags_of(folder, model__width=16), f"--workdir={workdir}"]) == 0
  shutil.rmtree(workdir / "checkpoints")
  shutil.copytree(trained / "checkpoints", workdir / "checkpoints")
  line = mistake(workdir=workdir, model__width=16)
  assert "does not fit this config" in line and "embed_VD: float32[258,8] saved" in line
  assert (workdir / "checkpoints" / "1").is_dir()  # nothing is thrown away


def test_a_run_to_start_from_that_is_none(mistake, trained, tmp_path):
  assert f"{tmp_path}" in mistake(init__path=tmp_path)
  assert "init.keep='nothing'" in mistake(init__path=trained, init__keep="nothing")


@pytest.mark.parametrize("command", ["evaluate", "sample"])
def test_commands_on_a_folder_without_a_run(command, tmp_path, capsys):
  line = the_line(main([command, f"--workdir={tmp_path}"]), capsys.readouterr().err)
  assert f"--workdir={tmp_path}" in line and "seqlab train" in line


def test_a_step_that_is_not_there(trained, capsys):
  line = the_line(main(["sample", f"--workdir={trained}", "--step=7"]), capsys.readouterr().err)
  assert "step 7" in line and "there is: 1" in line
  line = the_line(main(["sample", f"--workdir={trained}", "--step=bst"]), capsys.readouterr().err)
  assert "'bst'" in line and "'best'" in line


def test_other_data_under_a_run(mistake, folder, tmp_path):
  (folder / "changing.txt").write_text("one text " * 100)
  flags = flags_of(folder, "changing.txt")
  assert main(["train", *flags, f"--workdir={tmp_path}"]) == 0
  (folder / "changing.txt").write_text("another text " * 100)
  line = mistake(workdir=tmp_path, text="changing.txt")
  assert "the data is not what this run began with" in line and "--workdir" in line


@pytest.mark.parametrize("content", ['{"seed": 0,', "[1, 2]", "null", "3", '{"seed": "x"}'])
def test_a_config_of_a_run_that_is_none(tmp_path, capsys, content):
  (tmp_path / "config.json").write_text(content)
  line = the_line(main(["sample", f"--workdir={tmp_path}"]), capsys.readouterr().err)
  assert str(tmp_path / "config.json") in line


def test_a_workdir_that_cannot_be_written(mistake, tmp_path):
  (tmp_path / "file").touch()
  line = mistake(workdir=tmp_path / "file" / "run")
  assert f"--workdir={tmp_path / 'file' / 'run'}" in line and "Not a directory" in line


def full(*_, **__):
  raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/file")


@pytest.mark.parametrize(
  "where",
  [
    "seqlab.data.durable.HashingFile.write",
    "seqlab.config.save",
    "seqlab.card.write",
    "seqlab.metrics.Writer.write",
    "seqlab.stored.write",
  ],
)
def test_a_full_disk(mistake, monkeypatch, where):
  monkeypatch.setattr(where, full)
  line = mistake(data__tokenizer="characters()", length=len(where))  # a store of its own
  assert "full" in line or "No space left on device" in line


LIMITED = """
import resource, sys
from seqlab.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes by setrlimit")
def test_a_checkpoint_that_the_system_refuses_keeps_the_one_before(folder, tmp_path):
  """A limit on file sizes stands in for a full disk: the write fails on Orbax's threads."""
  config = dict(model__width=64, steps=4, checkpoint__every=2)
  command = ["train", *flags_of(folder, **config), f"--workdir={tmp_path}"]
  assert main(command) == 0
  shutil.rmtree(tmp_path / "checkpoints" / "4")
  failed = python(LIMITED, *command)
  line = the_line(failed.returncode, failed.stderr)
  assert "step 4 could not be written (File too large); step 2 is the last good one" in line
  assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["2"]
  assert main(command) == 0  # with room again, the same command goes on


def python(code, *arguments):
  return subprocess.run(
    [sys.executable, "-c", code, *arguments],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parents[1],
    env={**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "0"},
  )


def test_the_command_itself_exits_with_2_and_one_line(folder, tmp_path):
  code = "import sys; from seqlab.cli import main; sys.exit(main())"  # as the script `seqlab` is
  done = python(code, "train", "config.lr=3", f"--workdir={tmp_path}")
  line = the_line(done.returncode, done.stderr)
  assert line == "config.lr=3: two dashes are missing; write --config.lr=3"
  assert done.stdout == "" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "prepare", "flops"])
def test_an_interrupt_is_one_word(command, monkeypatch, tmp_path, capsys):
  def interrupted(*_, **__):
    raise KeyboardInterrupt

  monkeypatch.setattr("seqlab.config.load", interrupted)
  workdir = [f"--workdir={tmp_path}"] if command == "train" else []
  assert main([command, *workdir]) == 130
  assert capsys.readouterr().err == "stopped\n"


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch, tmp_path):
  def broken(*_):
    raise ValueError("ours")

  monkeypatch.setattr("seqlab.build.check", broken)
  with pytest.raises(ValueError, match="ours"):
    main(["train", f"--workdir={tmp_path}"])


def test_mup_with_first_weights_of_one_size(mistake):
  line = mistake(model__name="decoder(std=0.02)", init__adapt="mup(base=8)")
  assert "mup() draws matrices by their fan-in" in line and "decoder(std=0.02)" in line
  assert "std=-1.0 of decoder()" in mistake(model__name="decoder(std=-1.0)")
