"""The lines of a call chain as `perf script` prints them, leaf first."""

import re
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


def frame_text(line: str) -> str | None:
    r"""One frame as SAMPLES has it, its mode left out for an inlined function; empty for a line that adds nothing.

    Adding nothing are blank lines and those that name file and line of the frame above. None: the line is no frame.

    Examples
    --------
    >>> frame_text("\tffffffff8162f410 tcp_v4_rcv+0x10 ([kernel.kallsyms])")
    'tcp_v4_rcv\t[kernel.kallsyms]\tk'
    """
    if not line or line.isspace() or SOURCE_LINE.match(line):
        return ""
    inlined = INLINED.match(line) if INLINED_DSO in line else None
    if inlined:
        return f"{_clean(inlined['symbol'])}\t{INLINED_DSO}\t"
    match = FRAME.match(line)
    if match is None:
        odd = ODD_ADDRESS.match(line)
        return f"{_clean(odd['symbol'])}\t{odd['dso']}\t{_mode(odd['dso'])}" if odd else None
    dso = match["dso"] or UNKNOWN
    kernel = "k" if int(match["address"], 16) >= KERNEL_HALF else "u"
    mode = kernel if dso == UNKNOWN else _mode(dso)
    tabless = dso.replace("\t", " ")
    return f"{_clean(match['symbol'] or '')}\t{tabless}\t{mode}"


def callchain(frames: list[str]) -> str:
    """The chain in the form of SAMPLES. An inlined function runs in the mode of the function that contains it."""
    chain = "\n".join(frames)
    if INLINED_DSO not in chain:
        return chain
    lines = []
    mode = "u"
    for frame in reversed(frames):
        mode = frame[-1] if frame[-1] in "ku" else mode
        lines.append(frame if frame[-1] in "ku" else frame + mode)
    return "\n".join(reversed(lines))


def _mode(dso: str) -> str:
    return "k" if KERNEL_DSO.search(dso) else "u"


def _clean(symbol: str) -> str:
    return OFFSET.sub("", symbol.strip()).replace("\t", " ") or UNKNOWN
