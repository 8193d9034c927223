"""A run as small as it may be, for tests that start many: its config, and the text it reads."""

CONFIG = """
from ml_collections import ConfigDict

def get_config():
  config = ConfigDict(dict(steps=12, batch=4, length=8))
  config.model = ConfigDict(dict(width=8, depth=1, mixer="min_gru()", mlp="none()"))
  config.data = ConfigDict(dict(source="text(path='words.txt', documents='line')", store="store"))
  config.data.tokenizer = "characters()"
  config.log = ConfigDict(dict(tensorboard=False, every=1))
  config.evaluate = ConfigDict(dict(every=6))
  config.checkpoint = ConfigDict(dict(every=3))
  return config
"""


def write_words(folder):
  (folder / "words.txt").write_text("".join(f"{n} green bottles\n" for n in range(80)))
