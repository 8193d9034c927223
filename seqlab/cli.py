"""`seqlab COMMAND`: flags, help and clear errors. Commands are imported when they run, so help
never waits for jax.

Exit codes: 0 done, 1 a bug of ours (with its traceback), a broken law, a FAIL of `reproduce`, a
trial of `sweep` that failed, a `plan` that does not fit, runs that `diff` tells apart or what
`doctor` finds broken, 2 a mistake in what was given, 75 stopped by a signal after saving (the same
command resumes), 76 another process has the trial, 77 the loss is not finite, 130 Ctrl-C.
"""

import argparse
import errno
import importlib
import logging
import os
import sys
from typing import NoReturn

from seqlab import __version__
from seqlab.commands import COMMANDS
from seqlab.errors import UserError, nearest
from seqlab.flags import CONFIG_HELP, Command
from seqlab.keys import DEFAULTS


class _Parser(argparse.ArgumentParser):
  def error(self, message: str) -> NoReturn:  # one line and exit code 2, like every other mistake
    raise UserError(f"{message}; see `{self.prog} --help`")


def main(argv: list[str] | None = None) -> int:
  """Runs a command and returns the exit code."""
  argv = sys.argv[1:] if argv is None else argv
  logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
  try:
    if not argv or argv[0] in ("-h", "--help", "help"):
      print(_overview())
      return 0
    if argv[0] == "--version":
      print(f"seqlab {__version__}")
      return 0
    if argv[0] not in COMMANDS:
      raise UserError(
        f"unknown command {argv[0]!r}{nearest(argv[0], COMMANDS)}; commands: {', '.join(COMMANDS)}"
      )
    return _run(argv[0], argv[1:])
  except UserError as error:
    print(f"seqlab: {' '.join(str(error).splitlines())}", file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print("stopped", file=sys.stderr)
    return 130  # as a shell says it
  except BrokenPipeError:  # the reader of our output has gone
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
  except OSError as error:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
      raise
    where = error.filename or "a file of the run"
    print(f"seqlab: {where}: the disk is full; free some space and start again", file=sys.stderr)
    return 2


def _run(name: str, argv: list[str]) -> int:
  command = COMMANDS[name]
  parser = _Parser(
    prog=f"seqlab {name}",
    description=command.summary,
    epilog=f"example:\n  {command.example}" + (_keys() if command.takes_config else ""),
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  if command.takes_config:
    parser.add_argument("--config", default="", metavar="FILE", help=CONFIG_HELP)
  for flag, options in command.flags:
    parser.add_argument(flag, **options)
  known, rest = parser.parse_known_args(argv)
  following = [*rest[1:], "--"]
  overrides = [
    _override(argument, then, command, parser.prog)
    for argument, then in zip(rest, following, strict=False)
  ]
  arguments = vars(known)

  from seqlab import runtime

  runtime.tune_malloc()
  if not command.begins_jax:
    arguments |= {"overrides": overrides} if command.takes_config else {}
    return importlib.import_module(command.module).run(**arguments) or 0
  if command.takes_config:
    from seqlab import config

    arguments["config"] = config.load(arguments["config"], overrides)
  runtime.configure()
  if command.takes_config:
    from seqlab import plugins

    plugins.load(arguments["config"].plugins)
  return importlib.import_module(command.module).run(**arguments) or 0


def _override(argument: str, then: str, command: Command, program: str) -> str:
  """The `key=value` of an argument that is no flag; `then` is the one after it."""
  if argument.startswith("--config.") and command.takes_config:
    if "=" not in argument and not then.startswith("--"):
      raise UserError(f"{argument} {then}: an equals sign is missing; write {argument}={then}")
    return argument.removeprefix("--config.")
  if argument.startswith(("config.", "-config.")):
    raise UserError(f"{argument}: two dashes are missing; write --{argument.lstrip('-')}")
  flags = [flag for flag, _ in command.flags] + ["--config"] * command.takes_config + ["--help"]
  raise UserError(
    f"{argument}: unknown argument{nearest(argument.split('=')[0], flags)}; see `{program} --help`"
  )


def _overview() -> str:
  lines = [f"  {name:<12}{command.summary}" for name, command in COMMANDS.items()]
  return (
    "seqlab: train sequence models in JAX and compare their architectures honestly.\n\n"
    "commands:\n"
    + "\n".join(lines)
    + "\n\nexample:\n  seqlab train --config=experiments/quickstart.py "
    "--workdir=runs/quickstart\n\nseqlab COMMAND --help shows a command's flags and an example."
  )


def _keys() -> str:
  lines = [
    f"  --config.{key}={default!r}\n      {text}" for key, (default, text) in DEFAULTS.items()
  ]
  return "\n\nkeys of a config, with their defaults:\n" + "\n".join(lines)


if __name__ == "__main__":
  sys.exit(main())
