"""A sweep as it is watched: a line a minute, its trials in TensorBoard, alerts in its status."""

import json
import math

import pytest
from commands import here

from seqlab import config as configs
from seqlab import events, metrics
from seqlab.alerts import Alerts
from seqlab.exits import DIVERGED
from seqlab.sweeps import files, hparams, trials
from seqlab.sweeps.attempts import claim
from seqlab.sweeps.minutely import MINUTE, Minutely
from seqlab.sweeps.states import Listed

CHANGES = (
  {"lr": 0.1, "model.mixer": "lstm()"},
  {"lr": 0.2, "rates": (("V", 0.1),)},
  {"lr": 0.3, "seeds": 2},
)


@pytest.fixture
def sweep(tmp_path):
  """A sweep of three trials, nothing of which is trained."""
  made = [(f"{n}" * 10, of, configs.load("", (), of)) for n, of in enumerate(CHANGES)]
  return tmp_path / "sweep", trials.make(tmp_path / "sweep", {}, made)


def told(run, step, **numbers):
  with metrics.Writer(run.folder) as writer:
    writer.write(step, {"loss": 1.0, **numbers})


def ended(trial, code=0):
  runs = [
    dict(changes={}, step=step, numbers=valid) for step, valid in (r.told() for r in trial.runs())
  ]
  files.write_once(trial.folder / "result.json", dict(code=code, attempt=1, runs=runs))


def test_a_line_a_minute_says_how_far_it_is(sweep, capsys):
  root, (first, second, third) = sweep
  told(second.runs()[0], 100)  # before this command
  now = 1000.0
  minutely = Minutely(root, Listed([first, second, third]), now=lambda: now)
  minutely.look()
  now += MINUTE - 1
  minutely.look()
  assert capsys.readouterr().out == ""
  now += 1
  minutely.look()
  minutely.look()
  assert capsys.readouterr().out == f"{root}: 3 waiting\n", "no speed is known"
  told(first.runs()[0], 1000, **{"valid/loss": 0.5})
  ended(first)
  told(second.runs()[0], 200)
  claim(second.folder, 0)
  told(third.runs()[1], 100)
  now += MINUTE
  minutely.look()
  # 1,200 steps in two minutes; left are 800 and twice 1,000 less 100
  said = f"{root}: 1 done, 1 running, 1 waiting, 10 steps/s, ETA 0:04:30\n"
  assert capsys.readouterr().out == said


def test_the_last_step_is_read_off_the_end_of_the_file(tmp_path):
  assert metrics.last_step(tmp_path) == 0
  with metrics.Writer(tmp_path, tensorboard=False) as writer:
    for step in range(1, 400):
      writer.write(step, {"loss": step / 7})
  with open(tmp_path / metrics.FILE, "a") as file:
    file.write('{"step": 400, "lo')  # being written
  assert metrics.last_step(tmp_path) == 399


def test_alerts_stand_in_the_status(sweep):
  root, (first, *_) = sweep
  claim(first.folder, 0)
  Alerts(first.folder, "", "", print).give("climbs", "step 9: the loss is 8, and was 3")
  said = " ".join(here("sweep", "status", f"--workdir={root}").split())
  assert "alert: step 9" in said and said.count("alert:") == 1 and "process" in said


def hparams_of(root):
  """(names of metrics, {session: (status, hparams, final metrics)}), as TensorBoard has them."""
  pytest.importorskip("tensorboard")
  from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
  from tensorboard.context import RequestContext
  from tensorboard.plugins.base_plugin import TBContext
  from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

  multiplexer = plugin_event_multiplexer.EventMultiplexer()
  multiplexer.AddRunsFromDirectory(str(root))
  multiplexer.Reload()
  provider = data_provider.MultiplexerDataProvider(multiplexer, str(root))
  backend = backend_context.Context(TBContext(data_provider=provider))
  asked = RequestContext()
  metadata = backend.hparams_metadata(asked, "")
  experiment = backend.experiment_from_metadata(asked, "", True, metadata, [])
  about = api_pb2.ListSessionGroupsRequest(
    slice_size=100, allowed_statuses=[0, 1, 2, 3],
    col_params=[{"metric": info.name} for info in experiment.metric_infos],
  )  # fmt: skip
  found = list_session_groups.Handler(asked, backend, "", about).run().session_groups
  sessions = {}
  for group in found:
    (session,) = group.sessions
    values = {k: getattr(v, v.WhichOneof("kind")) for k, v in group.hparams.items()}
    final = {value.name.tag: value.value for value in session.metric_values}
    sessions[session.name] = api_pb2.Status.Name(session.status), values, final
  return {info.name.tag for info in experiment.metric_infos}, sessions


def test_trials_that_have_ended_are_in_the_hparams_tab(sweep):
  root, known = sweep
  first, second, third = known
  told(first.runs()[0], 500, **{"valid/loss": 0.9})
  told(second.runs()[0], 500, **{"valid/loss": math.nan})
  for number, run in enumerate(third.runs()):
    told(run, 1000, **{"valid/loss": 0.25 + number})
  ended(second, DIVERGED)
  ended(third)
  hparams.write(known, known)
  before = {path: path.read_bytes() for path in root.rglob(events.HPARAMS)}
  here("sweep", "report", f"--workdir={root}")  # writes them again
  assert {path for path in root.rglob(events.HPARAMS)} == before.keys() and len(before) == 3
  names, sessions = hparams_of(root)
  assert names == {"valid/loss"}
  ids = [f"runs/{second.id}", f"runs/{third.id}/seed0", f"runs/{third.id}/seed1"]
  assert sessions.keys() == {f"{id}/tensorboard" for id in ids}
  status, values, _ = sessions[f"{ids[0]}/tensorboard"]
  assert status == "STATUS_FAILURE" and values["lr"] == 0.2
  assert values["rates"] == "[['V', 0.1]]"
  status, values, final = sessions[f"{ids[2]}/tensorboard"]
  assert (status, values["lr"], values["seed"], final) == (
    "STATUS_SUCCESS",
    0.3,
    1,
    {"valid/loss": 1.25},
  )
  assert values["model.mixer"] == "attention(heads=4)", "what it did not change itself"


def test_a_run_without_events_gets_none(sweep):
  root, (first, *_) = sweep
  said = json.loads(first.config.read_text()) | {"log.tensorboard": False}
  first.config.write_text(json.dumps(said))
  told(first.runs()[0], 1000, **{"valid/loss": 0.5})
  ended(first)
  hparams.write([first], [first])
  assert not list(root.rglob(events.HPARAMS))
