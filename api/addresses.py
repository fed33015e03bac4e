"""Which client addresses share a rate limit."""

from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

_IPV6_NETWORK: Final = 64
"""Prefix length in bits. One subscriber has at least a /64 (RFC 6177)."""
_LONGEST: Final = 60


def network_of(address: str) -> str:
    """An IPv4 address, or the network of an IPv6 address; anything else is returned as it is."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_LONGEST]
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ip_network((ip, _IPV6_NETWORK), strict=False))
