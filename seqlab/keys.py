"""The keys of a config: what each is by default and what it says.

This is the one list; a test keeps it short. What a part may say beyond a number is a call written
as text ("adamw(b2=0.99)", see `spec`): a new member brings its arguments, no new key.
"""

from typing import Any

# key: (default, what it is)
DEFAULTS: dict[str, tuple[Any, str]] = {
  "seed": (0, "of parameters, data order and dropout"),
  "seeds": (1, "runs in one program, seeds from `seed` on, each in WORKDIR/seedN"),
  "steps": (1000, "optimizer steps"),
  "batch": (32, "sequences a step, over all devices"),
  "length": (256, "tokens a sequence"),
  "accumulate": (1, "microbatches a step is cut into"),
  "inner_steps": (1, "steps in one dispatch; the run is bitwise the same"),
  "lr": (1e-3, "peak learning rate"),
  "lrs": ((), "learning rates of runs in one program, each in WORKDIR/lrX; () for lr alone"),
  "schedule": ("cosine(warmup=100)", "cosine, wsd, constant, inverse_sqrt, step or per_epoch"),
  "optimizer": ("adamw()", "adamw, sgd, lion, adadelta, adafactor or muon"),
  "decay": (0.1, "weight decay of matrices"),
  "decay_of": ("", "selector of what decays; '' for matrices"),
  "clip": (1.0, "global norm that gradients are clipped to; 0 for none"),
  "rates": ((), "((selector, factor), ...): learning rates by group of parameters"),
  "ema": (0.0, "decay of the average of parameters that is evaluated; 0 for none"),
  "nonfinite": ("stop", "at a loss or gradient that is not finite: stop or skip the step"),
  "objective": ("language_model()", "or masked_language_model, prefix_language_model, answers, "
    "sequence_to_sequence, span_corruption, tagging, classification, multi_label_classification, "
    "regression, variational, sequence_adversarial; of arrays also autoencoding, adversarial, "
    "frames"),
  "model.name": ("decoder", "the network: decoder, encoder (reads both ways), encoder_decoder, "
    "prefix_decoder, compressor, text_cnn, dilated_cnn, text_vae, sequence_gan; of arrays reader, "
    "of mixers, and mlp, cnn, autoencoder, vae, gan, with their sizes as arguments"),
  "model.width": (256, "of the residual stream"),
  "model.depth": (4, "blocks"),
  "model.parameters": (0, "finds the width for so many beside those of ids; 0 for model.width"),
  "model.mixer": ("attention(heads=4)", "sequence mixers, as README.md lists them; | repeats "
    "them as a pattern over depth"),
  "model.mlp": ("plain()", "channel mixer: plain, gated, moe or none"),
  "model.norm": ("rms", "before mixer, mlp and head: rms, layer or none"),
  "model.residual": (True, "blocks add to what they read; false for plain layers on one another"),
  "model.learned_positions": (False, "a learned absolute position table of `length` rows"),
  "model.tied": (True, "the head over tokens is the embedding"),
  "model.pool": ("mean", "features a class is read from: mean, first or last"),
  "model.vocab": (0, "rows of the embedding; 0 for the tokenizer's ids"),
  "model.dropout": (0.0, "on embeddings and on both branches of a block"),
  "model.dtype": ("float32", "of activations: float32 or bfloat16; parameters stay float32"),
  "model.remat": ("none", "computed anew in the backward pass: none, dots (keep products), offload "
    "(keep them in the host's memory), full"),
  "model.unroll": (0, "blocks compiled at once; 0 for all up to 12, else one in a loop"),
  "data.source": ("embedded()", "text, jsonl, csv, parquet, hub, embedded, parallel, labelled, "
    "conll, entities, additions, oracle, | mixes; arrays: idx, npz, digits, ring, grid, adding, "
    "rolls; tasks"),
  "data.clean": ("", "steps of cleaning, such as lower() | words(); '' for none"),
  "data.tokenizer": ("bytes()", "bytes, characters, words, bpe, unigram, wordpiece or file"),
  "data.valid": ("hash(fraction=0.1)", "the validation split: hash, tail, or a source of its own"),
  "data.rows": ("windows", "windows over the text, or packed: rows of whole documents"),
  "data.store": ("", "folder of prepared data; '' for the user's cache"),
  "evaluate.every": (500, "steps between evaluations"),
  "evaluate.batches": (0, "batches of an evaluation while training; 0 for the whole set"),
  "checkpoint.every": (500, "steps between checkpoints; an evaluation makes one too"),
  "checkpoint.keep": (2, "newest checkpoints that stay"),
  "checkpoint.best": (1, "checkpoints that stay for the best validation"),
  "checkpoint.metric": ("loss", "what is best there: the lowest loss, or the highest accuracy"),
  "log.every": (10, "steps between lines of metrics"),
  "log.tensorboard": (True, "also write TensorBoard events"),
  "log.to": ((), "where numbers go besides: wandb, trackio"),
  "log.alert": ("", "command that is started at an alert, with its text; '' for none"),
  "log.profile": (0, "step from which a jax.profiler trace of 3 dispatches is written; 0 for none"),
  "mesh.data": (-1, "devices along each mesh axis; -1 takes what is left"),
  "mesh.fsdp": (1, "devices that share out parameters, and the batch"),
  "mesh.tensor": (1, "devices that share out hidden units, heads and the vocabulary"),
  "mesh.sequence": (1, "devices that share out time"),
  "mesh.expert": (1, "devices that share out experts"),
  "axes": ((), "((letter, mesh axis), ...): changes to the table of axes"),
  "init.path": ("", "workdir of a run whose parameters this one starts from"),
  "init.keep": (".*", "selector of the parameters that are taken"),
  "init.freeze": ("", "selector of the parameters that do not move"),
  "init.adapt": ("", "how they are adapted: lora, layer_decay, gradual, mup; | joins them"),
  "plugins": ((), "Python files that register parts of their own"),
}  # fmt: skip

# What a tuple of each key looks like, for errors.
TUPLES = {
  "lrs": "(0.001, 0.003)", "rates": "(('V', 0.1),)", "axes": "(('K', 'tensor'),)",
  "plugins": "('mine.py',)", "log.to": "('wandb',)",
}  # fmt: skip
REQUIRED = object()  # the value of a placeholder that is still to be filled

# What may differ between the two halves of a resumed run: where and how it runs, not what it
# computes.
FREE = (
  *("evaluate.", "checkpoint.every", "checkpoint.keep", "checkpoint.best", "log.", "mesh.", "axes"),
  *("inner_steps", "data.store", "model.unroll"),
)
