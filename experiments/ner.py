"""Named entities in made-up sentences, English and Chinese: names that no list holds, told by the
words around them.

Paper:    a bidirectional LSTM with a CRF, Lample et al. 2016 (arXiv:1603.01360), and a Transformer
          encoder in its place by one field.
"""

from ml_collections import ConfigDict


def get_config(language="en"):
  config = ConfigDict()
  config.objective = "tagging()"
  config.steps, config.batch, config.length = 300, 32, 72
  config.lr, config.schedule, config.decay = 3e-3, "cosine(warmup=30, final=0.05)", 0.1
  config.model = ConfigDict(dict(name="encoder", width=96, depth=1, dropout=0.3))
  config.model.mixer, config.model.mlp = "lstm()", "none()"
  made = f"sentences=3000, language='{language}'"
  held = f"sentences=500, language='{language}', part='held_out'"
  config.data = ConfigDict(dict(source=f"entities({made})", valid=f"entities({held})"))
  config.data.tokenizer = "bpe(vocab=500)" if language == "en" else "characters()"
  config.evaluate = ConfigDict(dict(every=150))
  config.checkpoint = ConfigDict(dict(every=150))
  return config
