"""A port: whether something listens there, on which address, and what."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Line, Resource
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["Port"]

_LISTENS = {"tcp": "0A", "udp": "07"}  # linux: include/net/tcp_states.h: TCP_LISTEN, TCP_CLOSE


class Port(Resource):
    """A TCP or UDP port of the host."""

    type: ClassVar[str] = "port"
    port: int = Field(ge=1, le=65535)
    protocol: Literal["tcp", "udp"] = "tcp"
    state: Literal["listening", "closed"] = "listening"
    address: str | None = Field(
        default=None, description="listening there only: '127.0.0.1', or 'loopback', or 'any'"
    )
    process: Line | None = Field(default=None, description="name of the program that listens")

    @field_validator("address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value not in {None, "loopback", "any"}:
            return str(ip_address(value or ""))
        return value

    @model_validator(mode="after")
    def _together(self) -> Port:
        if self.state == "closed" and (self.address or self.process):
            raise ValueError(
                "on a port that is to be closed nothing listens: address and process make no sense"
            )
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.protocol} port {self.port}"

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked."""
        return (self.protocol, str(self.port), f"{self.port:04X}", "yes" if self.process else "no")

    def judge(self, facts: Facts) -> Verdict:
        """Compare."""
        if not facts.all("table"):
            return Verdict.unknown("this host does not tell what listens (no /proc/net)")
        found = [
            _address(text) for text in facts.all("socket") if text.split()[-1:] == [_LISTENS[self.protocol]]
        ]
        if None in found:
            return Verdict.unknown("the host's list of sockets cannot be read")
        addresses = [address for address in found if address is not None]
        told = ", ".join(dict.fromkeys(map(str, addresses)))
        findings = Findings()
        listening = self.state == "listening"
        findings.hold(
            self.name,
            expected=self.state,
            found=f"listening on {told}" if addresses else "closed",
            ok=bool(addresses) == listening,
        )
        if addresses and self.address:
            ok = (
                any(address.is_unspecified for address in addresses)
                if self.address == "any"
                else all(
                    address.is_loopback if self.address == "loopback" else str(address) == self.address
                    for address in addresses
                )
            )
            findings.hold("address", expected=self.address, found=told, ok=ok)
        if addresses and self.process:
            self._judge_process(facts, findings)
        return findings.verdict()

    def _judge_process(self, facts: Facts, findings: Findings) -> None:
        lines = facts.all("who")
        names = [name for line in lines for name in re.findall(r'\("([^"]+)"|\s[0-9]+/([^\s:]+)', line)]
        plain = sorted({first or second for first, second in names})
        why = "look as root: --become" if lines else "the host has neither ss nor netstat"
        findings.equal(
            "process", self.process, ", ".join(plain) or None, why=f"who listens cannot be told; {why}"
        )


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address of /proc/net: 32-bit words in the host's byte order (nearly always little-endian)."""
    raw = text.split(maxsplit=1)[0].partition(":")[0] if text.split() else ""
    if not re.fullmatch(r"[0-9A-F]{8}|[0-9A-F]{32}", raw):
        return None
    data = bytes.fromhex(raw)
    swapped = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    if len(swapped) == 4:
        return IPv4Address(swapped)
    address = IPv6Address(swapped)
    return address.ipv4_mapped or address
