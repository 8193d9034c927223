"""A variational autoencoder of texts, on names.

Data:     names.txt of makemore, 32,033 names, a tenth of them held out.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/names/names.txt"
KINDS = dict(
  vae="variational(warmup=2000, word_dropout=0.3, importance=50)",
  plain="variational(importance=50)",
  free="variational(warmup=2000, free_bits=0.25, importance=50)",
  lm="language_model()",
  autoencoder="sequence_to_sequence()",
)


def get_config(kind="vae"):
  config = ConfigDict()
  config.objective = KINDS[kind]
  config.steps, config.batch, config.length, config.inner_steps = 4000, 128, 16, 10
  config.lr, config.schedule, config.decay = 3e-3, "cosine(warmup=100, final=0.05)", 0.01
  config.model = ConfigDict(dict(width=128, depth=1, mixer="lstm()", mlp="none()"))
  config.data = ConfigDict(dict(tokenizer="characters()"))
  config.data.source = f"text(path='{DATA}', documents='line')"
  if kind == "lm":
    config.data.rows = "packed"
  elif kind == "autoencoder":  # every name is its own source
    config.model.name = "encoder_decoder(attention='none')"
    config.data.source = f"parallel(path='{DATA}', source='{DATA}')"
  else:
    config.model.name = "text_vae(latent=16)"
  config.evaluate = ConfigDict(dict(every=1000))
  config.checkpoint = ConfigDict(dict(every=1000))
  return config
