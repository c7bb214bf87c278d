"""How to reach hosts: one protocol, one file per way."""
