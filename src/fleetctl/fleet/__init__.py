"""The composition root: reads the project and hands out the services, so that all that the command line does is a Python call.

from fleetctl.fleet import Fleet

fleet = Fleet.open()
result = fleet.run("web,&env=prod", "uptime")
for outcome in result.outcomes:
    print(outcome.host, outcome.status, result.folder.read_output(outcome.host, "stdout"))
"""

from __future__ import annotations

from fleetctl.fleet.fleet import Fleet

__all__ = ["Fleet"]
