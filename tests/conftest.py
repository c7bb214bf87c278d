"""Options and fixtures of every test."""

pytest_plugins = ("lab.fixtures",)
