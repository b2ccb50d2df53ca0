"""How a document is recognised: by 文号 with its issuer, else by 索引号, else by its address. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import urlsplit

_KEY_LIMIT = 400  # characters; PostgreSQL's indexes refuse rows above 2,704 bytes

_TWINS = ("www.", "m.", "wap.", "mobile.", "3g.", "big5.")
_SUFFIXES = frozenset({"gov.cn", "com.cn", "org.cn", "net.cn", "edu.cn", "ac.cn"})
_SESSION_PATH = re.compile(r";[jJ][sS][eE][sS][sS][iI][oO][nN][iI][dD]=[^/?#;]*")
_SESSION_NAMES = frozenset(
    {"jsessionid", "phpsessid", "sessionid", "session_id", "cfid", "cftoken", "spm", "isappinstalled"}
)
_SESSION_PREFIXES = ("aspsessionid", "utm_")

_OPENING, _CLOSING = "[【（(〈《〔［{", "]】）)〉》〕］}"
_BRACKETS = str.maketrans(_OPENING + _CLOSING, "〔" * len(_OPENING) + "〕" * len(_CLOSING))
_SPACE = re.compile(r"\s+")


def normal_url(url: str) -> str:
    """The address with what does not tell documents apart removed.

    Scheme, www. and the mobile and traditional twins, default port, fragment, and session parameters go; path
    and the other parameters stay as they are. The result is for comparing, not for fetching.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return url.strip()
    if port not in (None, 80, 443):
        host = f"{host}:{port}"
    path = _SESSION_PATH.sub("", parts.path) or "/"
    query = "&".join(p for p in parts.query.split("&") if p and not _is_session(p.split("=", 1)[0]))
    return f"{_bare_host(host)}{path}?{query}" if query else f"{_bare_host(host)}{path}"


def normal_number(text: str) -> str:
    """A 文号 or 索引号 as it is compared: one width, one kind of bracket, no white space."""
    return _SPACE.sub("", unicodedata.normalize("NFKC", text).translate(_BRACKETS)).upper()


def identity_keys(
    url: str, doc_number: str | None = None, issuer: str | None = None, index_number: str | None = None
) -> tuple[str, ...]:
    """The keys a document can be found by, strongest first; the address is always the last.

    A 文号 counts only with its issuer, because two districts may use the same word and number. Which keys a
    document is looked up by is the caller's choice: a page that changed its number is found by its address.
    """
    keys = []
    if doc_number and issuer:
        keys.append(f"number:{normal_number(doc_number)}|{normal_number(issuer)}")
    if index_number:
        keys.append(f"index:{normal_number(index_number)}")
    return *map(short_key, keys), short_key(f"url:{normal_url(url)}")


def short_key(key: str) -> str:
    """`key`, or for an overlong one its beginning with a hash of the whole."""
    if len(key) <= _KEY_LIMIT:
        return key
    return key[: _KEY_LIMIT - 65] + "#" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _bare_host(host: str) -> str:
    for twin in _TWINS:
        rest = host.removeprefix(twin)
        if rest != host and "." in rest and rest not in _SUFFIXES:
            return _bare_host(rest)
    return host


def _is_session(name: str) -> bool:
    name = name.lower()
    return name in _SESSION_NAMES or name.startswith(_SESSION_PREFIXES)
