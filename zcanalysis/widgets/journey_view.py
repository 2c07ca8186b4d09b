"""One packet's way through the replayed stages, and the work around it with the critical path."""

from pathlib import Path
from typing import Final

import ipywidgets as widgets
import polars as pl
import traitlets

from zcanalysis import charts
from zcanalysis.answer import Answer, answered, calibrate
from zcanalysis.errors import TraceError, ZcError
from zcanalysis.hosts import Host
from zcanalysis.hosts.presets import preset
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.journey_work import MOST_STEPS, packet_at, packet_way, work_around
from zcanalysis.journeys import Tap, replay
from zcanalysis.widgets import page_text
from zcanalysis.widgets.live_chart import LiveChart

MOST_PACKETS: Final = 100_000
US: Final = 1000
PRESET: Final = "modern"
PARTS: Final = {"Typical": 0.5, "99 %": 0.99, "Slowest": 1.0}
TITLES: Final = {"piece": "work", "stage": "stage", "kind": "it", "took_us": "took (µs)", "why": "waited for"}
HOW: Final = (
    "First picture: this packet's own way, a row a step, waits pale. Second: all work on its CPUs in that time; full "
    "bars are the critical path, the chain of work that the end of its copy waited for. Drag or scroll there to zoom."
)


class JourneyView(widgets.VBox):
    """Pictures and words of one packet of JOURNEYS.

    Notes
    -----
    Traits: `packet` (row of JOURNEYS), `trouble` (why it has no way, or empty). Attributes: `journeys` (JOURNEYS),
    `way` (WAY) and `work` (WORK) of the packet.
    """

    packet = traitlets.Int(-1)
    trouble = traitlets.Unicode("")

    def __init__(self, journeys: pl.DataFrame, about: str) -> None:
        self.journeys, self._about = journeys, about
        typical = packet_at(journeys, PARTS["Typical"])
        self._usual_us = _took_us(packet_way(journeys, typical))
        self._slowest_us = _took_us(packet_way(journeys, packet_at(journeys, 1)))
        last = journeys.height - 1
        self._slider = widgets.IntSlider(
            description="packet", max=last, continuous_update=False, layout=widgets.Layout(width="60%")
        )
        self._step = {
            -1: widgets.Button(description="Previous", layout=widgets.Layout(width="90px")),
            1: widgets.Button(description="Next", layout=widgets.Layout(width="90px")),
        }
        self._parts = {name: widgets.Button(description=name, layout=widgets.Layout(width="90px")) for name in PARTS}
        self._says, self._table = page_text.text(), page_text.text()
        self._look(typical)
        self._ways, self._works = LiveChart(charts.packet_way(self.way)), LiveChart(charts.critical_path(self.work))
        super().__init__(packet=typical)
        self._watch()
        buttons = [*self._step.values(), *self._parts.values()]
        self.children = [
            page_text.text(page_text.STYLE + page_text.paragraphs(about)), widgets.HBox([self._slider, *buttons]),
            self._says, self._ways, self._works, self._table,
        ]  # fmt: skip
        self._tell()

    def _watch(self) -> None:
        widgets.link((self, "packet"), (self._slider, "value"))
        for by, button in self._step.items():
            button.on_click(lambda _, by=by: self._go(self.packet + by))
        for name, button in self._parts.items():
            button.on_click(lambda _, part=PARTS[name]: self._go(packet_at(self.journeys, part)))
        self.observe(lambda _: self._moved(), "packet")

    def _go(self, packet: int) -> None:
        self.packet = min(max(packet, 0), self.journeys.height - 1)

    def _moved(self) -> None:
        try:
            self._look(self.packet)
        except (ZcError, ValueError) as error:
            self.trouble = str(error)
            self._says.value = page_text.trouble(error)
            return
        self.trouble = ""
        self._ways.show(charts.packet_way(self.way))
        self._works.show(charts.critical_path(self.work))
        self._tell()

    def _look(self, packet: int) -> None:
        way, work = packet_way(self.journeys, packet), work_around(self.journeys, packet)
        self.way, self.work = way, work

    def _tell(self) -> None:
        self._says.value = page_text.paragraphs(self._said(), HOW)
        rows = self.way.with_columns(_took().alias("took_us"))
        self._table.value = page_text.unfolded("its steps as a table", page_text.rows(rows, TITLES))

    def _said(self) -> str:
        row = self.journeys.row(self.packet, named=True)
        at_ms = (row["arrival_ns"] - self.journeys.item(0, "arrival_ns")) / 1e6
        waits = self.way.filter(pl.col("kind") == "waits").select("piece", "why", took_us=_took())
        waited_us, whole_us = float(waits.get_column("took_us").sum()), _took_us(self.way)
        critical = self.work.filter("critical").select("packet", "piece").n_unique()
        which = f"Packet {self.packet:,} of {self.journeys.height:,} ({row['payload_bytes']:,} bytes of payload)"
        return (
            f"{which} arrived at {at_ms:,.3f} ms and was copied to the reader {whole_us:,.3g} µs later: "
            f"{waited_us:,.3g} µs of waiting, {whole_us - waited_us:,.3g} µs of work. {_longest(waits)}"
            f"Its critical path has {critical}{' or more' * (critical >= MOST_STEPS)} pieces of work. "
            f"A typical packet takes {self._usual_us:,.3g} µs, the slowest {self._slowest_us:,.3g} µs."
        )


def _longest(waits: pl.DataFrame) -> str:
    if waits.is_empty():
        return ""
    first = waits.sort("took_us", descending=True).row(0, named=True)
    return f"Its longest wait, {first['took_us']:,.3g} µs, was before the {first['piece']}: for {first['why']}. "


def journey_view(
    recording: Recording | Answer | str | Path, host: Host | None = None, tap: Tap = "stack"
) -> JourneyView:
    """What happened to this packet? Its way through the stages of a host, with waits and the critical path.

    Parameters
    ----------
    recording
        With a capture; or the capture.
    host
        Whose prices its packets pay; None: the host calibrated from the recording, or where it cannot be (the text says
        why), the preset of today.
    tap
        Where the capture was taken, as `replay` takes it.

    Raises
    ------
    TraceError
        If there is no capture, or no TCP payload in it.

    Notes
    -----
    The first 100,000 packets' worth of payload are replayed (about 35 MB).
    """
    if isinstance(recording, str | Path):
        recording = read_recording(recording)
    source = recording.recording if isinstance(recording, Answer) else recording
    if source.packets is None:
        raise TraceError(f"{source.path}: holds no capture, so there are no packets to follow")
    chosen, which = (host, f"the given host {host.name}") if host is not None else _host(recording, source)
    few = source.packets.filter(_payload().cum_sum() <= MOST_PACKETS * chosen.link.mss_bytes)
    journeys = replay(few, chosen, tap)
    seen = "behind driver and GRO, where tcpdump sees packets" if tap == "stack" else "before the host"
    part = f"{journeys.height:,} packets of the largest flow, from the capture's first {MOST_PACKETS:,} packets' worth"
    about = f"{source.name}: {part}, replayed through {which}. Times are those of the replay, from the tap on ({seen})."
    return JourneyView(journeys, about)


def _payload() -> pl.Expr:
    return pl.col("payload_bytes").fill_null(0)


def _host(recording: Recording | Answer, source: Recording) -> tuple[Host, str]:
    """The recording's own host, or the preset; and what to call it."""
    try:
        if source.samples is None:
            raise TraceError("it has no CPU samples")
        answer = recording if isinstance(recording, Answer) else answered(recording)
        return calibrate(answer), "the host that is calibrated from this recording"
    except TraceError as error:
        return preset(PRESET), f"the preset {PRESET!r} (no host can be calibrated from this recording: {error})"


def _took() -> pl.Expr:
    return (pl.col("to_ns") - pl.col("from_ns")) / US


def _took_us(way: pl.DataFrame) -> float:
    return float(way.item(-1, "to_ns") - way.item(0, "from_ns")) / US
