"""One key for the several spellings of one page's address. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

# Twins serve the same page under the same path: the bare domain, the mobile site, the accessible one.
_TWIN = re.compile(r"^(?:(?:www\d?|m|wap|mobile|3g|wza)\.)+(?=[^.]+\.)")
_DEFAULT_PAGE = re.compile(r"/(?:index|default)\.(?:s?html?|jsp|php|aspx?)$", re.IGNORECASE)
_SESSION_IN_PATH = re.compile(r";jsessionid=[^/?#]*", re.IGNORECASE)
_MIRROR = re.compile(r"^/gate/(?:big5|gb)/([^/]+\.[^/]+)(/.*)?$")  # the traditional-Chinese gateway
_PASSING = re.compile(
    r"^(?:jsessionid|phpsessid|aspsessionid\w*|sessionid|_t|_|timestamp|rnd|rand|random|nocache|token"
    r"|utm_\w+|spm|isappinstalled|from_?source|share_?\w*|ivk_sa|wxuid)$",
    re.IGNORECASE,
)
_MOMENT = re.compile(r"^(?:1\d{9}|1\d{12}|0\.\d+)$")


@lru_cache(maxsize=65536)
def normal_address(url: str) -> str:
    """The key under which all spellings of one page's address meet. Not an address to fetch.

    Scheme, www. and mobile host, default port, default page (index.html), fragment, session and time
    parameters, order of parameters and percent-encoding do not count. What cannot be split as an address
    comes back stripped of white space only.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url.strip()
    if not host:
        return url.strip()
    path = parts.path or "/"
    if mirrored := _MIRROR.match(path):
        host, path, port = mirrored[1].lower(), mirrored[2] or "/", None
    return f"https://{_TWIN.sub('', host)}{_printed_port(port)}{_normal_path(path)}{_normal_query(parts)}"


def _printed_port(port: int | None) -> str:
    return "" if port in (None, 80, 443) else f":{port}"


def _normal_path(path: str) -> str:
    path = _SESSION_IN_PATH.sub("", path)
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            kept[-1:] = []
        elif segment not in ("", "."):
            kept.append(segment)
    ending = "/" if kept and segments[-1] in ("", ".", "..") else ""
    plain = "/" + "/".join(kept) + ending
    bare = unquote(_DEFAULT_PAGE.sub("/", plain), errors="surrogateescape")
    return quote(bare, safe="/~:@!$&'()*+,;=", errors="surrogateescape")


def _normal_query(parts: SplitResult) -> str:
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
        if not _PASSING.match(name) and not (len(name) <= 2 and _MOMENT.match(value))
    ]
    return "?" + urlencode(sorted(kept), errors="surrogateescape") if kept else ""
