"""Pure functions of arrays: no parameters, no flax, nothing of seqlab but each other.

Each op has a naive form that reads like its paper beside the form that runs fast; tests hold their
values and gradients equal. An op picks its form at trace time from `backend()` and the shapes.
"""
