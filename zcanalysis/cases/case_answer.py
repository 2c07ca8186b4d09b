"""What every case gives back: the answer in words, how sure it is, what to do next, and the tables it rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from zcanalysis.tables import ASSUMPTIONS, conform


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAnswer:
    """One case, answered; every number in the words is computed, none is typed."""

    question: str
    answer: str
    """One to three sentences."""
    sure: str
    """How sure, and what these data cannot tell apart."""
    next_step: str
    """What to measure or to change first, with the command."""
    tables: Mapping[str, pl.DataFrame]
    """What the answer rests on, by the title a reader sees."""
    assumptions: pl.DataFrame
    """ASSUMPTIONS: every number that went in and was not worked out here."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "assumptions", conform(self.assumptions, ASSUMPTIONS))

    def document(self) -> dict[str, Any]:
        """The same as one JSON document."""
        return {
            "question": self.question,
            "answer": self.answer,
            "sure": self.sure,
            "next_step": self.next_step,
            "tables": {title: table.to_dicts() for title, table in self.tables.items()},
            "assumptions": self.assumptions.to_dicts(),
        }
