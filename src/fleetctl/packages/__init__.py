"""How each package manager is asked, and how its answer is read."""
