"""Our own say on a recording: what patches would give, and what limits it. The only place of the lab that asks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from zcanalysis.answer import answered
from zcanalysis.errors import HostError
from zcanalysis.io.recording import read_recording
from zcanalysis.lab.outcome import Foretold
from zcanalysis.limit import Limit
from zcanalysis.patches import parse_patch
from zcanalysis.prices.machine import MachinePrices
from zcanalysis.whatif import predict
from zcanalysis.workload import LINK, NOT_SEEN, WINDOW

BEYOND: Final = "beyond this host"


def foretell(place: Path, patches: Sequence[str], machine: MachinePrices | None = None) -> Foretold:
    """What the patches together would give, from one recording of the baseline.

    Parameters
    ----------
    place
        Folder of the recording.
    patches
        NAME=VALUE each.
    machine
        Prices of its machine, for those that the recording can only assume.

    Raises
    ------
    HostError
        If the recording has no goodput.
    TraceError
        If the prices are another machine's.
    """
    answer = answered(read_recording(place), machine=machine)
    if answer.goodput_gbps is None:
        raise HostError(f"{place}: no goodput was recorded, so nothing can be foretold")
    made = predict(answer, [parse_patch(patch) for patch in patches])
    replayed = {} if answer.model is None else answer.model.before.busy[0]
    return Foretold(
        answer.goodput_gbps, *made.nulls, made.gbps, made.low_gbps, made.high_gbps,
        limit_before=limit_name(answer.held_back_by), limit_after=made.limit_after,
        busy_before=dict(replayed), busy_after=dict(made.busy), tier=made.tier, why=made.why,
        doubts=tuple(_doubts(answer.audit)),
    )  # fmt: skip


def limit_name(limit: Limit) -> str:
    """The limit of a recording as predictions name theirs.

    Examples
    --------
    >>> limit_name(Limit("receiver cpu", "CPU 1", "", ())), limit_name(Limit("link", "the link", "", ()))
    ('CPU 1', 'link')
    >>> limit_name(Limit("sender", "beyond this host", "", ()))
    "a limit outside this host's CPUs"
    """
    if limit.kind in (LINK, WINDOW) or limit.where is None:
        return limit.kind
    return NOT_SEEN if limit.where == BEYOND else limit.where


def _doubts(audit: pl.DataFrame) -> Iterator[str]:
    """What the audit warns of, but for the capture that these recordings never hold."""
    for row in audit.filter(pl.col("verdict") != "ok", pl.col("check") != "contents").iter_rows(named=True):
        yield f"the baseline's {row['check']}: {row['value']} ({row['why']})"
