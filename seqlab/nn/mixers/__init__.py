"""The registry of sequence mixers. A new architecture is one file here and one line in `MIXERS`."""

from collections.abc import Callable

from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.delta_net import DeltaNet
from seqlab.nn.mixers.differential_attention import DifferentialAttention
from seqlab.nn.mixers.gated_delta_net import GatedDeltaNet
from seqlab.nn.mixers.gla import GLA
from seqlab.nn.mixers.gru import GRU
from seqlab.nn.mixers.hyena import Hyena
from seqlab.nn.mixers.linear_attention import LinearAttention
from seqlab.nn.mixers.lru import LRU
from seqlab.nn.mixers.lstm import LSTM
from seqlab.nn.mixers.mamba import Mamba
from seqlab.nn.mixers.mamba2 import Mamba2
from seqlab.nn.mixers.min_gru import MinGRU
from seqlab.nn.mixers.min_lstm import MinLSTM
from seqlab.nn.mixers.mla import MLA
from seqlab.nn.mixers.mlstm import MLSTM
from seqlab.nn.mixers.parallel import Parallel
from seqlab.nn.mixers.qrnn import QRNN
from seqlab.nn.mixers.retention import Retention
from seqlab.nn.mixers.rg_lru import RGLRU
from seqlab.nn.mixers.rnn import RNN
from seqlab.nn.mixers.rwkv4 import RWKV4
from seqlab.nn.mixers.rwkv7 import RWKV7
from seqlab.nn.mixers.s4d import S4D
from seqlab.nn.mixers.s5 import S5
from seqlab.nn.mixers.short_conv import ShortConv
from seqlab.nn.mixers.slstm import SLSTM
from seqlab.nn.mixers.tcn import TCN
from seqlab.spec import make, parse_one


def parallel(left: str = "attention(heads=4)", right: str = "min_gru()") -> Mixer:
  """Two mixers, each written as a call, side by side: `parallel(left='mamba2()',
  right='attention(heads=4)')`.
  """
  key = "parallel()"
  both = (make(parse_one(call, key), MIXERS, key) for call in (left, right))
  return Parallel(*both, parent=None)


MIXERS: dict[str, Callable[..., Mixer]] = dict(
  attention=Attention,
  delta_net=DeltaNet,
  differential_attention=DifferentialAttention,
  gated_delta_net=GatedDeltaNet,
  gla=GLA,
  gru=GRU,
  hyena=Hyena,
  linear_attention=LinearAttention,
  lru=LRU,
  lstm=LSTM,
  mamba=Mamba,
  mamba2=Mamba2,
  min_gru=MinGRU,
  min_lstm=MinLSTM,
  mla=MLA,
  mlstm=MLSTM,
  parallel=parallel,
  qrnn=QRNN,
  retention=Retention,
  rg_lru=RGLRU,
  rnn=RNN,
  rwkv4=RWKV4,
  rwkv7=RWKV7,
  s4d=S4D,
  s5=S5,
  short_conv=ShortConv,
  slstm=SLSTM,
  tcn=TCN,
)
