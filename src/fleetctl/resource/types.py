"""All resource types, by the name that they have in files."""

from __future__ import annotations

from typing import Final

from fleetctl.resource.command import CommandCheck
from fleetctl.resource.file import File
from fleetctl.resource.kernel_module import KernelModule
from fleetctl.resource.mount import Mount
from fleetctl.resource.package import Package
from fleetctl.resource.port import Port
from fleetctl.resource.protocol import Resource
from fleetctl.resource.service import Service
from fleetctl.resource.sshd import Sshd
from fleetctl.resource.sysctl import Sysctl
from fleetctl.resource.user import User

__all__ = ["TYPES"]

TYPES: Final[dict[str, type[Resource]]] = {
    kind.type: kind
    for kind in (Package, File, Service, Port, Sysctl, User, Sshd, KernelModule, Mount, CommandCheck)
}
