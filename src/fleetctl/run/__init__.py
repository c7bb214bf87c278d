"""Run Command: one order to many hosts."""
