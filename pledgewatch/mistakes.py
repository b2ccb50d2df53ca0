"""Mistakes in a configuration told so that an operator can mend them: line, key, what is wrong, what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

Key = tuple[str | int, ...]

#: pydantic's error types in the words of somebody who writes TOML. {…} are pydantic's context.
_WORDS = {
    "missing": "is missing",
    "string_type": 'write it in quotes: "…"',
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "int_parsing_size": "the number is too large",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "finite_number": "write a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "too_short": "names none",
    "tuple_type": 'write a list: ["…", "…"]',
}


def told(key: Key, what: str, lines: Mapping[Key, int]) -> tuple[int, str]:
    """The line of a mistake (0 where it has none) and the mistake in one line of words.

    >>> told(("sources", 0, "url"), "is missing", {("sources", 0): 3})
    (3, 'line 3: sources[1].url: is missing')
    """
    line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), 0)
    name = ".".join(f"[{p + 1}]" if isinstance(p, int) else _shown(p) for p in key).replace(".[", "[")
    return line, f"{f'line {line}: ' if line else ''}{f'{name}: ' if name else ''}{what}"


def _shown(part: str) -> str:
    return part if len(part) <= 60 and part.isprintable() else ascii(part[:60])[1:-1] + "…"


def explain(error: Any, model: type[BaseModel]) -> str:
    """What one of pydantic's errors says, in words. Never repeats the value: it may be a secret."""
    key, kind, context = tuple(error["loc"]), error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(key, model)
    if kind in ("model_type", "dataclass_type"):
        return f"is one table: write [{key[0]}]" if len(key) == 1 else "write a table"
    if kind == "tuple_type" and len(key) == 1:
        return f"write [[{key[0]}]]: there may be several"
    if kind == "literal_error":
        return f"write {context['expected']}".replace("'", '"') + _meant(error["input"], context["expected"])
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    return str(error["msg"]).removeprefix("Value error, ")


def _meant(value: object, expected: str) -> str:
    return nearest(value, re.findall(r"'([^']+)'", expected)) if isinstance(value, str) else ""


def _unknown_key(key: Key, model: type[BaseModel]) -> str:
    word = str(key[-1])
    known = _known_keys(key[:-1], model)
    if hint := nearest(word, known):
        return "is no known key" + hint
    home = next((name for name, table in _tables(model) if word in table.model_fields and name != key[0]), None)
    return "is no known key" + (f" here; it belongs under {home}" if home else "")


def nearest(word: str, known: Iterable[str]) -> str:
    """ "; did you mean …?" for the known word nearest to `word`, or nothing.

    >>> nearest("includ", ["include", "exclude"])
    '; did you mean "include"?'
    """
    match = difflib.get_close_matches(word[:80].lower(), list(known), 1, 0.6)
    return f'; did you mean "{match[0]}"?' if match else ""


def _tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables of a configuration as they are written: ("[crawl]", Crawl), ("[[sources]]", Source) …"""
    for name, field in model.model_fields.items():
        if table := _model_of(field.annotation):
            yield (f"[{name}]" if field.annotation is table else f"[[{name}]]"), table


def _known_keys(table: Key, model: type[BaseModel]) -> list[str]:
    for part in table:
        if isinstance(part, str):
            found = _model_of(model.model_fields[part].annotation) if part in model.model_fields else None
            if found is None:
                return []
            model = found
    return list(model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in getattr(annotation, "__args__", ()) if (m := _model_of(a))), None)


# --- lines -------------------------------------------------------------------------------------------------------


def syntax_mistake(error: ValueError) -> str:
    """What is no TOML at all, its place first.

    >>> syntax_mistake(ValueError("Invalid value (at line 3, column 7)"))
    'line 3: is not TOML: invalid value (column 7)'
    """
    words = str(error)
    if place := re.search(r" \(at line (\d+), column (\d+)\)$", words):
        what = words[0].lower() + words[1 : min(place.start(), 200)]
        words = f"line {place[1]}: is not TOML: {what} (column {place[2]})"
        quotes = "; words need quotes" if "invalid value" in words else ""
        return words + quotes
    return f"is not TOML: {words[:200]}"


_HEADER = re.compile(r"\s*(\[\[?)([^\[\]#]+)\]")
_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_ASSIGNMENT = re.compile(rf"\s*({_PART}(?:[ \t]*\.[ \t]*{_PART})*)[ \t]*=")


def key_lines(text: str) -> dict[Key, int]:
    """In which line each key stands; tomllib does not tell. Keys inside of inline tables have their table's line."""
    found: dict[Key, int] = {}
    for key, number in _walk_lines(text):
        found.setdefault(key, number)
    return found


def _walk_lines(text: str) -> Iterator[tuple[Key, int]]:
    table: Key = ()
    counts: dict[str, int] = {}
    quote = ""
    for number, line in enumerate(text.split("\n"), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        quote = next((q for q in ('"""', "'''") if line.count(q) % 2), "")
        if header := _HEADER.match(line):
            parts = _parts(header[2])
            if header[1] == "[[":
                yield tuple(parts), number
                counts[parts[0]] = counts.get(parts[0], -1) + 1
            first: Key = (parts[0], counts[parts[0]]) if parts[0] in counts else (parts[0],)
            table = (*first, *parts[1:])
            yield table, number
        elif assignment := _ASSIGNMENT.match(line):
            yield (*table, *_parts(assignment[1])), number


def _parts(dotted: str) -> list[str]:
    return [part.strip(" \t\"'") for part in dotted.split(".")]
