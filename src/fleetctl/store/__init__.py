"""Where things are kept: the project on disk, its settings, and run directories."""
