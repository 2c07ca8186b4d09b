"""Our own say on a recording: what patches would give, and what limits it. The only place of the lab that asks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from zcanalysis.answer import answered
from zcanalysis.errors import HostError
from zcanalysis.io.recording import read_recording
from zcanalysis.lab.outcome import Foretold, NamedLimit, predictions_from
from zcanalysis.patches import parse_patch
from zcanalysis.whatif import what_if


def foretell(place: Path, patches: Sequence[str]) -> Foretold:
    """What each patch alone would give, from one recording of the baseline.

    Raises
    ------
    HostError
        If the recording has no goodput.
    """
    answer = answered(read_recording(place))
    if answer.goodput_gbps is None:
        raise HostError(f"{place}: no goodput was recorded, so nothing can be foretold")
    rows = what_if(answer, [parse_patch(patch) for patch in patches]).to_dicts()
    asked = [row | {"patch": patch} for row, patch in zip(rows, patches, strict=True)]
    return Foretold(answer.goodput_gbps, predictions_from(asked), tuple(_doubts(answer.audit)))


def _doubts(audit: pl.DataFrame) -> Iterator[str]:
    """What the audit warns of, but for the capture that these recordings never hold."""
    for row in audit.filter(pl.col("verdict") != "ok", pl.col("check") != "contents").iter_rows(named=True):
        yield f"the baseline's {row['check']}: {row['value']} ({row['why']})"


def name_limit(place: Path) -> NamedLimit:
    """What limits the goodput of a recording, in our words."""
    limit = answered(read_recording(place)).held_back_by
    return NamedLimit(limit.kind, limit.where, limit.words)
