"""How results are told to machines: one file per format."""
