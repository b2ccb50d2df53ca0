"""What an answer is asked for as, and what it was found to be. Who finds it is `crawler.judging`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.records import Outcome

Expectation = Literal["list", "document", "attachment"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome` as captures store it; `reason` a short code and words for an operator, "" if all is well."""

    outcome: Outcome
    reason: str = ""
