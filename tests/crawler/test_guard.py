"""Only public addresses: a table of what must pass and of every known way around."""

from __future__ import annotations

import ipaddress

import pytest

from crawler.guard import PrivateAddressError, check_addresses, check_host, is_public, literal_address

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "114.114.114.114",
    "172.32.0.1",
    "192.169.0.1",
    "240e:0:1::1",
    "2606:4700::1111",
]
NOT_PUBLIC = {
    "loopback": ["127.0.0.1", "127.8.9.10", "::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1", "fec0::1"],
    "link-local and metadata": ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254"],
    "shared by carriers": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "multicast, broadcast, reserved": ["224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "ff02::1"],
    "documentation and benchmarks": ["192.0.2.1", "198.51.100.1", "203.0.113.9", "198.18.0.1", "2001:db8::1"],
    "IPv4 inside IPv6": [
        "::ffff:127.0.0.1",
        "::ffff:a00:1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
}
SPELLINGS = {
    "2130706433": "127.0.0.1",
    "0x7f000001": "127.0.0.1",
    "0X7F.1": "127.0.0.1",
    "017700000001": "127.0.0.1",
    "0177.0.0.1": "127.0.0.1",
    "127.1": "127.0.0.1",
    "127.0.1": "127.0.0.1",
    "127.0.0.1.": "127.0.0.1",
    "0": "0.0.0.0",
    "0xa9fea9fe": "169.254.169.254",
    "169.254.43518": "169.254.169.254",
    "[::1]": "::1",
    "fe80::1%eth0": "fe80::1",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    check_addresses("example.org", [address])


@pytest.mark.parametrize("address", [a for group in NOT_PUBLIC.values() for a in group])
def test_others_do_not(address: str) -> None:
    with pytest.raises(PrivateAddressError, match="allow_private"):
        check_addresses("example.org", ["1.1.1.1", address])
    with pytest.raises(PrivateAddressError):
        check_host(address)


@pytest.mark.parametrize(("spelling", "address"), SPELLINGS.items())
def test_odd_spellings_are_read_as_connecting_libraries_read_them(spelling: str, address: str) -> None:
    assert str(literal_address(spelling)).partition("%")[0] == address
    with pytest.raises(PrivateAddressError):
        check_host(spelling)


@pytest.mark.parametrize(
    "name",
    ["example.org", "mzj.example.gov.cn", "localhost", "1.2.3.4.5", "256.256.256.256", "12ab.cn", ""],
)
def test_names_are_left_to_the_resolver(name: str) -> None:
    assert literal_address(name) is None
    check_host(name)


def test_what_a_resolver_returns_must_be_an_address() -> None:
    with pytest.raises(PrivateAddressError):
        check_addresses("example.org", ["not-an-address"])
