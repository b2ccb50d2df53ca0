"""Addresses: who belongs to whom. The key of an address is in `storage.addresses`, where pages are kept by it."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from storage.addresses import normal_address

# Second levels under which everybody registers: the site is one label further to the left.
_SHARED_SUFFIX = re.compile(r"\.(?:(?:gov|com|org|net|edu|ac|mil)\.(?:cn|hk|mo|tw)|[a-z]{2}\.cn)$")


def same_site(a: str, b: str) -> bool:
    """Whether two addresses belong to one operator's domain: mzj.wuhan.gov.cn and www.wuhan.gov.cn do.

    Numeric hosts and single names (localhost) are sites of their own. Ports do not count.
    """
    site_a, site_b = site_of(a), site_of(b)
    return bool(site_a) and site_a == site_b


def site_of(url: str) -> str:
    """The registered domain of an address, "" where it has no host: wuhan.gov.cn for mzj.wuhan.gov.cn."""
    return _site(host_of(url))


@lru_cache(maxsize=4096)  # the rows of a list stand on one host
def _site(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        labels = host.split(".")
        return ".".join(labels[-(3 if _SHARED_SUFFIX.search(host) else 2) :])


def host_of(url: str) -> str:
    """The host of an address in lower case, without port; "" where there is none."""
    try:
        return (urlsplit(url.strip()).hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_home(url: str) -> bool:
    """Whether an address is the front page of its host."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return urlsplit(normal_address(url)).path == "/" and not parts.query
