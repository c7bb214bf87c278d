"""Run `python -m fleetctl`."""

from fleetctl.cli.main import main

if __name__ == "__main__":
    main()
