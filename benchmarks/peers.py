"""urlwatch and webchanges, installed for the benchmark alone into a folder that vanishes with it.

Neither is a dependency of anything here. Where one cannot be had (no package index, no Python that it runs on) it is
left out by name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INSTALLING = 300  # seconds at most


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that watches pages. `option` names its database, `config` keeps it as quiet as it can be."""

    name: str
    option: str
    config: str

    def command(self, folder: Path, jobs: Path) -> list[str]:
        """What to run: twice in the same folder, the second time it knows the pages."""
        home = folder / self.name
        home.mkdir(exist_ok=True)
        config, hooks = home / "config.yaml", home / "hooks.py"
        config.write_text(self.config, "utf-8")
        hooks.write_text("", "utf-8")
        program = folder / "venv" / "bin" / self.name
        files = ("--urls" if self.name == "urlwatch" else "--jobs", jobs, "--config", config, "--hooks", hooks)
        return [str(word) for word in (program, *files, self.option, home / f"{jobs.stem}.db")]


PEERS = (
    Peer("urlwatch", "--cache", "{}\n"),
    Peer("webchanges", "--database", "report:\n  stdout: {enabled: false}\n  browser: {enabled: false}\n"),
)


def install(folder: Path) -> Sequence[Peer]:
    """Those that could be installed, in an environment of their own in `folder`. Says which could not."""
    venv.create(folder / "venv", with_pip=True)
    pip = [folder / "venv" / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    return [peer for peer in PEERS if _installed(peer, [*map(str, pip), peer.name])]


def _installed(peer: Peer, command: list[str]) -> bool:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALLING)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"  {peer.name}: left out, it could not be installed ({type(error).__name__})", file=sys.stderr)
        return False
    return True


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the user's own settings is read."""
    return {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PYTHONWARNINGS": "ignore"}
