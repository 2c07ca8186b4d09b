"""Logs of `ss -tinm`: what a kernel counted of its own TCP connections, reading after reading.

Enters: the text of `ss -ti` with any of its options, once or again and again, plain or compressed; a line with the time
before each output says when. Leaves: the counters of the connections that moved data, named as the recorder names them
(`struct tcp_info`, include/uapi/linux/tcp.h; what ss makes of it: iproute2, misc/ss.c tcp_stats_print).
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.errors import TraceError
from zcanalysis.io.compressed import open_bytes
from zcanalysis.io.trace_text import opening, whole_lines

EXPECTED: Final = "the output of `ss -tinm`, with a line of `date +%s.%N` before each"
MOST_SOCKETS: Final = 1_000_000
MOST_READINGS: Final = 250_000
"""Of loud sockets: twenty counters each, as many rows as a table of counters may have."""
LOUD_SHARE: Final = 0.01
"""A connection that moved less than this of all bytes is left out, as the recorder does."""
LARGEST: Final = (1 << 62) - 1
SHOWN: Final = 80

SOCKET: Final = re.compile(
    r"(?:tcp\s+)?(?:([A-Z][A-Z0-9-]+)\s+)?(\d{1,15})\s+(\d{1,15})\s+"
    r"(\S+):([^\s:]+)\s+(\S+):([^\s:]+)(?:\s+(.*))?$"
)
HEADER: Final = re.compile(r"(?:Netid\s+)?(?:State\s+)?Recv-Q\s+Send-Q\s")
SECONDS: Final = re.compile(r"(\d{9,10})(?:\.(\d{1,9}))?$")
WHOLE_NS: Final = re.compile(r"\d{18,19}$")
ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)$")
OTHERS: Final = re.compile(r"(?:mptcp|udp|udpl|raw|nl|icmp6|dccp|sctp|xdp|[upv]_\w+|ti_\w+)\s")
OPEN_STATES: Final = frozenset({None, "ESTAB", "CLOSE-WAIT", "FIN-WAIT-1", "FIN-WAIT-2", "LAST-ACK", "CLOSING"})
NOTHING: Final = ("*", "0.0.0.0", "[::]")

WORD: Final = re.compile(r"(?<!\S)(\w+):(\S+)|(?<!\S)(delivery_rate) (\S+)|(?<!\S)(app_limited)(?!\S)")
MOVED: Final = re.compile(r"(?<!\S)(bytes_acked|bytes_received):(\d{1,18})")
MEMORY: Final = re.compile(r"\(r(\d{1,15}),rb(\d{1,15}),")
NUMBER: Final = re.compile(r"(\d{1,18})(?:\.(\d{1,9}))?")
COUNTS: Final = {
    "cwnd": "snd_cwnd", "mss": "snd_mss", "rcvmss": "rcv_mss", "bytes_sent": "bytes_sent", "bytes_acked": "bytes_acked",
    "bytes_received": "bytes_received", "segs_out": "segs_out", "segs_in": "segs_in", "data_segs_out": "data_segs_out",
    "data_segs_in": "data_segs_in", "unacked": "unacked", "notsent": "notsent_bytes", "rcv_space": "rcv_space",
    "rcv_ssthresh": "rcv_ssthresh", "rcv_ooopack": "rcv_ooopack", "snd_wnd": "snd_wnd", "rcv_wnd": "rcv_wnd",
}  # fmt: skip
MILLISECONDS: Final = {
    "rtt": "rtt_us", "minrtt": "min_rtt_us", "rcv_rtt": "rcv_rtt_us", "busy": "busy_us",
    "rwnd_limited": "rwnd_limited_us", "sndbuf_limited": "sndbuf_limited_us",
}  # fmt: skip
BITS: Final = {"bps": 1, "Kbps": 10**3, "Mbps": 10**6, "Gbps": 10**9, "Tbps": 10**12}
# ss prints no zeros. A kernel that counts one of these counts all of its group, so what is not printed then is 0.
TOGETHER: Final = (
    ("busy_us", "rwnd_limited_us", "sndbuf_limited_us"),
    ("bytes_acked", "bytes_received", "segs_out", "segs_in"),
    ("data_segs_out", "data_segs_in"),
    ("delivery_rate_bps", "app_limited", "notsent_bytes"),
    ("snd_cwnd", "total_retrans", "unacked"),
)
CUT: Final = "(cut off)"
COUNTERS_READ: Final = (
    "recv_q", "send_q", "rmem_alloc", "rcvbuf", "total_retrans", "delivery_rate_bps", "app_limited",
    *COUNTS.values(), *MILLISECONDS.values(),
)  # fmt: skip


class SocketLog(NamedTuple):
    """What a log holds."""

    table: pl.DataFrame
    """``reading`` (from 0), ``ts_ns`` (null where no time was printed), ``instance`` (``local:port>peer:port``) and a
    column for each of COUNTERS_READ, null where it is not known; a row a reading of a connection that moved data."""
    readings: int
    """Outputs of ss that list a connection."""
    untimed: int
    """Of those, without a time before them."""
    quiet: int
    """Connections left out, as they moved too little."""
    unreadable_lines: int
    first_unreadable: str | None


class _Reading(NamedTuple):
    """One connection in one output of ss."""

    number: int
    ts_ns: int | None
    instance: str
    counters: dict[str, int]


def is_socket_log(start: bytes) -> bool:
    """Whether a file that begins so is one: some line of it tells the queues and ends of a socket.

    Parameters
    ----------
    start
        The first bytes of the file, unpacked.
    """
    lines = start.decode("utf-8", "replace").splitlines()
    told = [line for line in lines if _time_ns(line.strip()) is None][:20]
    return any(HEADER.match(line) or SOCKET.match(line) for line in told)


def read_socket_log(path: str | Path) -> SocketLog:
    """The counters of a log of `ss -ti`.

    Parameters
    ----------
    path
        Text of ``ss -tin``, better ``ss -tinm``, once or repeated; plain, gzip or zstandard. Times are lines of
        ``date +%s.%N``, ``date +%s%N`` or ``date --iso-8601=ns`` before each output. It is read twice: first to see
        which connections moved data, then for these.

    Raises
    ------
    TraceError
        If the file is unreadable, holds no socket, or more than a table of counters can.
    """
    file = Path(path)
    loud, sockets = _loud(file)
    text = _Text(_add_counters)
    rows = [
        (found.number, found.ts_ns, found.instance, *map(found.counters.get, COUNTERS_READ))
        for found in _limited(text.sockets(_lines(file)), loud, file)
    ]
    if not text.readings:
        raise TraceError(f"{file}: holds no TCP connection ({text.first_unreadable or 'empty'}); expected {EXPECTED}")
    types = {"reading": pl.Int64, "ts_ns": pl.Int64, "instance": pl.String} | dict.fromkeys(COUNTERS_READ, pl.Int64)
    table = pl.DataFrame(rows, schema=types, orient="row")
    return SocketLog(
        table=_with_zeros(table),
        readings=text.readings,
        untimed=text.untimed,
        quiet=sockets - len(loud),
        unreadable_lines=text.unreadable_lines,
        first_unreadable=text.first_unreadable,
    )


def _lines(file: Path) -> Iterator[str]:
    """Lines without their ends; of a log that was cut off, its last line says CUT: half a number is a wrong one."""
    told = 0
    with open_bytes(file) as stream:
        for piece in whole_lines(opening(stream), stream, file, EXPECTED):
            for line in piece.splitlines(keepends=True):
                whole = line.endswith(("\n", "\r")) or told <= 1  # a single reading may have been pasted
                told += line[:1] in ("\t", " ")
                yield line.rstrip("\r\n") if whole else CUT


def _loud(file: Path) -> tuple[set[str], int]:
    """The connections that moved at least a hundredth of all bytes, or of all since they began; and how many are."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    names: set[str] = set()
    for found in _Text(_add_moved).sockets(_lines(file)):
        if not found.counters.keys() & {"bytes_acked", "bytes_received"}:
            names.add(found.instance)  # its line of counters is missing
            continue
        moved = found.counters.get("bytes_acked", 0) + found.counters.get("bytes_received", 0)
        first.setdefault(found.instance, moved if found.number == 0 else 0)  # what came later has moved all of it since
        last[found.instance] = moved
        if len(first) + len(names) > MOST_SOCKETS:
            raise TraceError(f"{file}: has more than {MOST_SOCKETS:,} connections; cut out those of the transfer")
    grown = {name: last[name] - first[name] for name in first}
    moved_by = grown if any(count > 0 for count in grown.values()) else last
    least = LOUD_SHARE * sum(max(count, 0) for count in moved_by.values())
    return {name for name, count in moved_by.items() if count >= max(least, 1)}, len(names | first.keys())


def _limited(sockets: Iterator[_Reading], loud: set[str], file: Path) -> Iterator[_Reading]:
    kept = 0
    for found in sockets:
        if found.instance in loud:
            kept += 1
            if kept > MOST_READINGS:
                raise TraceError(f"{file}: has more than {MOST_READINGS:,} readings of sockets; cut out the transfer")
            yield found


class _Text:
    """Lines of a log to readings of sockets, and what was met on the way."""

    def __init__(self, add: Callable[[str, dict[str, int]], None]) -> None:
        self._add = add
        self.readings = 0
        self.untimed = 0
        self.unreadable_lines = 0
        self.first_unreadable: str | None = None
        self._ts_ns: int | None = None
        self._seen: set[str] = set()

    def sockets(self, lines: Iterator[str]) -> Iterator[_Reading]:
        """Each connection of each output, once its lines are read."""
        head: tuple[str, dict[str, int]] | None = None
        for number, line in enumerate(lines, 1):
            if line[:1] in ("\t", " "):
                if head is not None:
                    self._add(line, head[1])
                continue
            if head is not None:
                yield self._reading(*head)
            head = self._head(line, number)
        if head is not None:
            yield self._reading(*head)

    def _reading(self, instance: str, counters: dict[str, int]) -> _Reading:
        if instance in self._seen:  # without header and time, an output begins with what was seen before
            self._begin(None)
        if not self._seen:
            self.readings += 1
            self.untimed += self._ts_ns is None
        self._seen.add(instance)
        return _Reading(self.readings - 1, self._ts_ns, instance, counters)

    def _begin(self, ts_ns: int | None) -> None:
        self._ts_ns = ts_ns
        self._seen = set()

    def _head(self, line: str, number: int) -> tuple[str, dict[str, int]] | None:
        """The connection that a line begins, if it is one; else the line is a time, a header, or none of ours."""
        found = SOCKET.match(line)
        if found is None:
            self._other(line.strip(), number)
            return None
        state, recv_q, send_q, local, local_port, peer, peer_port, rest = found.groups()
        if state not in OPEN_STATES or local in NOTHING or peer in NOTHING:
            return None
        here, there = _end(local, local_port), _end(peer, peer_port)
        if here is None or there is None:
            self._unreadable(line, number)
            return None
        counters = {"recv_q": int(recv_q), "send_q": int(send_q)}
        self._add(rest or "", counters)
        return f"{here}>{there}", counters

    def _other(self, line: str, number: int) -> None:
        ts_ns = _time_ns(line)
        if ts_ns is not None:
            self._begin(ts_ns)
        elif HEADER.match(line):
            if self._seen:
                self._begin(None)
        elif line and not OTHERS.match(line):
            self._unreadable(line, number)

    def _unreadable(self, line: str, number: int) -> None:
        self.unreadable_lines += 1
        if self.first_unreadable is None:
            self.first_unreadable = f"line {number}: {line.strip()[:SHOWN]!r}"


def _time_ns(line: str) -> int | None:
    if found := SECONDS.match(line):
        return int(found[1]) * 10**9 + int((found[2] or "").ljust(9, "0"))
    if WHOLE_NS.match(line):
        return min(int(line), LARGEST)
    found = ISO.match(line)
    if found is None:
        return None
    try:
        whole = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[4].replace('Z', '+00:00')}")
    except ValueError:
        return None
    return int(whole.timestamp()) * 10**9 + int((found[3] or "").ljust(9, "0"))


@lru_cache(maxsize=1 << 16)
def _end(address: str, port: str) -> str | None:
    """One end as the recorder writes it; None for names of hosts and services: ss was run without -n."""
    bare = re.sub(r"%[^\]]*", "", address).removeprefix("[").removesuffix("]")
    try:
        parsed = ip_address(bare)
    except ValueError:
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= 5):  # noqa: PLR2004 - 65535
        return None
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return f"{mapped}:{port}" if mapped else f"[{parsed}]:{port}"
    return f"{parsed}:{port}"


def _add_moved(text: str, counters: dict[str, int]) -> None:
    """What tells whether a connection moved data, which is found much quicker than everything."""
    for name, value in MOVED.findall(text):
        counters[name] = int(value)


def _add_counters(text: str, counters: dict[str, int]) -> None:
    for name, value, rate, speed, flag in WORD.findall(text):
        if name in COUNTS:
            _put(counters, COUNTS[name], value, 1)
        elif name in MILLISECONDS:
            _put(counters, MILLISECONDS[name], value, 1000)
        elif name == "retrans":
            _put(counters, "total_retrans", value.rpartition("/")[2], 1)
        elif name == "skmem" and (memory := MEMORY.match(value)):
            counters["rmem_alloc"], counters["rcvbuf"] = int(memory[1]), int(memory[2])
        elif rate:
            _put(counters, "delivery_rate_bps", speed, BITS.get(speed.lstrip("0123456789."), 0))
        elif flag:
            counters["app_limited"] = 1


def _put(counters: dict[str, int], name: str, value: str, scale: int) -> None:
    """A number with a fraction, in units of its `scale`-th part; a value that is none is left out."""
    found = NUMBER.match(value)
    if found is not None and scale:
        fraction = (found[2] or "").ljust(9, "0")
        counters[name] = min(int(found[1]) * scale + int(fraction) * scale // 10**9, LARGEST)


def _with_zeros(table: pl.DataFrame) -> pl.DataFrame:
    """What was not printed is 0; a socket without its line of counters, as where a log ends, was not read at all."""
    told = [group for group in TOGETHER if any(table.get_column(name).count() for name in group)]
    counted = pl.any_horizontal(pl.col(name).is_not_null() for name in (*COUNTS.values(), *MILLISECONDS.values()))
    read = table.filter(counted) if told else table
    return read.with_columns(pl.col(name).fill_null(0) for group in told for name in group)
