"""The text that `perf script` prints, taken apart: one sample is a header line and its call chain.

A chain is parsed once for each different text: most samples repeat lines that were seen before, so the
work is a dictionary look-up. Lines that are neither header, frame, comment nor blank become a row with `error`.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

HEADER: Final = re.compile(
    r"^\s*(?P<comm>\S.*?|)\s+"
    r"(?P<pid>-?\d+)(?:/(?P<tid>-?\d+))?\s+"
    r"(?:\[(?P<cpu>\d+)\]\s+)?"
    r"(?:(?P<flags>[a-zA-Z.#]{3,6}|[dDiINnHhsSbB.]{4,5}\d*)\s+)?"
    r"(?P<seconds>\d+)\.(?P<fraction>\d{1,9}):\s+"
    r"(?:(?P<period>\d+)\s+)?"
    r"(?P<event>[^\s:][^\s]*?):(?:\s|$)(?P<payload>.*)$"
)
FRAME: Final = re.compile(
    r"^\s+(?P<address>[0-9a-f]{1,16})\s(?P<symbol>.*?)(?:\s\((?P<dso>[^()]*(?:\([^()]*\))?[^()]*)\))?\s*$"
)
INLINED: Final = re.compile(r"^\s+(?P<symbol>\S.*?)\s\(inlined\)\s*$")
OFFSET: Final = re.compile(r"\+0x[0-9a-f]+$")
KERNEL_HALF: Final = 0x8000_0000_0000_0000
KERNEL_DSO: Final = re.compile(r"^\[(?!vdso|vsyscall|unknown|heap|stack|anon|uprobes)[^\]]*\]|vmlinux|\.ko(\.\w+)?$")

NANOSECONDS_DIGITS: Final = 9
UNREADABLE_SHOWN: Final = 80


class Sample(NamedTuple):
    """One row of SAMPLES, in its column order."""

    ts_ns: int | None
    cpu: int | None
    pid: int | None
    tid: int | None
    comm: str | None
    event: str | None
    period: int | None
    callchain: str
    error: str | None


class PerfText:
    """Turns blocks of text into samples, remembering every line and chain it has understood."""

    def __init__(self) -> None:
        self._frames: dict[str, str | None] = {}
        self._chains: dict[str, str | None] = {}
        self._line = 0

    def samples(self, chunks: Iterable[str]) -> Iterator[Sample]:
        """Every sample of the text, in file order.

        Parameters
        ----------
        chunks
            The text in pieces of any size; a sample may straddle pieces.
        """
        rest = ""
        for chunk in chunks:
            blocks = (rest + chunk).split("\n\n")
            rest = blocks.pop()
            for block in blocks:
                yield from self._block(block)
                self._line += 1
        if rest:
            yield from self._block(rest)

    def _block(self, block: str) -> Iterator[Sample]:
        first_line = self._line + 1
        self._line += block.count("\n") + 1
        head, _, chain = block.partition("\n")
        header = HEADER.match(head)
        known = self._chain(chain) if header else None
        if header and known is not None:
            yield _sample(header, known or self._inline(header))
        else:
            yield from self._lines(block, first_line)

    def _chain(self, text: str) -> str | None:
        """The chain in our form, or None if some line of it is not a frame."""
        if text not in self._chains:
            frames = [self._frame(line) for line in text.split("\n") if line.strip()]
            whole = all(frame is not None for frame in frames)
            self._chains[text] = "\n".join(frame for frame in frames if frame) if whole else None
        return self._chains[text]

    def _frame(self, line: str) -> str | None:
        if line not in self._frames:
            self._frames[line] = _frame(line)
        return self._frames[line]

    def _inline(self, header: re.Match[str]) -> str:
        """The one frame of a sample without chain: perf prints it behind the event."""
        payload = header["payload"].strip()
        return (self._frame(f" {payload}") or "") if payload else ""

    def _lines(self, block: str, first_line: int) -> Iterator[Sample]:
        """The slow way, line by line, for blocks that hold several samples, comments or damage."""
        header: re.Match[str] | None = None
        frames: list[str] = []
        for number, line in enumerate(block.split("\n"), first_line):
            frame = self._frame(line) if header else None
            if frame is not None:
                frames.append(frame)
                continue
            if not line.strip() or line.startswith("#"):
                continue
            if header:
                yield _sample(header, "\n".join(frames) or self._inline(header))
            header, frames = HEADER.match(line), []
            if header is None:
                yield _unreadable(line, number)
        if header:
            yield _sample(header, "\n".join(frames) or self._inline(header))


def _frame(line: str) -> str | None:
    match = FRAME.match(line)
    if match is None:
        inlined = INLINED.match(line)
        return f"{inlined['symbol']}\t(inlined)\tu" if inlined else None
    if HEADER.match(line):
        return None
    dso = match["dso"] or "[unknown]"
    symbol = OFFSET.sub("", match["symbol"].strip()) or "[unknown]"
    kernel = int(match["address"], 16) >= KERNEL_HALF if dso == "[unknown]" else bool(KERNEL_DSO.search(dso))
    return f"{symbol.replace(chr(9), ' ')}\t{dso.replace(chr(9), ' ')}\t{'k' if kernel else 'u'}"


def _sample(header: re.Match[str], callchain: str) -> Sample:
    """One row; a lone id is the thread's, as perf prints it by default."""
    fraction = header["fraction"].ljust(NANOSECONDS_DIGITS, "0")
    process, thread = (header["pid"], header["tid"]) if header["tid"] else (None, header["pid"])
    return Sample(
        ts_ns=int(header["seconds"]) * 1_000_000_000 + int(fraction),
        cpu=_int(header["cpu"]),
        pid=_int(process),
        tid=_int(thread),
        comm=header["comm"],
        event=header["event"],
        period=_int(header["period"]),
        callchain=callchain,
        error=None,
    )


def _unreadable(line: str, number: int) -> Sample:
    shown = line.strip()[:UNREADABLE_SHOWN]
    return Sample(None, None, None, None, None, None, None, "", f"line {number}: not a perf sample: {shown!r}")


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)
