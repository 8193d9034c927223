"""Data: real text in, batches out, each batch a pure function of (seed, step, config).

sources -> cleaning -> split -> tokenizers -> writer -> store -> windows | packing | examples ->
mixture -> loader. numpy and the standard library only; `datasets`, `tokenizers` and what cleaning
needs are imported inside the few functions that prepare a store or encode text, so that training on
a prepared store imports none of them. No jax anywhere here.
"""
