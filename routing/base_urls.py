"""Which addresses a provider may have: public ones, and networks that the deployment allows by name.

A base URL is checked when it is saved; gateway/address_guard.py checks the addresses again at each
connection, since a name may resolve to something else by then.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Iterable[str]]
"""Returns all addresses of a host and port as text; raises OSError if there is none."""

# Forms of IPv6 that carry an IPv4 address inside, where a private one could hide.
_CARRIERS = tuple(
    ipaddress.IPv6Network(network)
    for network in ("2002::/16", "2001::/23", "64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0/96", "::/96")
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
# Public to Python's eyes, yet special: protocol assignments (Oracle's metadata service is at 192.0.0.192), the
# 6to4 relays, and Azure's host service.
_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
)
_PLAIN_URL = re.compile(r"[!-~]+")


class RefusedAddress(Exception):
    """A base URL or an address that no provider may have. Its text may be shown to staff."""


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of their CIDR texts; raises ValueError on anything else."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def check_base_url(url: str, allowed: Sequence[Network], resolve: Resolver | None = None) -> tuple[str, ...]:
    """Return the addresses of the URL's host; raises RefusedAddress if it or any of them is not acceptable.

    Blocks while the name is resolved.
    """
    if not _PLAIN_URL.fullmatch(url) or "\\" in url:
        raise RefusedAddress("The URL may hold only visible ASCII characters.")
    try:
        parts = urlsplit(url)
        port = parts.port if parts.port is not None else (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise RefusedAddress("This is not a URL.") from None
    if parts.scheme not in ("http", "https"):
        raise RefusedAddress("The URL must start with https://")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise RefusedAddress("The URL may hold no user name, question mark or fragment.")
    if not parts.hostname or port < 1:
        raise RefusedAddress("The URL needs a host and a port that exists.")
    addresses = check_host(parts.hostname, port, allowed, resolve)
    if parts.scheme == "http" and not all(in_networks(address, allowed) for address in addresses):
        raise RefusedAddress("Only https:// keeps the key secret on the way.")
    return addresses


def check_host(
    host: str, port: int, allowed: Sequence[Network], resolve: Resolver | None = None
) -> tuple[str, ...]:
    """Return all addresses of a host; raises RefusedAddress if there is none or any of them is refused."""
    try:
        found = tuple(dict.fromkeys((resolve or system_addresses)(host, port)))
    except (OSError, UnicodeError):
        raise RefusedAddress(f"The name {host} has no address.") from None
    return check_addresses(host, found, allowed)


def check_addresses(
    host: str, found: Sequence[str], allowed: Sequence[Network], *, public: bool = True
) -> tuple[str, ...]:
    """Return the addresses as they are; raises RefusedAddress if any may not be connected to.

    public: whether addresses of the public internet will do, besides the allowed networks.
    """
    if not found:
        raise RefusedAddress(f"The name {host} has no address.")
    if not all(in_networks(address, allowed) or (public and is_public(address)) for address in found):
        raise RefusedAddress(f"{host} lies in a network that is not public (see UPSTREAM_ALLOWED_NETWORKS).")
    return tuple(found)


def system_addresses(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_public(address: str) -> bool:
    """Whether this is an ordinary address of the public internet, with none hidden inside."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local
    if special or not ip.is_global:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _SPECIAL_V4)
    return ip.scope_id is None and ip in _GLOBAL_V6 and not any(ip in carrier for carrier in _CARRIERS)


def in_networks(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address, taken literally, lies in one of the networks."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip.version == network.version and ip in network for network in networks)
