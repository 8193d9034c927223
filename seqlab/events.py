"""TensorBoard's files: numbers and pictures of a run, and what a trial of a sweep changes."""

import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any

HPARAMS = "events.out.tfevents.hparams"  # sorts after a run's own events, so it is read last


class Events:
  """TensorBoard events, written here and now: tensorboardX's SummaryWriter hands them to a thread
  that a full disk ends, after which its queue fills and the run waits for ever.
  """

  def __init__(self, folder: pathlib.Path, start: int):
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.proto.summary_pb2 import Summary

    folder.mkdir(exist_ok=True)
    self._event, self._summary, self._flushed = Event, Summary, time.monotonic()
    # The suffix keeps two runs of one second apart, which would otherwise share a file name.
    self._file = EventsWriter(str(folder / "events"), f".{start}")
    # What an earlier run wrote from the next step on does not count.
    purge = SessionLog(status=SessionLog.START)
    self._file.write_event(Event(step=start + 1, wall_time=time.time(), session_log=purge))

  def write(self, step: int, values: Mapping[str, float]) -> None:
    self._add(step, [self._summary.Value(tag=k, simple_value=v) for k, v in values.items()])

  def write_images(self, step: int, images: Mapping[str, bytes]) -> None:
    made = {name: self._summary.Image(encoded_image_string=png) for name, png in images.items()}
    self._add(step, [self._summary.Value(tag=name, image=image) for name, image in made.items()])

  def _add(self, step: int, values: list[Any]) -> None:
    summary = self._summary(value=values)
    self._file.write_event(self._event(step=step, wall_time=time.time(), summary=summary))
    if time.monotonic() > self._flushed + 10:
      self._file.flush()
      self._flushed = time.monotonic()

  def close(self) -> None:
    self._file.close()


def write_hparams(
  folder: pathlib.Path, changed: Mapping[str, Any], measured: Mapping[str, float], failed: bool
) -> None:
  """Has TensorBoard's HParams tab show a run that has ended, whose events lie in `folder`: what was
  changed of it, and which of its numbers were measured at the end. Written again it is the same.
  """
  from tensorboardX.proto.api_pb2 import Status
  from tensorboardX.proto.event_pb2 import Event
  from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData
  from tensorboardX.record_writer import RecordWriter
  from tensorboardX.summary import hparams

  plain = {k: v if isinstance(v, str | bool | int | float) else str(v) for k, v in changed.items()}
  experiment, start, end = hparams(plain, measured)
  if failed:
    about = end.value[0].metadata.plugin_data
    said = HParamsPluginData.FromString(about.content)
    said.session_end_info.status = Status.Value("STATUS_FAILURE")
    about.content = said.SerializeToString()
  whole = folder / f"hparams.{os.getpid()}.tmp"  # TensorBoard reads files that are called tfevents
  writer, now = RecordWriter(str(whole)), time.time()
  writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
  # TensorBoard takes its columns from the first experiment that it finds: it is to have all.
  for summary in (*[experiment] * bool(measured), start, end):
    writer.write(Event(wall_time=now, summary=summary).SerializeToString())
  writer.close()
  os.replace(whole, folder / HPARAMS)
