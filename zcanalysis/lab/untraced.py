"""Goodput of a scenario while nothing of ours looks: by the reader's own count."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zcanalysis.errors import HostError
from zcanalysis.lab.alignment import receiver_intervals
from zcanalysis.lab.namespaces import two_hosts
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.transfer import running_transfer
from zcanalysis.rates import BITS_PER_BYTE
from zcanalysis.recorder.interruption import terminated_like_interrupted

WARMUP_SECONDS: Final = 1.0
SLACK_SECONDS: Final = 30.0
LAST_SECONDS: Final = 0.2  # of the report: the sender was being told to end


def untraced_gbps(scenario: Scenario, seconds: float) -> float:
    """Payload bit/s of one fresh transfer, slow start and end left out.

    Parameters
    ----------
    scenario
        What is built and run.
    seconds
        Length of the window that counts, > 0.

    Raises
    ------
    HostError
        If the lab cannot run here or the transfer fails; nothing of ours is left.
    """
    with (
        terminated_like_interrupted(),
        tempfile.TemporaryDirectory(prefix="zc-lab-") as scratch,
        two_hosts(scenario) as pair,
        running_transfer(pair, scenario, seconds + SLACK_SECONDS, Path(scratch)) as transfer,
    ):
        time.sleep(WARMUP_SECONDS + seconds + LAST_SECONDS)
        return steady_gbps(receiver_intervals(transfer.finish()))


def steady_gbps(intervals: Sequence[tuple[float, float, int]]) -> float:
    """Mean rate of the intervals that lie behind the warm-up and before the end.

    Raises
    ------
    HostError
        If there is none, or nothing arrived in them.

    Examples
    --------
    >>> steady_gbps([(0, 1, 1), (1, 2, 125_000_000), (2, 3, 375_000_000), (3, 3.2, 1)])
    2.0
    """
    until = intervals[-1][1] - LAST_SECONDS if intervals else 0.0
    inside = [(start, end, count) for start, end, count in intervals if start >= WARMUP_SECONDS and end <= until]
    received = sum(count for _, _, count in inside)
    if not received:
        raise HostError("nothing was received behind the warm-up; measure longer")
    return received * BITS_PER_BYTE / (inside[-1][1] - inside[0][0]) / 1e9
