"""Resource types: a policy checks them, a state repairs them. One file each."""
