"""How good what a model gives is: plain functions of lists and arrays, with intervals over
examples.
"""
