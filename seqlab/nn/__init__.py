"""Parameters live here: layers, channel mixing, sequence mixers and the stack over depth."""
