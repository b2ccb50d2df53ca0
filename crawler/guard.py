"""Which addresses a watcher may talk to: public ones, and nothing behind the operator's own walls.

A source list is data, and a redirect is written by a stranger. Without this check either could make the
daemon read an intranet page or a cloud's metadata service and archive it. All functions are pure; the
resolver that asks the network lives with the transport and passes what it found through `check_addresses`
before any connection.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NUMERIC_HOST = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?", re.IGNORECASE)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291, 2.5.5.1: deprecated, yet stacks still route it


class PrivateAddressError(ValueError):
    """A host, or one of the addresses it resolves to, is not on the public internet."""


def literal_address(host: str) -> Address | None:
    """The address that `host` spells, None for a name.

    Reads what connecting libraries read: dotted and bracketed forms, scope ids, and the decimal, octal,
    hexadecimal and shortened notations of inet_aton (2130706433, 0177.0.0.1, 0x7f.1).
    """
    bare = host.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    if not _NUMERIC_HOST.fullmatch(bare):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(bare.rstrip(".")))
    except OSError:
        return None


def is_public(address: Address) -> bool:
    """Whether `address`, and any IPv4 address wrapped inside it, can be reached by everybody."""
    wrapped = _wrapped(address)
    if wrapped is not None:
        return is_public(wrapped)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
    )


def _wrapped(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def check_host(host: str) -> None:
    """Raise PrivateAddressError where `host` itself spells an address that is not public.

    A name passes: what it resolves to is checked at the moment of connecting, so that no second answer of its
    name server can differ from the one that was checked.
    """
    address = literal_address(host)
    if address is not None:
        check_addresses(host, [str(address)])


def check_addresses(host: str, addresses: Iterable[str]) -> None:
    """Raise PrivateAddressError unless every one of `addresses` is public.

    All must pass, not only the first: a name that answers with one public and one private address is a known
    way around this check.
    """
    for text in addresses:
        address = literal_address(text)
        if address is None or not is_public(address):
            raise PrivateAddressError(
                f"{host} leads to {text}, which is not a public address; "
                "allow_private = true permits it, for tests and intranets"
            )
