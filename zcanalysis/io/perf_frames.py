"""The lines of a call chain as `perf script` prints them, leaf first."""

import re
from collections.abc import Iterable
from typing import Final

FRAME: Final = re.compile(
    r"^\s+(?P<address>[0-9a-f]{1,16})(?:\s+(?P<symbol>\S.*?|))??"
    r"(?:\s+\((?P<dso>[^()]*(?:\([^()]*\))?[^()]*)\))?\s*$"
)
ODD_ADDRESS: Final = re.compile(r"^\s+\w+\s+(?P<symbol>\S.*?)\s\((?P<dso>[^()]+)\)\s*$")
INLINED: Final = re.compile(r"^\s+(?:[0-9a-f]{1,16}\s)?(?P<symbol>\S.*?)\s\(inlined\)\s*$")
SOURCE_LINE: Final = re.compile(r"^\s+[^\s:()]+\.\w+:\d+\s*$")
OFFSET: Final = re.compile(r"\+0x[0-9a-f]+$")
KERNEL_DSO: Final = re.compile(
    r"^\[(?!vdso|vsyscall|unknown|heap|stack|anon|uprobes)[^\]]*\]|vmlinux|\.ko(\.\w+)?$|^bpf_(?:prog|trampoline)_"
)
KERNEL_HALF: Final = 0x8000_0000_0000_0000
UNKNOWN: Final = "[unknown]"
INLINED_DSO: Final = "(inlined)"


def frame_fields(line: str) -> tuple[str, str, str] | None:
    r"""Symbol, dso and mode (`k`, `u`, or empty for an inlined function) of one line; None when it is no frame.

    Examples
    --------
    >>> frame_fields("\tffffffff8162f410 tcp_v4_rcv+0x10 ([kernel.kallsyms])")
    ('tcp_v4_rcv', '[kernel.kallsyms]', 'k')
    """
    inlined = INLINED.match(line)
    if inlined:
        return _clean(inlined["symbol"]), INLINED_DSO, ""
    match = FRAME.match(line)
    if match is None:
        odd = ODD_ADDRESS.match(line)
        return (_clean(odd["symbol"]), odd["dso"], "k" if KERNEL_DSO.search(odd["dso"]) else "u") if odd else None
    dso = match["dso"] or UNKNOWN
    kernel = int(match["address"], 16) >= KERNEL_HALF if dso == UNKNOWN else bool(KERNEL_DSO.search(dso))
    return _clean(match["symbol"] or ""), dso.replace("\t", " "), "k" if kernel else "u"


def is_source_line(line: str) -> bool:
    """Whether the line names file and line of the frame above it, which perf prints when asked for `srcline`."""
    return SOURCE_LINE.match(line) is not None


def callchain(frames: Iterable[tuple[str, str, str]]) -> str:
    """The chain in the form of SAMPLES. An inlined function runs in the mode of the function that contains it."""
    lines = []
    mode = "u"
    for symbol, dso, own_mode in reversed(list(frames)):
        mode = own_mode or mode
        lines.append(f"{symbol}\t{dso}\t{mode}")
    return "\n".join(reversed(lines))


def _clean(symbol: str) -> str:
    return OFFSET.sub("", symbol.strip()).replace("\t", " ") or UNKNOWN
