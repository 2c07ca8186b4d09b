"""zcanalysis: which stage of the receive path cost how many bit/s, and how sure are we?

The way the data goes, and the plan of the house: `io` turns bytes into tables; `wire` says what TCP did and `cpu`
what the CPUs paid, per stage; `evidence` gathers both; `goodput`, `blame` and `trust` compare, attribute and audit;
`answer` puts it in words and JSON; `journeys` replays packets through a host, stage by stage; `patches` are changes to
a host, `whatif` says what they would give back; `charts` draws; `document` writes the report. `recorder` makes
recordings, `lab` makes the transfers to record. Nothing here is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from zcanalysis import charts, patches
    from zcanalysis.advice import advise
    from zcanalysis.evidence import costs
    from zcanalysis.io.dissection import dissect
    from zcanalysis.io.exports import convert
    from zcanalysis.io.folded import folded_stacks
    from zcanalysis.io.pcap import scan_pcap
    from zcanalysis.io.perf import scan_perf
    from zcanalysis.io.recording import read_recording
    from zcanalysis.io.trace_events import scan_events
    from zcanalysis.io.trace_fields import field
    from zcanalysis.journeys import attribute, replay
    from zcanalysis.trust import audit
    from zcanalysis.whatif import what_if
    from zcanalysis.wire.connections import flows

__version__: Final = "0.1.0"

__all__ = [
    "advise",
    "attribute",
    "audit",
    "charts",
    "convert",
    "costs",
    "dissect",
    "field",
    "flows",
    "folded_stacks",
    "patches",
    "read_recording",
    "replay",
    "scan_events",
    "scan_pcap",
    "scan_perf",
    "what_if",
]

_HOMES: Final = {
    "advise": "zcanalysis.advice",
    "attribute": "zcanalysis.journeys",
    "audit": "zcanalysis.trust",
    "convert": "zcanalysis.io.exports",
    "costs": "zcanalysis.evidence",
    "dissect": "zcanalysis.io.dissection",
    "field": "zcanalysis.io.trace_fields",
    "flows": "zcanalysis.wire.connections",
    "folded_stacks": "zcanalysis.io.folded",
    "read_recording": "zcanalysis.io.recording",
    "replay": "zcanalysis.journeys",
    "scan_events": "zcanalysis.io.trace_events",
    "scan_pcap": "zcanalysis.io.pcap",
    "scan_perf": "zcanalysis.io.perf",
    "what_if": "zcanalysis.whatif",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in ("charts", "patches"):
        return import_module(f"zcanalysis.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zcanalysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
