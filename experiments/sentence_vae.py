"""A variational autoencoder of texts, and an autoencoder, on names.

Source:   Bowman et al. 2016 (arXiv:1511.06349): annealed divergence and word dropout against its
          collapse; Li et al. 2015 (arXiv:1506.01057): a text that is its own source.
Data:     names.txt of makemore, 32,033 names, a tenth of them held out.
Command:  seqlab train --config=experiments/sentence_vae.py --workdir=runs/names
          seqlab sample --workdir=runs/names --prompt=anna --prompt=roberto --temperature=0
          (:plain, :free, :lm and :autoencoder in the same way; `seqlab generate` of the last)
Time:     100 seconds of one CPU core for each of the first three, 20 for lm, 50 for autoencoder.
Expected: nats a held-out name, one seed:
                                                     bound   divergence   importance, 50 draws
            vae, annealed, word dropout 0.3          15.26      2.42      15.07
            free, annealed, 0.25 nats a number free  15.21      4.79      14.84
            plain                                    14.45      0.01      14.44
            lm, the same decoder alone               14.29 (2.005 a token)
          Without help the divergence collapses, and what keeps it costs in the bound, as in the
          paper. The autoencoder writes 99.3 % [99.0, 99.6] of the held-out names again.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/names/names.txt"
KINDS = dict(
  vae="variational(warmup=1000, word_dropout=0.3, importance=50)",
  plain="variational(importance=50)",
  free="variational(warmup=1000, free_bits=0.25, importance=50)",
  lm="language_model()",
  autoencoder="sequence_to_sequence()",
)
ARGUMENTS = tuple(KINDS)


def get_config(kind="vae"):
  config = ConfigDict()
  config.objective = KINDS[kind]
  config.steps, config.batch, config.length, config.inner_steps = 2000, 64, 16, 10
  config.lr, config.schedule, config.decay = 3e-3, "cosine(warmup=100, final=0.05)", 0.01
  config.model = ConfigDict(dict(width=96, depth=1, mixer="lstm()", mlp="none()"))
  config.data = ConfigDict(dict(tokenizer="characters()"))
  config.data.source = f"text(path='{DATA}', documents='line')"
  if kind == "lm":
    config.data.rows, config.batch = "packed", 32  # a row holds two names
  elif kind == "autoencoder":  # every name is its own source
    config.model.name = "encoder_decoder(attention='none')"
    config.data.source = f"parallel(path='{DATA}', source='{DATA}')"
  else:
    config.model.name = "text_vae(latent=16)"
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  return config
