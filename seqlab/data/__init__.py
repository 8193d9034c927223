"""Data: real text in, batches out, each batch a pure function of (seed, step, config).

sources -> split -> tokenizers -> writer -> store -> windows | packing | examples -> mixture ->
loader. numpy and the standard library only; `datasets` and `tokenizers` are imported inside the few
functions that prepare a store or encode text, so that training on a prepared store imports neither.
No jax anywhere here.
"""
