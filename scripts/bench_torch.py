"""The PyTorch peers of scripts/bench.py: the same models and steps, as a PyTorch user would write
them.

Each maker returns `step(n)`, which runs n steps and returns when they are done. GPT is nanoGPT's
model (github.com/karpathy/nanoGPT): pre-norm, learned positions, exact GELU, no biases, tied head,
flash attention; its optimizer is AdamW with clipping at norm 1.
"""

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
  def __init__(self, width, heads):
    super().__init__()
    self.heads = heads
    self.norm1, self.norm2 = (nn.LayerNorm(width, bias=False) for _ in range(2))
    self.qkv, self.out = nn.Linear(width, 3 * width, False), nn.Linear(width, width, False)
    self.up, self.down = nn.Linear(width, 4 * width, False), nn.Linear(4 * width, width, False)

  def forward(self, x, cache=None):
    batch, length, width = x.shape
    q, k, v = (
      y.view(batch, length, self.heads, -1).transpose(1, 2)
      for y in self.qkv(self.norm1(x)).split(width, 2)
    )
    if cache is not None:
      if cache:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
      cache[:] = k, v
    y = functional.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
    x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
    return x + self.down(functional.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
  def __init__(self, depth, heads, width, length, vocab):
    super().__init__()
    self.token, self.position = nn.Embedding(vocab, width), nn.Embedding(length, width)
    self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
    self.norm = nn.LayerNorm(width, bias=False)
    self.depth, self.heads, self.width = depth, heads, width
    for parameter in self.parameters():
      if parameter.dim() == 2:
        nn.init.normal_(parameter, std=0.02)

  def forward(self, tokens, first=0, caches=None):
    positions = torch.arange(first, first + tokens.shape[1])
    x = self.token(tokens) + self.position(positions)
    for i, block in enumerate(self.blocks):
      x = block(x, None if caches is None else caches[i])
    return functional.linear(self.norm(x), self.token.weight)


def trained(model, loss, bfloat16=False, fused=False):
  optimizer = torch.optim.AdamW(
    model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=fused
  )

  def step(n):
    for _ in range(n):
      optimizer.zero_grad(set_to_none=True)
      with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        value = loss()
      value.backward()
      nn.utils.clip_grad_norm_(model.parameters(), 1.0)
      optimizer.step()

  return step


def gpt(depth, heads, width, length, batch, vocab, compiled=False, bfloat16=False):
  """A train step of nanoGPT's model on random tokens."""
  torch.manual_seed(0)
  model = GPT(depth, heads, width, length, vocab)
  run = torch.compile(model) if compiled else model
  tokens = torch.randint(vocab, (batch, length + 1))

  def loss():
    logits = run(tokens[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())

  return trained(model, loss, bfloat16, fused=compiled)


class Encoder(nn.Module):
  """BERT's shape, pre-norm: what `nn.TransformerEncoder` makes of it, with a tied head."""

  def __init__(self, depth, heads, width, length, vocab):
    super().__init__()
    self.token, self.position = nn.Embedding(vocab, width), nn.Embedding(length, width)
    layer = nn.TransformerEncoderLayer(
      width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True, bias=False
    )
    norm = nn.LayerNorm(width, bias=False)
    self.layers = nn.TransformerEncoder(layer, depth, norm, enable_nested_tensor=False)

  def forward(self, tokens):
    x = self.token(tokens) + self.position(torch.arange(tokens.shape[1]))
    return functional.linear(self.layers(x), self.token.weight)


def masked(depth, heads, width, length, batch, vocab, bfloat16=False):
  """A train step of masked language modelling: 15 % of random tokens hidden and told."""
  torch.manual_seed(0)
  model = Encoder(depth, heads, width, length, vocab)
  tokens = torch.randint(vocab, (batch, length))

  def loss():
    hidden = torch.rand(tokens.shape) < 0.15
    logits = model(tokens.masked_fill(hidden, 0))
    return functional.cross_entropy(logits[hidden].float(), tokens[hidden])

  return trained(model, loss, bfloat16)


class Translator(nn.Module):
  """`nn.Transformer` with one embedding for both sides and a head of its own."""

  def __init__(self, depth, heads, width, length, vocab):
    super().__init__()
    self.token, self.position = nn.Embedding(vocab, width), nn.Embedding(length, width)
    self.body = nn.Transformer(
      width, heads, depth, depth, 2 * width, 0.1, batch_first=True, norm_first=True, bias=False
    )
    self.head = nn.Linear(width, vocab, bias=False)

  def forward(self, source, target):
    places = self.position(torch.arange(target.shape[1]))
    x, y = (
      functional.dropout(self.token(ids) + places, 0.1, self.training) for ids in (source, target)
    )
    mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
    return self.head(self.body(x, y, tgt_mask=mask, tgt_is_causal=True))


def translation(depth, heads, width, length, batch, vocab):
  """A train step of Multi30k's Transformer on random pairs without padding."""
  torch.manual_seed(0)
  model = Translator(depth, heads, width, length, vocab)
  source, target = torch.randint(vocab, (2, batch, length + 1))

  def loss():
    logits = model(source[:, :-1], target[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())

  return trained(model, loss)


def beam_transformers(depth, heads, width, length, batch, vocab, beams):
  """Beam search by transformers' `generate`, a Python loop over steps, of a BART of that shape."""
  import transformers

  torch.manual_seed(0)
  config = transformers.BartConfig(
    vocab_size=vocab,
    d_model=width,
    encoder_layers=depth,
    decoder_layers=depth,
    encoder_attention_heads=heads,
    decoder_attention_heads=heads,
    encoder_ffn_dim=2 * width,
    decoder_ffn_dim=2 * width,
    max_position_embeddings=length + 2,
    decoder_start_token_id=0,
    pad_token_id=0,
    bos_token_id=0,
    eos_token_id=None,
    forced_eos_token_id=None,
  )
  model = transformers.BartForConditionalGeneration(config).eval()
  source = torch.randint(1, vocab, (batch, length))

  def step(n):
    for _ in range(n):
      model.generate(
        source,
        attention_mask=torch.ones_like(source),
        max_new_tokens=length,
        num_beams=beams,
        do_sample=False,
      )

  return step


def beam_by_hand(depth, heads, width, length, batch, vocab, beams):
  """Beam search as tutorials have it: a Python loop over steps around `nn.Transformer`, which keeps
  no cache and so reads every beginning anew.
  """
  torch.manual_seed(0)
  model = Translator(depth, heads, width, length, vocab).eval()
  source = torch.randint(1, vocab, (batch, length))

  def search():
    places = model.position(torch.arange(length))
    memory = model.body.encoder(model.token(source) + places).repeat_interleave(beams, 0)
    tokens = torch.zeros(batch * beams, 1, dtype=torch.long)
    scores = torch.full((batch, beams), -torch.inf)
    scores[:, 0] = 0.0
    for time in range(length):
      y = model.token(tokens) + places[: time + 1]
      mask = nn.Transformer.generate_square_subsequent_mask(time + 1)
      y = model.body.decoder(y, memory, tgt_mask=mask, tgt_is_causal=True)
      logp = functional.log_softmax(model.head(y[:, -1]), -1).view(batch, beams, vocab)
      scores, best = (scores[..., None] + logp).flatten(1).topk(beams)
      rows = (best // vocab + torch.arange(batch)[:, None] * beams).flatten()
      tokens = torch.cat([tokens[rows], (best % vocab).view(-1, 1)], 1)

  def step(n):
    with torch.no_grad():
      for _ in range(n):
        search()

  return step


def decode_cached(depth, heads, width, length, batch, vocab):
  """Greedy decoding of `length` tokens with a hand-written key-value cache."""
  torch.manual_seed(0)
  model = GPT(depth, heads, width, length + 1, vocab).eval()

  def step(n):
    with torch.inference_mode():
      for _ in range(n):
        empty = torch.zeros(batch, heads, 0, width // heads)
        caches = [[empty, empty] for _ in range(depth)]
        token = torch.zeros(batch, 1, dtype=torch.long)
        for t in range(length):
          token = model(token, t, caches)[:, -1:].argmax(-1)

  return step


def decode_transformers(depth, heads, width, length, batch, vocab):
  """Greedy decoding by transformers' `generate` of a GPT-2 of the same shape."""
  import transformers

  torch.manual_seed(0)
  config = transformers.GPT2Config(
    vocab_size=vocab,
    n_positions=length + 1,
    n_embd=width,
    n_layer=depth,
    n_head=heads,
    bos_token_id=0,
    eos_token_id=None,
    pad_token_id=0,
  )
  model = transformers.GPT2LMHeadModel(config).eval()
  prompt = torch.zeros(batch, 1, dtype=torch.long)

  def step(n):
    for _ in range(n):
      model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=length, do_sample=False
      )

  return step
