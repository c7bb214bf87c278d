"""Output sinks: where copies of what runs kept are put, in object storage or another folder."""
