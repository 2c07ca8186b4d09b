"""From the picture of a transfer to its packets: drag over a stretch of time, read its packets, dissect some.

Every stretch is looked up in the connection's own packets, which stay in memory where they are few enough
(`wire.packet_list.numbered_packets`), so that a brush on a million packets answers at once.
"""

from pathlib import Path
from typing import Any, Final

import ipywidgets as widgets
import polars as pl
import traitlets

from zcanalysis import charts
from zcanalysis.errors import TraceError, ZcError
from zcanalysis.io.dissection import dissect
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.io.recording import Recording
from zcanalysis.tables import PACKET_LIST, empty
from zcanalysis.widgets import page_text
from zcanalysis.widgets.live_chart import LiveChart
from zcanalysis.widgets.packet_fields import packet_fields
from zcanalysis.wire.advance import sequence_lines
from zcanalysis.wire.connections import flows
from zcanalysis.wire.packet_list import numbered_packets, packet_list

Span = Any  # a traitlet: (from_s, to_s), or None

BRUSH: Final = "brush"
MOST_TRANSFERS: Final = 200
MOST_DISSECTED: Final = 20
TSHARK_PER_S: Final = 20_000
WIDTHS: Final = {"number": 10, "time (s)": 13, "from": -8, "flags": -12, "payload (bytes)": 15, "sent from (byte)": 17,
                 "acknowledged to (byte)": 22, "window (raw)": 12}  # fmt: skip
HOW: Final = (
    "Drag over the picture, or move the two ends of the slider, to list the packets of that time. "
    "Select rows (Shift or Ctrl for several) and dissect them."
)


class PacketExplorer(widgets.VBox):
    """A transfer's picture and the packets of the stretch of time that is chosen in it.

    Notes
    -----
    Traits: `transfer` (row of `transfers`), `between_s` (the chosen stretch, None: all that is drawn), `shown_s` (the
    stretch that is drawn, None: all), `packets` (how many there are in it), `chosen` (numbers of packets in the
    capture). Attributes: `transfers` (FLOWS), `listed` (PACKET_LIST, the first 200), `dissected` (as
    `zcanalysis.dissect` gives it, None before).
    """

    transfer = traitlets.Int(0)
    between_s: Span = traitlets.Tuple(traitlets.Float(), traitlets.Float(), allow_none=True, default_value=None)
    shown_s: Span = traitlets.Tuple(traitlets.Float(), traitlets.Float(), allow_none=True, default_value=None)
    packets = traitlets.Int(0)
    chosen = traitlets.Tuple(default_value=())

    def __init__(self, capture: Path) -> None:
        self.capture = capture
        self.transfers = _transfers(capture)
        self.listed = empty(PACKET_LIST)
        self.dissected: pl.DataFrame | None = None
        self._pick = widgets.Dropdown(
            options=[(_named(row), at) for at, row in enumerate(self.transfers.iter_rows(named=True))],
            description="transfer", layout=widgets.Layout(width="90%"),
        )  # fmt: skip
        self._says, self._counts, self._fields = page_text.text(), page_text.text(), page_text.text()
        self._span = widgets.FloatRangeSlider(
            description="time (s)", readout_format=".6f", continuous_update=False, layout=widgets.Layout(width="60%")
        )
        self._zoom, self._whole = widgets.Button(description="Zoom in"), widgets.Button(description="Whole transfer")
        self._list = widgets.SelectMultiple(rows=12, layout=widgets.Layout(width="98%"))
        self._list.add_class("zc-rows")
        self._dissect = widgets.Button(description="Dissect selected", button_style="primary")
        self._open()
        self.chart = LiveChart(self._chart(), watch=[BRUSH])
        self._watch()
        controls = widgets.HBox([self._span, self._zoom, self._whole])
        super().__init__([
            page_text.text(page_text.STYLE), self._pick, self._says, self.chart, controls, self._counts, self._list,
            self._dissect, self._fields,
        ])  # fmt: skip
        self._relist()

    def _watch(self) -> None:
        self._pick.observe(lambda change: setattr(self, "transfer", change["new"]), "value")
        self._span.observe(lambda change: self._slid(change["new"]), "value")
        self._list.observe(lambda change: setattr(self, "chosen", change["new"]), "value")
        self.chart.observe(lambda change: self._brushed(change["new"]), "selected")
        self._zoom.on_click(lambda _: setattr(self, "shown_s", self.between_s or self.shown_s))
        self._whole.on_click(lambda _: setattr(self, "shown_s", None))
        self._dissect.on_click(lambda _: self.dissect_chosen())
        self.observe(lambda _: self._changed_transfer(), "transfer")
        self.observe(lambda _: self._redraw(), "shown_s")
        self.observe(lambda _: self._relist(), "between_s")

    def dissect_chosen(self) -> None:
        """Ask tshark for every field of the chosen packets; an error becomes one line."""
        numbers = self.chosen[:MOST_DISSECTED]
        if not numbers:
            self._fields.value = page_text.paragraphs("Select rows of the list first.")
            return
        wait_s = max(numbers) // TSHARK_PER_S
        behind = f" It has to read the {max(numbers):,} packets up to there: about {wait_s} s." if wait_s else ""
        self._fields.value = page_text.paragraphs(f"tshark is reading.{behind}")
        try:
            self.dissected = dissect(self.capture, packets=numbers, limit=MOST_DISSECTED)
            left = len(self.chosen) - len(numbers)
            more = f"The first {MOST_DISSECTED} of {len(self.chosen):,} are shown." if left else ""
            self._fields.value = page_text.paragraphs(more) + packet_fields(self.dissected)
        except ZcError as error:
            self.dissected = None
            self._fields.value = page_text.trouble(error)

    # ---- what follows what

    def _changed_transfer(self) -> None:
        self._pick.value = self.transfer
        self._open()
        if self.shown_s is None:
            self._redraw()
        else:
            self.shown_s = None

    def _redraw(self) -> None:
        self.chart.show(self._chart())
        if self.between_s is None:
            self._relist()
        else:
            self.between_s = None

    def _brushed(self, selected: dict[str, Any]) -> None:
        span = next(iter((selected.get(BRUSH) or {}).values()), None)
        self.between_s = tuple(sorted(map(float, span))) if span else None

    def _slid(self, span: tuple[float, float]) -> None:
        if span != self._told:
            self.between_s = span

    def _relist(self) -> None:
        span = self.between_s or self.shown_s
        self._tell(self.between_s)
        found = packet_list(self._packets, self._flow, span)
        self.listed, self.packets = found
        options = [(_line(row), row["number"]) for row in found.table.iter_rows(named=True)]
        self._list.options = options
        self._counts.value = page_text.paragraphs(self._counted(span)) + f"<pre>{_heading()}</pre>"

    # ---- what is drawn and said

    def _open(self) -> None:
        self._flow = self.transfers.row(self.transfer, named=True)
        self._life_s = (self._flow["last_ns"] - self._flow["first_ns"]) / 1e9
        self._packets = numbered_packets(scan_pcap(self.capture), self._flow)
        self._told: tuple[float, float] | None = None

    def _chart(self) -> Any:  # noqa: ANN401 - a chart
        self._lines = sequence_lines(self._packets, self._flow, between_s=self.shown_s)
        self._says.value = page_text.paragraphs(self._said(), HOW)
        return charts.time_sequence(self._lines, brush=BRUSH)

    def _tell(self, span: tuple[float, float] | None) -> None:
        """The slider's ends are those of the picture, and between them it shows what is chosen."""
        ends = self.shown_s or (0.0, self._life_s)
        self._told = span or ends
        with self._span.hold_trait_notifications():
            self._span.min, self._span.max = ends
            self._span.step = max((ends[1] - ends[0]) / 1000, 1e-9)
            self._span.value = self._told

    def _said(self) -> str:
        flow = self._flow
        repeated, payload, records = (
            int(self._lines.get_column(name).sum()) for name in ("repeated_bytes", "payload_bytes", "packets")
        )
        most = self._lines.select(pl.col("in_flight_most_bytes").max()).item()
        part = "" if self.shown_s is None else f"From {self.shown_s[0]:.6f} to {self.shown_s[1]:.6f} s: "
        again = f"{repeated:,} bytes of it were sent again or out of order" if repeated else "none of it was sent again"
        flight = "no ACK of it was captured" if most is None else f"at most {most:,} bytes were in flight"
        return (
            f"{part}{flow['src']}:{flow['src_port']} sent {payload:,} bytes of payload in {records:,} capture records; "
            f"{again}; {flight}. {self._window_said()}"
        )

    def _window_said(self) -> str:
        if self._lines.get_column("edge_byte").count():
            return "Above: what was sent and acknowledged, and the window's end; below: what was in flight under it."
        return "Above: what was sent and acknowledged; below: what was in flight. The window's scale was not captured."

    def _counted(self, span: tuple[float, float] | None) -> str:
        low, high = span or (0.0, self._life_s)
        shown = f"the first {self.listed.height:,} are listed" if self.packets > self.listed.height else "all listed"
        return f"{self.packets:,} packets of both sides from {low:.6f} to {high:.6f} s; {shown}."


def packet_explorer(capture: Recording | str | Path) -> PacketExplorer:
    """Which packets are they? A transfer's time-sequence picture, the packets of a stretch, tshark's view of some.

    Parameters
    ----------
    capture
        A capture, or a recording that holds one.

    Raises
    ------
    TraceError
        If there is no capture, or no TCP transfer in it.
    """
    if not isinstance(capture, Recording):
        return PacketExplorer(Path(capture))
    if capture.capture is None:
        raise TraceError(f"{capture.path}: holds no capture, so there are no packets to show")
    return PacketExplorer(capture.capture)


def _transfers(capture: Path) -> pl.DataFrame:
    """TCP directions with payload, the largest first."""
    useful = (pl.col("protocol") == "tcp") & (pl.col("payload_bytes") > 0) & pl.col("first_ns").is_not_null()
    found = flows(capture).filter(useful).sort("payload_bytes", descending=True, maintain_order=True)
    if found.is_empty():
        raise TraceError(f"{capture}: holds no TCP payload with time stamps, so there is no transfer to show")
    return found.head(MOST_TRANSFERS)


def _named(flow: dict[str, Any]) -> str:
    ends = f"{flow['src']}:{flow['src_port']} to {flow['dst']}:{flow['dst_port']}"
    return f"{ends}, {flow['payload_bytes'] / 1e6:,.3f} MB of payload in {flow['packets']:,} records"


def _heading() -> str:
    return page_text.aligned(WIDTHS.items())


def _line(row: dict[str, Any]) -> str:
    sent, acked = ("" if row[name] is None else f"{row[name]:,}" for name in ("sent_byte", "acked_byte"))
    cells = (
        f"{row['number']:,}", f"{row['at_s']:.6f}", "sender" if row["sent"] else "receiver", row["flags"],
        f"{row['payload_bytes'] or 0:,}", sent, acked, "" if row["window_raw"] is None else f"{row['window_raw']:,}",
    )  # fmt: skip
    return page_text.aligned(zip(cells, WIDTHS.values(), strict=True))
