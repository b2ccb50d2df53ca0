"""Readers of foreign formats in processes of their own: a file that asks for too much takes only its reader with it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crawler.kinds import UnreadableFile


def read_apart(module: str, body: bytes, what: str, *, seconds: float, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """What `python -m module` makes of `body`, its program's `answer`.

    Raises UnreadableFile where it refuses, takes longer than `seconds` or dies; `what` ("a workbook") names the file.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    try:
        done = subprocess.run(command, input=body, capture_output=True, env=environment, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnreadableFile(f"reading {what} took more than {seconds:.0f} s", "", "open it by hand") from error
    if done.returncode != 0:
        raise UnreadableFile(f"{what} that needs more memory than a reader gets", "", "open it by hand")
    told: dict[str, Any] = json.loads(done.stdout)
    if refusal := told.get("refusal"):
        raise UnreadableFile(*refusal)
    return told


def answer(read: Callable[[bytes], dict[str, Any]], what: str, memory: int) -> None:
    """The child's whole life: standard input, within `memory` bytes of address space, to JSON on standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    output, sys.stdout = sys.stdout, sys.stderr  # libraries print
    output.write(json.dumps(_told(read, sys.stdin.buffer.read(), what)))


def _told(read: Callable[[bytes], dict[str, Any]], body: bytes, what: str) -> dict[str, Any]:
    try:
        return read(body)
    except UnreadableFile as error:
        return {"refusal": [error.what, error.where, error.remedy]}
    except MemoryError:
        raise
    except BaseException as error:  # damaged files fail in many ways; one written in Rust by a BaseException
        said = (str(error).splitlines() or [""])[0][:200]
        return {"refusal": [f"damaged {what}: {type(error).__name__} {said}".rstrip(), "", "fetch it again"]}
