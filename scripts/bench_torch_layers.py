"""The PyTorch peers of single layers in scripts/bench.py; makers as in bench_torch.py."""

import torch
from bench_torch import trained
from torch import nn
from torch.nn import functional


def recurrent(cell, width, length, batch, bfloat16=False):
  """A train step of one torch.nn.LSTM or GRU layer under a mean-square loss."""
  torch.manual_seed(0)
  model = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](width, width, batch_first=True)
  x, y = torch.randn(2, batch, length, width)
  return trained(model, lambda: functional.mse_loss(model(x)[0], y), bfloat16)


class _Recurrence(torch.autograd.Function):
  """h_t = a_t h_{t-1} + b_t, time-major, with its backward written by hand."""

  @staticmethod
  def forward(context, a, b):
    h = torch.empty_like(b)
    h[0] = b[0]
    for t in range(1, len(a)):
      torch.addcmul(b[t], a[t], h[t - 1], out=h[t])
    context.save_for_backward(a, h)
    return h

  @staticmethod
  def backward(context, dh):
    a, h = context.saved_tensors
    s = torch.empty_like(dh)
    s[-1] = dh[-1]
    for t in range(len(a) - 2, -1, -1):
      torch.addcmul(dh[t], a[t + 1], s[t + 1], out=s[t])
    da = torch.zeros_like(a)
    torch.mul(s[1:], h[:-1], out=da[1:])
    return da, s


def recurrence(batch, length, width, by_hand):
  """Forward and backward of the linear recurrence, by autograd or by hand."""
  torch.manual_seed(0)
  a = torch.rand(length, batch, width, requires_grad=True)
  b = torch.randn(length, batch, width, requires_grad=True)
  dh = torch.randn(length, batch, width)

  def by_autograd(a, b):
    states = [b[0]]
    for t in range(1, length):
      states.append(a[t] * states[-1] + b[t])
    return torch.stack(states)

  def step(n):
    for _ in range(n):
      h = _Recurrence.apply(a, b) if by_hand else by_autograd(a, b)
      torch.autograd.grad(h, (a, b), dh)

  return step


def min_gru(batch, length, width):
  """minGRU's output and all gradients, its scan in log space (arXiv:2410.01201, appendix B)."""
  torch.manual_seed(0)
  both, x = nn.Linear(width, 2 * width), torch.randn(batch, length, width, requires_grad=True)

  def step(n):
    for _ in range(n):
      gate, new = both(x).chunk(2, -1)
      log_new = torch.where(
        new >= 0, (functional.relu(new) + 0.5).log(), functional.logsigmoid(new)
      )
      kept = (-functional.softplus(gate)).cumsum(1)
      log_h = kept + (log_new - functional.softplus(-gate) - kept).logcumsumexp(1)
      torch.autograd.grad(log_h.exp(), (x, *both.parameters()), x)

  return step


def cross_entropy(rows, width, vocab, bfloat16=False):
  """Loss and both gradients of a large-vocabulary head."""
  torch.manual_seed(0)
  x = torch.randn(rows, width, requires_grad=True)
  head = torch.nn.Parameter(torch.randn(vocab, width) * 0.02)
  labels = torch.randint(vocab, (rows,))

  def step(n):
    for _ in range(n):
      with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = functional.linear(x, head)
      torch.autograd.grad(functional.cross_entropy(logits.float(), labels), (x, head))

  return step
