"""Commands as the tests run them: as a user does, and in the tests' own process."""

import contextlib
import io
import json
import os
import subprocess
import sys
from unittest import mock

import jax

from seqlab.cli import main


def seqlab(*arguments, code=0, devices=1, both=False):
  """What the command says on stdout, in a process of its own; on `both`, or where it is to fail,
  on stderr too.
  """
  command = [os.fsencode(word) for word in (sys.executable, "-m", "seqlab.cli", *_words(arguments))]
  environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices)}
  done = subprocess.run(command, env=environment, capture_output=True, text=True)
  return _told(done.returncode, done.stdout, done.stderr, code, both)


def here(*arguments, code=0, devices=1, both=False):
  """As `seqlab`, in this process: with seconds less of imports, and compiled quickly, not well.

  A warning of `logging` is not among what it says, and a plugin would stay.
  """
  out, err, seen = io.StringIO(), io.StringIO(), jax.devices()[:devices]
  with (
    mock.patch.object(jax, "devices", lambda *_: seen),
    contextlib.redirect_stdout(out),
    contextlib.redirect_stderr(err),
  ):
    done = main(_words(arguments))
  return _told(done, out.getvalue(), err.getvalue(), code, both)


def result(folder, name="valid"):
  """What `seqlab evaluate` measured of a part of a run's data."""
  return json.loads((folder / f"evaluate_{name}.json").read_text())


def _words(arguments):
  return [os.fsdecode(a) if isinstance(a, bytes) else str(a) for a in arguments]


def _told(done, out, err, code, both):
  assert done == code, err
  return out + err if both or code == 2 else out
