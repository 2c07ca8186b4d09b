"""zcanalysis: which stage of the receive path cost how many bit/s, and how sure are we?

The way the data goes, and the plan of the house: `io` turns bytes into tables; `wire` says what TCP did and `cpu`
what the CPUs paid, per stage; `evidence` gathers both; `goodput`, `blame` and `trust` compare, attribute and audit;
`limiting` says who limited each connection, and when;
`hosts` are receivers as data, `prices` makes one of a recording, `model` replays them, `gains` and `sensitivity` ask
what matters there; `answer` puts it in words and JSON; `patches` are changes to a host, `whatif` and `sweeps` say what
they would give back, `combinations` for a page without a kernel; `comparison` holds sets of recordings against each
other; `charts` draws; `document` writes the report, `widgets` answers in a notebook, `exporting` writes what other
programs draw. `journeys` follows recorded packets through a host, `offered` sends it datagrams that nobody
acknowledges, `cases` answers the systems this house was asked about, `kernel_check` holds the model against what a
kernel did, `held_out` against what was not fitted. `recorder` makes recordings, `lab` the transfers to record;
`shipped` are those that come along, and `notebook_copies` what `jupyter` serves. `extensions` finds what other
distributions add, `extending` lists it. Nothing here is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from zcanalysis.own_code import VERSION

if TYPE_CHECKING:
    from zcanalysis import charts, hosts, patches
    from zcanalysis.advice import advise
    from zcanalysis.answer import answered, calibrate, ladder
    from zcanalysis.cases import case
    from zcanalysis.comparison import compare, compare_flames
    from zcanalysis.cpu.latency import latency
    from zcanalysis.cpu.spreads import spreads
    from zcanalysis.document import write_report
    from zcanalysis.evidence import costs
    from zcanalysis.exporting import export
    from zcanalysis.extending import installed_extensions
    from zcanalysis.fleet.running import batch
    from zcanalysis.hosts.toml_text import read_host, write_host
    from zcanalysis.io.dissection import dissect
    from zcanalysis.io.exports import convert
    from zcanalysis.io.folded import folded_stacks
    from zcanalysis.io.pcap import scan_pcap
    from zcanalysis.io.perf import scan_perf
    from zcanalysis.io.recording import read_recording
    from zcanalysis.io.trace_events import scan_events
    from zcanalysis.io.trace_fields import field
    from zcanalysis.io.tshark_fields import tshark_fields
    from zcanalysis.journeys import attribute, replay
    from zcanalysis.limiting import limits
    from zcanalysis.offered import offered_load
    from zcanalysis.prices.machine_file import read_machine_prices
    from zcanalysis.shipped import shipped_trace
    from zcanalysis.sweeps import sweep
    from zcanalysis.trust import audit
    from zcanalysis.whatif import what_if
    from zcanalysis.wire.accounts import tcp_sides
    from zcanalysis.wire.ack_delays import ack_delays
    from zcanalysis.wire.advance import sequence_lines, transfer_rates
    from zcanalysis.wire.connections import flows
    from zcanalysis.wire.datagrams import fragments
    from zcanalysis.wire.round_trips import round_trips
    from zcanalysis.wire.segment_marks import marks
    from zcanalysis.wire.socket_counts import sockets
    from zcanalysis.wire.two_taps import match_taps

__version__: Final = VERSION

__all__ = [
    "ack_delays",
    "advise",
    "answered",
    "attribute",
    "audit",
    "batch",
    "calibrate",
    "case",
    "charts",
    "compare",
    "compare_flames",
    "convert",
    "costs",
    "dissect",
    "export",
    "field",
    "flows",
    "folded_stacks",
    "fragments",
    "hosts",
    "installed_extensions",
    "ladder",
    "latency",
    "limits",
    "marks",
    "match_taps",
    "offered_load",
    "patches",
    "read_host",
    "read_machine_prices",
    "read_recording",
    "replay",
    "round_trips",
    "scan_events",
    "scan_pcap",
    "scan_perf",
    "sequence_lines",
    "shipped_trace",
    "sockets",
    "spreads",
    "sweep",
    "tcp_sides",
    "transfer_rates",
    "tshark_fields",
    "what_if",
    "widgets",
    "write_host",
    "write_report",
]

_HOMES: Final = {
    "ack_delays": "zcanalysis.wire.ack_delays",
    "advise": "zcanalysis.advice",
    "answered": "zcanalysis.answer",
    "attribute": "zcanalysis.journeys",
    "audit": "zcanalysis.trust",
    "batch": "zcanalysis.fleet.running",
    "calibrate": "zcanalysis.answer",
    "case": "zcanalysis.cases",
    "compare": "zcanalysis.comparison",
    "compare_flames": "zcanalysis.comparison",
    "convert": "zcanalysis.io.exports",
    "costs": "zcanalysis.evidence",
    "export": "zcanalysis.exporting",
    "dissect": "zcanalysis.io.dissection",
    "field": "zcanalysis.io.trace_fields",
    "flows": "zcanalysis.wire.connections",
    "folded_stacks": "zcanalysis.io.folded",
    "fragments": "zcanalysis.wire.datagrams",
    "read_host": "zcanalysis.hosts.toml_text",
    "read_machine_prices": "zcanalysis.prices.machine_file",
    "installed_extensions": "zcanalysis.extending",
    "ladder": "zcanalysis.answer",
    "latency": "zcanalysis.cpu.latency",
    "match_taps": "zcanalysis.wire.two_taps",
    "limits": "zcanalysis.limiting",
    "marks": "zcanalysis.wire.segment_marks",
    "offered_load": "zcanalysis.offered",
    "read_recording": "zcanalysis.io.recording",
    "replay": "zcanalysis.journeys",
    "round_trips": "zcanalysis.wire.round_trips",
    "scan_events": "zcanalysis.io.trace_events",
    "scan_pcap": "zcanalysis.io.pcap",
    "scan_perf": "zcanalysis.io.perf",
    "sequence_lines": "zcanalysis.wire.advance",
    "shipped_trace": "zcanalysis.shipped",
    "sockets": "zcanalysis.wire.socket_counts",
    "spreads": "zcanalysis.cpu.spreads",
    "sweep": "zcanalysis.sweeps",
    "tcp_sides": "zcanalysis.wire.accounts",
    "transfer_rates": "zcanalysis.wire.advance",
    "tshark_fields": "zcanalysis.io.tshark_fields",
    "what_if": "zcanalysis.whatif",
    "write_host": "zcanalysis.hosts.toml_text",
    "write_report": "zcanalysis.document",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in ("charts", "hosts", "patches", "widgets"):
        return import_module(f"zcanalysis.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zcanalysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
