"""Published decoders as configs: their sizes and patterns, to be trained, counted or cut down.

Sizes:    llama3       Llama 3.2 1B (arXiv:2407.21783; Meta's config.json): 1,235,814,400 parameters
          llama2_7b    Llama 2 7B (arXiv:2307.09288; Meta's config.json): 6,738,415,616 parameters
          mamba2       Mamba-2 130M (arXiv:2405.21060, table 9): 128,989,632 parameters
          griffin      RecurrentGemma 2B (arXiv:2404.07839, table 1; Griffin arXiv:2402.19427)
          rwkv7        RWKV-7 0.1B (arXiv:2503.14456, table 2)
          xlstm        xLSTM[7:1] of 24 blocks (arXiv:2405.04517, section 4.3)
          qwen3_next   Qwen3-Next 80B (the model's config.json): three Gated DeltaNets to one
                       attention, 10 of 512 experts
          The first three are so to the parameter. The others keep width, depth, pattern, heads and
          vocabulary; what a block has beside its mixer is seqlab's: no token shift in RWKV-7's
          channel mixing, no MLP behind sLSTM, no gate on attention and no expert shared by all in
          Qwen3-Next.
Command:  seqlab plan --config=experiments/presets.py:llama2_7b --topology=v5e:16x16 \\
            --config.mesh.data=1 --config.mesh.fsdp=-1
          seqlab flops --config=experiments/presets.py:llama3
          seqlab train --config=experiments/presets.py:mamba2 --workdir=runs/mamba2 \\
            --config.data.source="jsonl(path='openwebtext/*.jsonl.gz')"
Time:     not run: these sizes want accelerators.
Expected: the papers' curves are of data that is not here; nothing is claimed.
"""

from ml_collections import ConfigDict

# width, depth, vocabulary, tied, mixer, mlp, norm
MODELS = dict(
  llama3=(2048, 16, 128256, True, "attention(heads=32, kv_heads=8, rope_base=500000.0)",
          "gated(ratio=4.0)", "rms"),
  llama2_7b=(4096, 32, 32000, False, "attention(heads=32)", "gated(ratio=2.6875)", "rms"),
  mamba2=(768, 24, 50288, True, "mamba2(heads=24, states=128)", "none()", "rms"),
  griffin=(2560, 26, 256000, True, "rg_lru(heads=10) | rg_lru(heads=10) | attention(heads=10, "
           "kv_heads=1, window=2048)", "gated(ratio=3.0, activation='gelu')", "rms"),
  rwkv7=(768, 12, 65536, False, "rwkv7(heads=12)", "plain(activation='relu2')", "layer"),
  xlstm=(768, 24, 50304, False, "mlstm() | " * 7 + "slstm()", "none()", "layer"),
  qwen3_next=(2048, 48, 151936, False, "gated_delta_net(heads=16) | " * 3 + "attention(heads=16, "
              "kv_heads=2, head_width=256, qk_norm=True, rope_base=10000000.0)",
              "moe(experts=512, active=10, ratio=0.25)", "rms"),
)  # fmt: skip
ARGUMENTS = tuple(MODELS)


def get_config(name="llama3"):
  width, depth, vocab, tied, mixer, mlp, norm = MODELS[name]
  config = ConfigDict()
  config.steps, config.batch, config.length, config.accumulate = 100_000, 256, 2048, 16
  config.lr, config.schedule, config.optimizer = 4e-4, "cosine(warmup=2000)", "adamw(b2=0.95)"
  config.model = ConfigDict(dict(width=width, depth=depth, vocab=vocab, tied=tied))
  config.model.mixer, config.model.mlp, config.model.norm = mixer, mlp, norm
  config.model.dtype, config.model.remat = "bfloat16", "full"
  config.data = ConfigDict(dict(source="embedded()", tokenizer="bpe(vocab=8192)"))
  config.evaluate = ConfigDict(dict(every=1000, batches=20))
  config.checkpoint = ConfigDict(dict(every=1000))
  return config
