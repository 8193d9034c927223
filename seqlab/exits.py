"""Exit codes of commands beside those of cli.py, which every launcher tells apart."""

DONE = 0
STOPPED = 75  # by a signal, after saving: the same command goes on
LOST = 76  # another process has the trial
DIVERGED = 77  # the loss is not finite
