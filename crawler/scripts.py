"""What a page's scripts say without running them: literals, variables, the rows that they would write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

NO_VALUE: Final = object()  # told apart from a literal null
_MAX_DEPTH = 60
_MAX_TRIES = 60  # literals looked at in one page
_MAX_CALLS = 500  # document.write calls evaluated in one script
_MAX_ARGUMENT = 2000  # characters of one call
_DECODER = json.JSONDecoder(strict=False)

_TOKEN = re.compile(
    r"\s+|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>[\w$]+)|(?P<mark>[{}\[\],:])",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\r?\n|.)", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "", "f": "", "\n": "", "\r\n": ""}
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "undefined": None}
_LITERAL_START = re.compile(r"(?:^|=|\(|:|\breturn)\s*(?=\[\s*\{|\{)")
_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_PARSED_STRING = re.compile(rf"JSON\.parse\(\s*({_STRING})", re.S)
_VARIABLE = re.compile(
    rf"(?:\bvar\s+|\blet\s+|\bconst\s+|^|[;,{{\s])([\w$]+)\s*=\s*({_STRING}|-?\d+(?:\.\d+)?)(?=\s*[;,\n\r/}}]|\s*$)",
    re.S,
)
_WRITE = re.compile(r"document\s*\.\s*write(?:ln)?\s*\(")
_PART = re.compile(
    rf"(?P<string>{_STRING})|(?P<word>[A-Za-z_$][\w$]*)|(?P<open>\()|(?P<close>\))|(?P<end>;)|[^\w$\"'();]+|\w+|.",
    re.S,
)


def parse_literal(source: str, start: int) -> tuple[Any, int]:
    """The JSON or JavaScript literal at `start` and where it ends; (NO_VALUE, start) where there is none.

    Beyond JSON: single quotes, bare keys, comments, trailing commas, undefined. Expressions are no literals.
    """
    try:
        return _DECODER.raw_decode(source, start)
    except (ValueError, RecursionError):
        pass
    try:
        return _Reader(source, start).value(0)
    except (ValueError, IndexError):
        return NO_VALUE, start


def literals(source: str) -> Iterator[Any]:
    """The objects and arrays that a script is, assigns, passes, returns or parses, the outer ones first."""
    for packed in islice(_PARSED_STRING.finditer(source), _MAX_TRIES):
        if (value := parse_literal(unquoted(packed[1]), 0)[0]) is not NO_VALUE:
            yield value
    position = 0
    for _ in range(_MAX_TRIES):
        found = _LITERAL_START.search(source, position)
        if not found:
            return
        value, end = parse_literal(source, found.end())
        position = end if value is not NO_VALUE else found.end() + 1
        if value is not NO_VALUE:
            yield value


def variables(source: str) -> dict[str, str]:
    """Names that a script sets to a string or a number, with the last value of each."""
    return {name: unquoted(value) for name, value in _VARIABLE.findall(source)}


def unquoted(literal: str) -> str:
    """The value of a string literal; anything else as it stands."""
    if len(literal) < 2 or literal[0] not in "\"'`":
        return literal
    return _ESCAPE.sub(_unescape, literal[1:-1])


def written_html(source: str) -> str:
    """The HTML that a script's document.write calls produce, their variables filled in where they are known.

    Both branches of a condition are written: one row twice, told as one by its address.
    """
    known = variables(source)
    return "".join(_evaluated(source, call.end(), known) for call in islice(_WRITE.finditer(source), _MAX_CALLS))


def _evaluated(source: str, start: int, known: dict[str, str]) -> str:
    """The argument of a call as a string: literals and known names in order; calls on them are ignored."""
    parts: list[str] = []
    depth = 0
    for part in _PART.finditer(source, start, start + _MAX_ARGUMENT):
        if part["open"]:
            depth += 1
        elif part["close"]:
            depth -= 1
            if depth < 0:
                break
        elif depth == 0 and part["string"]:
            parts.append(unquoted(part["string"]))
        elif depth == 0 and part["word"] in known:
            parts.append(known[part["word"]])
        elif part["end"] and depth == 0:
            break
    return "".join(parts)


def _unescape(escape: re.Match[str]) -> str:
    code = escape[1]
    if code[0] in "ux" and len(code) > 1:
        return chr(int(code[1:], 16))
    return _PLAIN.get(code, code)


class _Reader:
    """A recursive reader over the tokens of one literal."""

    def __init__(self, source: str, start: int) -> None:
        self.source, self.position = source, start

    def value(self, depth: int) -> tuple[Any, int]:
        token = self.next()
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        if token["string"]:
            result: Any = unquoted(token["string"])
        elif token["number"]:
            result = float(token["number"]) if "." in token["number"] else int(float(token["number"]))
        elif token["word"] in _WORDS:
            result = _WORDS[token["word"]]
        elif token["mark"] == "[":
            result = self.array(depth)
        elif token["mark"] == "{":
            result = self.object(depth)
        else:
            raise ValueError("not a literal")
        return result, self.position

    def array(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while True:
            if self.take("]"):
                return items
            items.append(self.value(depth + 1)[0])
            if not self.take(","):
                self.expect("]")
                return items

    def object(self, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while True:
            if self.take("}"):
                return items
            key = self.next()
            name = unquoted(key["string"]) if key["string"] else key["word"] or key["number"]
            if not name and not key["string"]:
                raise ValueError("no key")
            self.expect(":")
            items[name or ""] = self.value(depth + 1)[0]
            if not self.take(","):
                self.expect("}")
                return items

    def next(self) -> re.Match[str]:
        while True:
            token = _TOKEN.match(self.source, self.position)
            if not token:
                raise ValueError("not a literal")
            self.position = token.end()
            if token.lastgroup:
                return token

    def take(self, mark: str) -> bool:
        before = self.position
        if self.next()["mark"] == mark:
            return True
        self.position = before
        return False

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise ValueError(f"{mark} expected")
