"""Inventory sources, one file each."""
