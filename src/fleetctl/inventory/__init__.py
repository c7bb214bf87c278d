"""Inventory: what is on the hosts, as they tell it, kept over time (SSM: Inventory)."""
