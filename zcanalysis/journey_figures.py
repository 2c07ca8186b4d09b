"""Single packets as the report draws them: where a slow one waited, and for what, by replay."""

from collections.abc import Iterator
from typing import Final

from zcanalysis.answer import Answer
from zcanalysis.errors import TraceError
from zcanalysis.figures import Figure, figure
from zcanalysis.journey_work import packet_at, packet_way, work_around
from zcanalysis.journeys import replay

PACKETS_REPLAYED: Final = 20_000
SLOW: Final = 0.99
WAY_SAYS: Final = (
    "A packet that took longer than {slow:.0%} of the first {packets:,} of the largest transfer, from where the "
    "capture saw it to the end of its copy. They are replayed with the host calibrated from this recording, as they "
    "came; driver, GRO and backlog lie before the capture's tap and are not in it."
)
PATH_SAYS: Final = (
    "All replayed work on it and on the others around it, a row a stage. Full bars are the critical path: walking back "
    "from the end of its copy, each piece of work that the next one waited for. Drag or scroll to zoom."
)


def journey_figures(answer: Answer) -> Iterator[Figure]:
    """One slow packet's way, and its critical path, where a host was calibrated and TCP data captured.

    Parameters
    ----------
    answer
        Of the recording.
    """
    from zcanalysis import charts

    packets = answer.recording.packets
    if answer.model is None or packets is None:
        return
    try:
        journeys = replay(packets.lazy().head(PACKETS_REPLAYED), answer.model.calibration.host)
        packet = packet_at(journeys, SLOW)
    except TraceError:
        return
    says = WAY_SAYS.format(slow=SLOW, packets=journeys.height)
    yield figure("packet-way", "Where a slow packet was", charts.packet_way(packet_way(journeys, packet)), says)
    work = work_around(journeys, packet)
    yield figure("critical-path", "What that packet waited for", charts.critical_path(work), PATH_SAYS)
