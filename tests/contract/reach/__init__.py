"""Real SSH servers and throw-away accounts on this machine, for the contract tests."""
