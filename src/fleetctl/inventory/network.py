"""Read the type Network: every interface but the loopback, as SSM has it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network
from typing import Final

from fleetctl.inventory.types import Item
from fleetctl.packages.sections import Section, Sections

__all__ = ["own_address", "read_network"]

_LOOPBACK: Final = "lo"
_IFCONFIG: Final = re.compile(r"\binet (?:addr:)?([0-9.]+).*?(?:Mask:|netmask )(0x[0-9a-f]{8}|[0-9.]+)")
_IP_LINK: Final = re.compile(r"(\d+): ([^@:\s]+)(?:@\S+)?: (?:.* state (\w+))?(?:.*link/\w+ ([0-9a-f:]+))?")
_LEASE: Final = re.compile(r'interface "([^"]+)"|dhcp-server-identifier ([0-9.]+)')
_HEX: Final = re.compile(r"[0-9A-Fa-f]{8}")
_UP_GATEWAY: Final = 3  # RTF_UP | RTF_GATEWAY


@dataclass(slots=True, kw_only=True)
class _Link:
    mac: str = ""
    state: str = ""
    index: str = ""
    ipv4: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    ipv6: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)


def read_network(sections: Sections) -> list[Item]:
    """Return one item an interface; several addresses of one are joined by commas (SSM does the same)."""
    links: dict[str, _Link] = {}
    _links(sections["inv-links"], links)
    _addresses(sections["inv-addresses"], links)
    _addresses6(sections["inv-if-inet6"], links)
    _gateways(sections["inv-routes"], sections["inv-routes6"], links)
    _leases(sections["inv-leases"], links)
    names = [words[1] for line in sections["inv-dns"].lines if len(words := line.split()) > 1]
    return [_item(name, link, names) for name, link in links.items()]


def own_address(items: list[Item]) -> str:
    """Return the address that a host is most likely known by: that of the interface with the default route, else any."""
    ranked = sorted(
        items, key=lambda item: (not item.get("Gateway"), item.get("State") != "up", item["Name"])
    )
    told = [item[family] for item in ranked for family in ("IPV4", "IPV6") if item.get(family)]
    return told[0].partition(",")[0] if told else ""


def _item(name: str, link: _Link, names: list[str]) -> Item:
    item = {
        "Name": name,
        "MacAddress": link.mac,
        "IPV4": ",".join(link.ipv4),
        "IPV6": ",".join(sorted(set(link.ipv6))),
        "SubnetMask": ",".join(link.masks),
        "Gateway": ",".join(link.gateways),
        "DHCPServer": ",".join(link.servers[-1:]),
        "DNSServer": ",".join(names),
        "State": link.state,
    }
    return {field: text for field, text in item.items() if text}


def _links(section: Section, links: dict[str, _Link]) -> None:
    """Read names from /proc and the rest from /sys; where there is `ip`, it knows better."""
    for line in section.lines:
        fields = line.split("\t")
        if len(fields) == 4 and fields[0] != _LOOPBACK:
            links[fields[0]] = _Link(mac=fields[1], state=fields[2], index=fields[3])
        elif (found := _IP_LINK.match(line)) is not None and (link := links.get(found[2])) is not None:
            link.index, link.mac = found[1], found[4] or link.mac
            link.state = found[3].lower() if found[3] else link.state


def _addresses(section: Section, links: dict[str, _Link]) -> None:
    """Read IPv4 from `ip -o addr`, or from any `ifconfig -a`."""
    name = ""
    for line in section.lines:
        words = line.split()
        if len(words) > 3 and words[2] == "inet" and words[0].endswith(":"):
            _add_ipv4(links.get(words[1].partition("@")[0]), words[3])
        elif words and not line[:1].isspace():
            name = words[0].rstrip(":")
        if (found := _IFCONFIG.search(line)) is not None:
            mask = str(IPv4Address(int(found[2], 16))) if found[2].startswith("0x") else found[2]
            _add_ipv4(links.get(name.partition(":")[0]), f"{found[1]}/{mask}")


def _add_ipv4(link: _Link | None, text: str) -> None:
    try:
        interface = ip_interface(text)
    except ValueError:
        return
    if link is not None and interface.version == 4:
        link.ipv4.append(str(interface.ip))
        link.masks.append(str(interface.netmask))


def _addresses6(section: Section, links: dict[str, _Link]) -> None:
    """Read /proc/net/if_inet6: every Linux has it, whatever tools it lacks."""
    for line in section.lines:
        words = line.split()
        if len(words) == 6 and words[5] in links and len(words[0]) == 32:
            try:
                links[words[5]].ipv6.append(str(IPv6Address(int(words[0], 16))))
            except ValueError:
                continue


def _gateways(routes: Section, routes6: Section, links: dict[str, _Link]) -> None:
    """Read default routes: IPv4 from /proc/net/route, whose byte order is the host's."""
    rows = [words for line in routes.lines if len(words := line.split()) >= 8 and _HEX.fullmatch(words[1])]
    little = _little(rows)
    for words in rows:
        name, target, gateway, flags, mask = words[0], words[1], words[2], words[3], words[7]
        if name in links and int(target, 16) == 0 and _HEX.fullmatch(gateway) and mask.strip("0") == "":
            try:
                if int(flags, 16) & _UP_GATEWAY == _UP_GATEWAY:
                    data = bytes.fromhex(gateway)
                    links[name].gateways.append(str(IPv4Address(data[::-1] if little else data)))
            except ValueError:
                continue
    for line in routes6.lines:
        words = line.split()
        if words[:2] == ["default", "via"] and "dev" in words[:-1]:
            link = links.get(words[words.index("dev") + 1])
            if link is not None and words[2] not in link.gateways:
                link.gateways.append(words[2])


def _little(rows: list[list[str]]) -> bool:
    """Tell the byte order by the masks: they have their ones in front only when they are read the right way."""
    for words in rows:
        mask = words[7]
        if not _HEX.fullmatch(mask) or mask.upper() in {"00000000", "FFFFFFFF"}:
            continue
        try:
            ip_network(f"0.0.0.0/{IPv4Address(bytes.fromhex(mask)[::-1])}")
        except ValueError:
            return False
        return True
    return True


def _leases(section: Section, links: dict[str, _Link]) -> None:
    by_index = {link.index: link for link in links.values()}
    link: _Link | None = None
    for line in section.lines:
        if (found := _LEASE.search(line)) is not None:
            if found[1]:
                link = links.get(found[1])
            elif link is not None:
                link.servers.append(found[2])
        elif len(words := line.split()) == 2 and words[0] in by_index:
            by_index[words[0]].servers.append(words[1])
