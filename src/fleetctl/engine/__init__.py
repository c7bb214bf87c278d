"""Fan out over hosts: rate control, budgets, statuses, the append-only ledger. It prints nothing."""
