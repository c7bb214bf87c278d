"""Inventory sources: one file each, and the parts that Ansible's share."""
