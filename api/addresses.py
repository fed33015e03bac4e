"""Whose requests count together, by the address that they come from."""

from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

_IPV6_NETWORK: Final = 64
"""Bits. One subscriber has at least so much of IPv6 to themselves (RFC 6177)."""
_LONGEST: Final = 60


def network_of(address: str) -> str:
    """An IPv4 address, or the network of an IPv6 address; what is neither stands for itself."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_LONGEST]
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ip_network((ip, _IPV6_NETWORK), strict=False))
