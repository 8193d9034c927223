"""seqlab: train sequence models in JAX and compare their architectures honestly."""

__version__ = "0.1.0"
