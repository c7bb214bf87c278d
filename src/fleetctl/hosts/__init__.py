"""Who: inventories, sources and selectors."""
