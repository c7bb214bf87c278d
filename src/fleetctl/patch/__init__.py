"""Patch Manager: what each host lacks, by baseline."""
