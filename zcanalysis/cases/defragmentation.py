"""Defragmentation: the three copies of NFS over UDP, removed one by one, and what each class of card saves."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from zcanalysis.cases.case_answer import CaseAnswer
from zcanalysis.cases.defragmentation_machines import OF_2001, prices
from zcanalysis.cases.defragmentation_today import (
    apart_table,
    counted_read,
    ratio_bounds,
    read_share,
    recordings,
    today_table,
)
from zcanalysis.model.checksum import Card, Summed, summed_by_card
from zcanalysis.model.copy import Mapping as PageMapping
from zcanalysis.model.copy import mapped_pages
from zcanalysis.model.defragmentation import Fragments, summed_datagrams
from zcanalysis.model.memory_bus import buffer_crossings
from zcanalysis.model.nfs import CLIENT, SENDING, SERVER, Prices, Walk, walk_cost, walk_gbps
from zcanalysis.rates import BITS_PER_BYTE

QUESTION: Final = (
    "NFS over UDP copied every byte three times: what does removing each copy give, and where does it not?"
)
NEXT: Final = (
    "1. Do datagrams still come in fragments? `nstat -az IpReasmReqds Ip6ReasmReqds` twice: the difference is the "
    "fragments that came in between, over IPv4 and IPv6; of a capture, `zc.fragments(zc.scan_pcap(CAPTURE))` after "
    "`import zcanalysis as zc`. None: stop here. 2. What do they cost your machine? As root `zcanalysis lab run "
    "--scenario udp-8k -o DIR`, then the same with `--patch mtu=9000` into another folder; `zcanalysis costs` lists "
    "each. 3. Avoid them: a larger MTU, or TCP."
)
APART: Final = "The same by what it is done for: CPU time (ns) of a byte received, and of a byte read"
TODAY: Final = "Today's kernel, measured: CPU time of the receiver (ns a byte that arrived, 90 %)"
DRAWS: Final = 50_000
QUANTILES: Final = (0.05, 0.5, 0.95)
SIDES: Final[Mapping[str, Mapping[str, Walk]]] = {"client": CLIENT, "server": SERVER, "sending": SENDING}
REQUESTS: Final = (1_024, 2_048, 4_096, 8_192, 16_384, 32_768)
FAST_ETHERNET_GBPS: Final = 0.1
PIECE_BYTES: Final = 1480
CARD_NAMES: Final = {
    Card.NONE: "none",
    Card.IPV4: "IPv4 only",
    Card.IPV4_IPV6: "IPv4 and IPv6",
    Card.ANY_DATA: "any data",
}
CARDS: Final = (
    ("3c59x", "works", "IPv4 only", "3c59x.c, boomerang_rx: verified where the card found IP and TCP or UDP right"),
    ("acenic", "works", "any data", "acenic.c: hands on the card's sum; the kernel adds the pseudo header"),
    ("SunHME", "works", "any data", "recalled, not read: sunhme.c hands on a sum as well"),
    ("loopback", "works", "nothing is summed", "the sender's own bytes: never on a wire"),
    ("eepro100", "unclear", "unknown", "the keynote: no documents, bugs, seven different chips"),
    ("SysKonnect", "does not", "none", "the keynote"),
    ("tulip", "does not", "none", "the keynote"),
)  # fmt: skip


def answer() -> CaseAnswer:
    """What each removed copy gives, at the client, at the server and on the way out; and what is left of it today.

    Raises
    ------
    ZcError
        If the shipped recordings are not there.
    """
    gains, cards = gain_table(), card_table()
    today, apart = today_table(recordings()), apart_table(recordings())
    return CaseAnswer(
        question=QUESTION,
        answer=" ".join((_receiving(gains), _cards_and_sending(gains, cards), _today(today, apart))),
        sure=_sure(),
        next_step=NEXT,
        tables={
            "Copies and crossings": crossings_table(),
            "Gain over the first row of each side, one CPU, 5 % to 95 %": gains,
            "What is left for the CPU to sum, by what the card can": cards,
            "The cards named": cards_named(),
            "Whole pages that could be given instead of copied": page_table(),
            TODAY: today,
            APART: apart,
        },
        assumptions=OF_2001.assumptions(),
    )


def _receiving(gains: pl.DataFrame) -> str:
    client, server = (_spans(gains, side) for side in ("client", "server"))
    return (
        f"Removing copies pays at the client (chained fragments: {client[1]} more) and on sending, at the server only "
        f"once knfsd reads a chain of fragments as it is; one copy stays on receive. In 2001 (modelled: what one CPU "
        f"carries more than with 2.4.0, of the middle 90 % of machines) a client whose fragments are chained instead "
        f"of copied together carries {client[1]} more; with its page cache mapped too, {client[2]}. With no copy at "
        f"all it would be {client[3]}: a hypothetical bound. A server gains {server[1]} from "
        f"chaining alone, because knfsd copies the chain into one buffer and checksums that in a pass of its own; "
        f"reading the chain it would gain {server[3]}."
    )


def _cards_and_sending(gains: pl.DataFrame, cards: pl.DataFrame) -> str:
    any_data = cards.row(by_predicate=pl.col("card_sums") == CARD_NAMES[Card.ANY_DATA], named=True)
    return (
        f"A card's receive checksum helps with fragments only where the card sums any data: "
        f"{_share(any_data['saved_at_client'])} less CPU time at the client, {_share(any_data['saved_at_server'])} at "
        f"the server. On sending, sendfile instead of read and write removes every copy if the card sums "
        f"({_spans(gains, 'sending')[2]}). Receive cannot follow with fragments of {PIECE_BYTES:,} bytes: one fills no "
        f"page, and nobody knows whose it is before it is in memory. With whole datagrams, MTU 9000, it could if the "
        f"card splits the headers off: {_pages(page_table())}."
    )


def _pages(table: pl.DataFrame) -> str:
    row = table.row(by_predicate=pl.col("whole_pages") == table["whole_pages"].max(), named=True)
    return f"a block of 8 KB then comes as {row['whole_pages']} whole pages of {row['pages']}"


def _today(today: pl.DataFrame, apart: pl.DataFrame) -> str:
    pieces, whole = today["ns_per_byte"]
    low, high = ratio_bounds(today)
    below, copied, _ = apart.to_dicts()
    return (
        f"Today's kernel (measured) chains: it copies nothing to put a datagram together. Still a byte in six "
        f"fragments costs the receiver {pieces / whole:.1f} times ({low:.1f} to {high:.1f}) the CPU time of one in "
        f"a whole datagram, {_share((pieces - whole) / BITS_PER_BYTE)} of a CPU more for each Gbit/s that arrives. "
        f"That is of an overloaded receiver: {_dropped()}. Taken apart, all but the copy, which every byte received "
        f"costs, takes {below['times']:.1f} times as long in fragments ({below['low']:.1f} to {below['high']:.1f}). "
        f"What the copy costs a byte that is read these data cannot tell: {copied['samples_in_pieces']} samples show "
        f"it in fragments, {copied['samples_whole']} whole."
    )


def _dropped() -> str:
    """How much of what was sent, and of what came while the CPU was sampled, the program read."""
    known = recordings().values()
    sent = [_share(read_share(one.recording.load or {})) for one in known]
    came = [_share(counted_read(one.recording.counters)) for one in known]
    return (
        f"only {sent[0]} of the bytes sent were read in fragments, and {sent[1]} whole ({came[0]} and {came[1]} while "
        f"the CPU was sampled), the socket dropped the rest"
    )


def _sure() -> str:
    low, middle, high = np.quantile(touching_share(), QUANTILES)
    return (
        f"Fairly sure which copies there were and which removals pay, not sure how much. The copies are read from the "
        f"sources of 2.4.0 and 2.4.17. What they cost is assumed: the keynote names no machine and no rate, so "
        f"{DRAWS:,} machines were drawn from ranges written down before. The gains "
        f"hang on the part of the CPU's time that goes to payload: in these machines {_share(low)} to {_share(high)} "
        f"at the client of 2.4.0, {_share(middle)} in the middle. No published rate checks them, and these data cannot "
        f"tell copying from waiting for memory. No link is modelled: where 100 Mbit/s is the limit, the gain is idle "
        f"CPU time, not rate. Today's figures are one pair of recordings over veth in a virtual machine with other "
        f"work, and both receivers were overloaded: dropping is work too, a byte that is read was never measured "
        f"without bytes that are dropped, and another pair gives another ratio. The call chains do not hang on that."
    )


def drawn_prices(draws: int = DRAWS) -> Prices:
    """Machines of the ranges."""
    return prices(OF_2001.drawn(draws))


def touching_share(draws: int = DRAWS) -> np.ndarray:
    """The share of CPU time that goes to payload at the client of 2.4.0: waiting, copying, summing; shape (draws,)."""
    cost = walk_cost(next(iter(CLIENT.values())), drawn_prices(draws))
    payload: np.ndarray = (cost.waiting + cost.copying + cost.summing) / cost.ns_per_byte()
    return payload


def crossings_table() -> pl.DataFrame:
    """One row a side and walk: copies, and crossings of memory where nothing stays in the cache and where all does."""
    return pl.DataFrame(
        {
            "side": side,
            "walk": name,
            "copies": walk.copies,
            "sums_apart": walk.sums_apart,
            **{f"memory_{cache}": _memory(walk, kept=kept) for cache, kept in (("cold", False), ("cached", True))},
        }
        for side, walks in SIDES.items()
        for name, walk in walks.items()
    )


def _memory(walk: Walk, *, kept: bool) -> float:
    return sum(buffer_crossings(touches, kept=kept).memory for touches in walk.buffers.values())


def buffer_table(side: str) -> pl.DataFrame:
    """One row a walk of that side, buffer and cache: crossings of memory for each byte."""
    return pl.DataFrame(
        {
            "design": name,
            "buffer": buffer,
            "cache": "all of it cached" if kept else "nothing cached",
            "crossings": buffer_crossings(touches, kept=kept).memory,
        }
        for name, walk in SIDES[side].items()
        for buffer, touches in walk.buffers.items()
        for kept in (False, True)
    )


def gain_table(draws: int = DRAWS) -> pl.DataFrame:
    """One row a side and walk: what one CPU carries over what it does by the first; its share busy at 100 Mbit/s."""
    machines = drawn_prices(draws)
    rows = []
    for side, walks in SIDES.items():
        first = walk_gbps(next(iter(walks.values())), machines)
        for name, walk in walks.items():
            gbps = walk_gbps(walk, machines)
            low, median, high = np.quantile(gbps / first, QUANTILES)
            busy = np.median(walk_cost(walk, machines).ns_per_byte()) * FAST_ETHERNET_GBPS / BITS_PER_BYTE
            rows.append((side, name, low, median, high, np.median(gbps), busy))
    columns = ["side", "walk", "low", "median", "high", "gbps_median", "cpu_at_100_mbps"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def cost_table(requests: tuple[int, ...] = REQUESTS) -> pl.DataFrame:
    """What a byte costs the CPU of the middle machine, by size of request; one row a side, walk, size and part."""
    rows = []
    for request_bytes in requests:
        changed = {"request: rsize, wsize (bytes)": np.array([float(request_bytes)])}
        changed["payload of a piece (bytes)"] = np.array([float(min(request_bytes, PIECE_BYTES))])
        machine = prices(OF_2001.middle() | changed)
        for side, walks in SIDES.items():
            for name, walk in walks.items():
                parts = walk_cost(walk, machine)._asdict()
                rows += [(side, name, request_bytes, part, float(np.ravel(cost)[0])) for part, cost in parts.items()]
    return pl.DataFrame(rows, schema=["side", "walk", "request_bytes", "part", "ns_per_byte"], orient="row")


def card_table(draws: int = DRAWS) -> pl.DataFrame:
    """One row a class of card: what it says of whole packets and of datagrams in pieces, and what that saves of CPU."""
    machines = drawn_prices(draws)
    chained = CLIENT["chained (2.4.17)"]
    client = _saved(chained, Walk(buffers=chained.buffers, copies=chained.copies), machines)
    server = _saved(SERVER["chained, made one piece (2.4.17)"], SERVER["the same, card sums any data"], machines)
    rows = []
    for card, name in CARD_NAMES.items():
        whole4, whole6, pieces = (_said(card, count, ipv6=ipv6) for count, ipv6 in ((1, False), (1, True), (6, False)))
        summed = pieces is not Summed.NONE
        rows.append((name, whole4.name, whole6.name, pieces.name, client * summed, server * summed))
    columns = ["card_sums", "whole_ipv4", "whole_ipv6", "pieces", "saved_at_client", "saved_at_server"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def _said(card: Card, pieces: int, *, ipv6: bool) -> Summed:
    """What is left of the card's verdict when a datagram of so many packets is whole."""
    at = np.arange(pieces)
    fragments = Fragments(np.zeros(pieces, int), at * PIECE_BYTES, np.full(pieces, PIECE_BYTES), at < pieces - 1)
    verdict = summed_by_card(card, np.full(pieces, ipv6), np.full(pieces, pieces > 1))
    return Summed(summed_datagrams(fragments, verdict)[0])


def _saved(walk: Walk, summed: Walk, machines: Prices) -> float:
    """The median share of CPU time that is saved when the card has summed already."""
    before, after = (walk_cost(one, machines).ns_per_byte() for one in (walk, summed))
    return float(np.median(1 - after / before))


def cards_named() -> pl.DataFrame:
    """The cards of the keynote: what it says of each, and the class that its driver's source shows."""
    return pl.DataFrame(CARDS, schema=["card", "keynote", "card_sums", "source"], orient="row")


def page_table() -> pl.DataFrame:
    """How many pages of an NFS block could be given to the page cache, by how it arrives."""
    ways = {
        "six pieces of 1480 bytes, wherever they lie": (PIECE_BYTES, 6, False),
        "six pieces, each at the start of a page": (PIECE_BYTES, 6, True),
        "one packet of MTU 9000, headers before it": (8_192, 1, False),
        "one packet of MTU 9000, headers split off": (8_192, 1, True),
    }
    mapping = PageMapping(page_ns=0, flush_ns=0)
    return pl.DataFrame(
        {
            "arrives_as": way,
            "pages": 2,
            "whole_pages": int(mapped_pages(np.full(count, size), np.full(count, aligned), mapping).sum()),
        }
        for way, (size, count, aligned) in ways.items()
    )


def _spans(gains: pl.DataFrame, side: str) -> list[str]:
    """The gains of one side's walks as people say them: from 5 to 95 %."""
    return [_span(row) for row in gains.filter(pl.col("side") == side).to_dicts()]


def _span(row: Mapping[str, float]) -> str:
    low, high = (f"{100 * (row[name] - 1):.0f}" for name in ("low", "high"))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"
