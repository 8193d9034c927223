"""The registry of sequence mixers. A new architecture is one file here and one line in `MIXERS`."""

from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.gru import GRU
from seqlab.nn.mixers.lstm import LSTM
from seqlab.nn.mixers.min_gru import MinGRU
from seqlab.nn.mixers.rnn import RNN

MIXERS: dict[str, type[Mixer]] = dict(
  attention=Attention,
  gru=GRU,
  lstm=LSTM,
  min_gru=MinGRU,
  rnn=RNN,
)
