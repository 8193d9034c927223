"""Polyphonic music: which of 88 keys sound next in Bach's chorales.

Paper:    Bai 2018 (arXiv:1803.01271), table 1, JSB Chorales: LSTM 8.45, GRU 8.43, RNN 8.91, TCN
          8.10 nats a frame, with networks of about 300,000 parameters.
Claim:    an LSTM and a causal convolution reach as much.
Data:     ../shared/data/poly_music, 229 chorales to train on, 76 to choose the checkpoint by, 77 to
          test: 4,648 frames.
Command:  seqlab train --config=experiments/papers/chorales.py:lstm --workdir=runs/chorales
          (or :gru, :rnn, :tcn); seqlab reproduce chorales
Time:     a minute a run of one CPU core.
Expected: within 0.4 of the published losses, which are cited from memory. Widths, dropout and
          optimizer are ours; the convolution's depth was chosen by validation.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/poly_music/JSB_Chorales.mat"
MIXERS = dict(
  lstm="lstm()",
  gru="gru()",
  rnn="rnn()",
  tcn=" | ".join(f"tcn(size=3, dilations=({n},))" for n in (1, 2, 4, 8)),
)
PUBLISHED = dict(lstm=8.45, gru=8.43, rnn=8.91, tcn=8.10)
ARGUMENTS = tuple(MIXERS)
CLAIM = dict(
  says="recurrent networks and causal convolutions tell the next chord of a chorale",
  source="Bai 2018, table 1",
  cost="4 minutes on 2 cores",
  results=tuple(
    dict(name=f"{name}, test loss", argument=name, metric="loss", published=f"{loss:.2f}",
         low=loss - 0.4, high=loss + 0.4,
         measure=f"evaluate --data=\"rolls(path='{DATA}', part='test')\"")
    for name, loss in PUBLISHED.items()
  ),
)  # fmt: skip


def get_config(name="lstm"):
  config = ConfigDict()
  config.objective = "frames()"
  config.steps, config.batch, config.inner_steps = 600, 16, 10
  config.lr, config.schedule = 2e-3, "cosine(warmup=50)"
  config.model = ConfigDict(dict(name="reader()", width=160, mixer=MIXERS[name], mlp="none()"))
  config.model.depth, config.model.dropout = (4, 0.4) if name == "tcn" else (1, 0.3)
  config.data = ConfigDict(dict(source=f"rolls(path='{DATA}')"))
  config.data.valid = f"rolls(path='{DATA}', part='valid')"
  config.evaluate = ConfigDict(dict(every=50))
  config.checkpoint = ConfigDict(dict(every=50))
  config.log = ConfigDict(dict(every=50, tensorboard=False))
  return config
