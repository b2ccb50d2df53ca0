"""The program as tests call it: in this process, with its exit status and what it printed."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from pledgewatch.cli import main


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects on standard output, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Operator:
    """Calls commands with one configuration. `capsys` is pytest's."""

    def __init__(self, config: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self._capsys, self._monkeypatch = config, capsys, monkeypatch

    def __call__(self, *words: object, config: bool = True) -> Ended:
        more = ["--config", str(self.config)] if config else []
        self._monkeypatch.setattr(sys, "argv", ["pledgewatch", *map(str, words), *more])
        self._monkeypatch.setenv("PLEDGEWATCH_CONFIG", "")
        self._capsys.readouterr()
        # A service answers signals its own way from its start on, and would do so for the tests that follow.
        answered = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            for number, handler in answered.items():
                signal.signal(number, handler)
        out, err = self._capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)
