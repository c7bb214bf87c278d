"""fleetctl: AWS Systems Manager's job for any fleet, with no agent, no server and no cloud."""

__all__ = ["__version__"]

__version__ = "0.1.0"
