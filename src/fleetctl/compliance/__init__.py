"""Verdicts: what patch scans and policies report into."""
