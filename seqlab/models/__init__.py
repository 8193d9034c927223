"""Whole networks: flax modules, and the plain functions through which objectives see them."""
