"""How a document is recognised: by 文号 with its issuer, else by 索引号, else by its address. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from storage.addresses import normal_address

_KEY_LIMIT = 400  # characters; PostgreSQL's indexes refuse rows above 2,704 bytes

_OPENING, _CLOSING = "[【（(〈《〔［{", "]】）)〉》〕］}"
_BRACKETS = str.maketrans(_OPENING + _CLOSING, "〔" * len(_OPENING) + "〕" * len(_CLOSING))
_SPACE = re.compile(r"\s+")


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
    return *map(short_key, keys), short_key(f"url:{normal_address(url)}")


def short_key(key: str) -> str:
    """`key`, or for an overlong one its beginning with a hash of the whole."""
    if len(key) <= _KEY_LIMIT:
        return key
    return key[: _KEY_LIMIT - 65] + "#" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
