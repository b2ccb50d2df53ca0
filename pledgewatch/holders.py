"""Who holds a lease, in a form that tells later, on the same machine, whether that process is still there.

A daemon that was killed cannot give its lease back. Its successor need not wait until the lease runs out: where the
holder is a process of this very kernel and process namespace that is gone, or whose number belongs to another process
by now, the lease may be taken over. On another machine, in another container, or where /proc does not tell, nothing is
known, and the lease runs out in its own time.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """ "host:pid:world:start": what a lease keeps of the process that holds it."""
    return f"{socket.gethostname()}:{os.getpid()}:{_world()}:{_start_of(os.getpid()) or ''}"


def is_gone(holder: str) -> bool:
    """Whether the process that holds a lease has certainly ended."""
    try:
        _, pid, world, start = holder.rsplit(":", 3)
    except ValueError:
        return False
    return bool(start) and world != "" and world == _world() and _start_of(int(pid)) != start


def in_words(holder: str | None) -> str:
    """A holder as an operator knows it.

    >>> in_words("db1:4711:9f0c-4026531836:88123")
    'process 4711 on db1'
    """
    host, _, rest = (holder or "").partition(":")
    return f"process {rest.partition(':')[0]} on {host}" if rest else "an unknown process"


def _world() -> str:
    """This boot of this kernel, and the process namespace: within it a process number means one process."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot[:13]}-{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _start_of(pid: int) -> str | None:
    """When a process began, in ticks since boot; None where there is none, or only its remains."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
