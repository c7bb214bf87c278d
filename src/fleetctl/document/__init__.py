"""SSM Command documents: checked, filled with parameters, and turned into steps."""
