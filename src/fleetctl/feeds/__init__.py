"""Feeds: what others know about CVEs, read from files that the user brings, and kept so that it can be asked offline."""
