"""Pinned buffers: a relay that did not copy gained 60 %. Which machines do that, and what limited them then?"""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import polars as pl

from zcanalysis.cases.case_answer import CaseAnswer
from zcanalysis.cases.pinned_buffers_machines import OF_2000, REPORTED_GAIN, TOLERANCE, drawn, machines
from zcanalysis.cases.pinned_buffers_today import measured_words, relay_recorded
from zcanalysis.model.arrays import Floats, Mask
from zcanalysis.model.memory_bus import buffer_crossings
from zcanalysis.model.relay import BUFFERS, DESIGNS, RESOURCES, Machines, Rates, design_crossings, relay_rates

QUESTION: Final = "A relay stopped copying and gained 60 %: where does that figure come out, and where does it not?"
NEXT: Final = (
    "On your relay, count what crosses memory for each byte forwarded, before and after (on an Intel server: `perf "
    "stat -a -e uncore_imc/cas_count_read/,uncore_imc/cas_count_write/`). If it falls as much as the rate rises, the "
    "bus is still the limit. If it falls by more, another resource took over: record the relay (`zcanalysis record`), "
    "and `zcanalysis report RECORDING` names it. To stop copying today, forward by splice(2); `zcanalysis predict "
    "RECORDING --patch pinned-buffers` says first what that would give."
)
DRAWS: Final = 100_000
COPIED: Final = tuple(name for name in DESIGNS if name.startswith("copied"))
OTHERS: Final = tuple(name for name in DESIGNS if name not in COPIED)
HIS_BEFORE, HIS_AFTER = "copied, summed meanwhile", "pinned, sum carried"
CPU, FRONT_SIDE, MEMORY, PCI, LINK = range(len(RESOURCES))
BUSES: Final = (FRONT_SIDE, MEMORY)
THEN: Final = {"then_cpu": (CPU,), "then_bus": BUSES, "then_pci": (PCI,), "then_link": (LINK,)}
QUANTILES: Final = (0.05, 0.5, 0.95)
PAIR: Final = ["before", "after"]
GAIN: Final = ["his_words", "low", "median", "high", "bus_again_low", "bus_again_high", "bus_again_gives_it"]
AGAIN: Final = "bus_again_machines"
NEVER_READ: Final = "pinned, never read"
GIVES: Final = ["gives_it", *THEN]
HELPED: Final = 1.1
SMALL_BYTES, LARGE_BYTES, DEAR_NS = 8_192, 32_768, 8_000
EVERY: Final = "all on which pinned buffers gain a tenth"
SMALL_AND_DEAR: Final = "messages below 8 KB, a flush above 8 us"
REPORTED: Final = (REPORTED_GAIN - TOLERANCE, REPORTED_GAIN + TOLERANCE)
GAIN_BINS: Final = np.arange(0.55, 4.6, 0.1)  # one of them is what would be called 60 %
MESSAGES: Final = tuple(1 << power for power in range(10, 18))
FLUSH_NS: Final = range(0, 31_000, 1_000)

# Rate in Gbit/s, how often each of its bytes crosses the memory bus at least, and the raw bus it ran on.
PUBLISHED: Final = (
    ("Pentium III: cached file to an aligned 8 KB buffer", 2**30 * 8 / 4.373e9, 1, 6.4,
     "A. Morton, linux-kernel, 7 October 2002: 1 GiB in 4.373 s; buffer cached, bus of 100 MHz assumed"),
    ("Pentium III: the same, not aligned", 2**30 * 8 / 10.02e9, 1, 6.4, "the same: 10.02 s"),
    ("Celeron 1200: sum 4 MB", 1024 * 8 / (704 / 1.2), 1, 6.4,
     "D. Vlasenko, linux-kernel, 25 October 2002: 704 cycles a KB, bus of 100 MHz"),
    ("Celeron 1200: copy and sum 2 MB", 1024 * 8 / (3430 / 1.2), 3, 6.4, "the same: 3430 cycles a KB"),
)  # fmt: skip


def answer() -> CaseAnswer:
    """Where the 60 % comes out, and where it does not."""
    gains = gain_table()
    shown = message_table().pivot("design", index="message_bytes", values="cpu_ns_per_byte")
    return CaseAnswer(
        question=QUESTION,
        answer=_answer(gains, mapping_table()),
        sure=_sure(gains) + f" {measured_words(relay_recorded())}",
        next_step=NEXT,
        tables={
            "Crossings for each payload byte": crossings_table(),
            "Gain where the bus was the limit before, 5 % to 95 %": gains.select([*PAIR, *GAIN, AGAIN]),
            "Share of those machines that gain 55 to 65 %, by what limits them then": gains.select(PAIR + GIVES),
            "Page tricks against pinned buffers, medians": mapping_table(),
            "CPU time for a byte on the middle machine (ns), by bytes a message": shown,
            "Published rates held against the bus they ran on": published_table(),
        },
        assumptions=OF_2000.assumptions(),
    )


def _answer(gains: pl.DataFrame, mapping: pl.DataFrame) -> str:
    his = gains.row(by_predicate=(pl.col("before") == HIS_BEFORE) & (pl.col("after") == HIS_AFTER), named=True)
    then = {name: his[name] / his["gives_it"] for name in THEN}
    return (
        "60 % is an ordinary gain for a relay that a bus limited, and mostly the bus is not its limit any "
        f"more. Of the machines drawn that the front-side bus or memory limited while they copied, half gain "
        f"{_gained(his['median'])} % or more, nine in ten {_gained(his['low'])} to {_gained(his['high'])} %. "
        "Copied and summed in one pass, a byte crosses memory "
        f"{_memory(HIS_BEFORE, kept=True):.0f} times (all of it cached) to {_memory(HIS_BEFORE, kept=False):.0f} "
        f"(none); in pinned buffers, the old sum carried over, {_memory(HIS_AFTER, kept=False):.0f} times. Where a bus "
        f"is the limit before and after, that gives {_gained(his['bus_again_low'])} to "
        f"{_gained(his['bus_again_high'])} %. But of the machines that gain 55 to 65 %, the CPU limits "
        f"{_percent(then['then_cpu'])} % afterwards, PCI or the links {_percent(then['then_pci'] + then['then_link'])} "
        f"%, a bus {_percent(then['then_bus'])} %. {_mapping_answer(mapping)}"
    )


def _mapping_answer(mapping: pl.DataFrame) -> str:
    rows = mapping.rows_by_key("machines", named=True, unique=True)
    every, worst = rows[EVERY], rows[SMALL_AND_DEAR]
    return (
        "Page tricks save the same crossings but pay for every page, so they gain less; yet that this 'effectively "
        "kills any performance gain', as he says, does not come out. Of all machines drawn, bus-limited or not, on "
        f"which pinned buffers gain a tenth or more ({_percent(every['share'])} %), page tricks gain "
        f"{_gained(every['mapped_gain'])} % in the median where pinned buffers gain {_gained(every['pinned_gain'])} %; "
        f"they give nothing on {_percent(every['no_gain'])} %, and with small messages and a dear flush of the TLB on "
        f"{_percent(worst['no_gain'])} %."
    )


def _sure(gains: pl.DataFrame) -> str:
    share, words = gains["gives_it"].to_list(), gains["his_words"].to_list()
    read = gains.filter(pl.col("after") != NEVER_READ)["bus_again_gives_it"].to_list()
    return (
        f"Fairly sure that it is ordinary, not sure how he came to it. The mail names no machine: {DRAWS:,} were drawn "
        f"from wide ranges; a bus limited {_percent(min(words))} to {_percent(max(words))} % of them when they copied, "
        f"as he says his did. Of these, {_percent(min(share))} to {_percent(max(share))} % gain 55 to 65 %, whichever "
        f"way they summed before and after: odds of at most {max(share) / min(share):.1f} to 1, so these data cannot "
        "tell how he summed, nor what limited him then. "
        f"{_ruled_out(gains.filter(after=NEVER_READ))} Where something read it and a bus was still the limit, "
        f"{_percent(min(read))} to {_percent(max(read))} % do. That a page holds one packet only was put in after the "
        "first outcome was seen; it makes page tricks dearer: without it they would gain more, and his words on them "
        "be further off."
    )


def _ruled_out(never: pl.DataFrame) -> str:
    machines_of, shares = never[AGAIN].to_list(), never["bus_again_gives_it"].to_list()
    found = max(round(share * of) for share, of in zip(shares, machines_of, strict=True))
    before, after = _memory(HIS_BEFORE, kept=True), _memory(NEVER_READ, kept=False)
    return (
        "One story is ruled out (below 1 %) under these ranges of what stays in the cache: that nothing read the "
        "payload and a bus was still the limit. There are few such machines, "
        f"{min(machines_of)} or {max(machines_of)} by how they summed before, and {found} of them gain 55 to 65 %. "
        f"It hangs on those ranges: were all of it in the cache while it was copied, {before:.0f} "
        f"crossings would become {after:.0f}, a gain of {_gained(before / after)} %."
    )


def crossings_table() -> pl.DataFrame:
    """One row a design: what a payload byte crosses where nothing stays in the cache, and where all does."""
    rows = []
    for name, design in DESIGNS.items():
        cold, warm = (design_crossings(design, dict.fromkeys(BUFFERS, kept)) for kept in (False, True))
        rows.append(
            (name, cold.memory, warm.memory, cold.front_side, warm.front_side, cold.missed, warm.missed, cold.io)
        )
    both = [f"{bus}_{cache}" for bus in ("memory", "front_side", "waited_for") for cache in ("cold", "cached")]
    return pl.DataFrame(rows, schema=["design", *both, "pci"], orient="row")


def buffer_table() -> pl.DataFrame:
    """One row a design, buffer and cache: crossings of memory for each payload byte."""
    return pl.DataFrame(
        {
            "design": name,
            "buffer": buffer,
            "cache": "all of it cached" if kept else "nothing cached",
            "crossings": buffer_crossings(touches, kept=kept).memory,
        }
        for name, design in DESIGNS.items()
        for buffer, touches in zip(BUFFERS, design.buffers(), strict=True)
        for kept in (False, True)
    )


def gain_table(draws: int = DRAWS) -> pl.DataFrame:
    """One row for each way it was copied before and for each design after.

    Parameters
    ----------
    draws
        Machines drawn.

    Returns
    -------
    polars.DataFrame
        `his_words` is the share of all machines that a bus limited before; the rest is of those alone. Gains are rates
        over rates: low, median, high are 5, 50 and 95 %, `bus_again` where a bus is the limit after too. `gives_it` is
        the share that gains 55 to 65 %, and `then_` sums up to it; `bus_again_gives_it` is a share of those that a bus
        limits after too, and `bus_again_machines` their number.
    """
    rates = _all_rates(draws)
    return pl.DataFrame([_gain_row(before, after, rates) for before in COPIED for after in OTHERS])


def _all_rates(draws: int) -> dict[str, Rates]:
    drawn_machines = machines(drawn(draws))
    return {name: relay_rates(design, drawn_machines) for name, design in DESIGNS.items()}


def _gain_row(before: str, after: str, rates: dict[str, Rates]) -> dict[str, str | float]:
    his = bus_limited(rates[before])
    gain = gain_of(rates[before], rates[after])[his]
    limit = rates[after].limit()[his]
    reported = is_reported(gain)
    again = np.isin(limit, BUSES)
    values = [his.mean(), *np.quantile(gain, QUANTILES), *np.quantile(gain[again], QUANTILES[::2])]
    values += [reported[again].mean(), reported.mean()]
    values += [(reported & np.isin(limit, which)).mean() for which in THEN.values()]
    numbers = dict(zip((*GAIN, *GIVES), map(float, values), strict=True))
    return {"before": before, "after": after, AGAIN: int(again.sum()), **numbers}


def bus_limited(rates: Rates) -> Mask:
    """Which machines his words allow: the front-side bus or the memory is the limit; shape (n,)."""
    return np.isin(rates.limit(), BUSES)


def gain_of(before: Rates, after: Rates) -> Floats:
    """What one carries over what the other does; shape (n,)."""
    return after.carried_gbps() / before.carried_gbps()


def is_reported(gain: Floats) -> Mask:
    """Which gains would be called 60 %."""
    return (gain >= REPORTED[0]) & (gain <= REPORTED[1])


def gain_bins(draws: int = DRAWS) -> pl.DataFrame:
    """Of the machines that his words allow, the share by gain and by what then limits; one row a pair and bin."""
    rates = _all_rates(draws)
    return pl.concat([_bins(before, after, rates) for before in COPIED for after in OTHERS])


def _bins(before: str, after: str, rates: dict[str, Rates]) -> pl.DataFrame:
    his = bus_limited(rates[before])
    gain = np.clip(gain_of(rates[before], rates[after])[his], GAIN_BINS[0], GAIN_BINS[-1] - 1e-9)
    limits = rates[after].limit()[his]
    counted = {name: np.histogram(gain[limits == at], GAIN_BINS)[0] for at, name in enumerate(RESOURCES)}
    return pl.DataFrame(
        {"before": before, "after": after, "limit": name, "from": start, "to": end, "share": int(count) / gain.size}
        for name, counts in counted.items()
        for start, end, count in zip(GAIN_BINS[:-1].round(2), GAIN_BINS[1:].round(2), counts, strict=True)
        if count
    )


def message_table(flushes_ns: Iterable[int] = (4_000,)) -> pl.DataFrame:
    """What each design costs the CPU of the middle machine, by size of message; one row a size, design and flush."""
    shown = (HIS_BEFORE, "pages mapped, sum carried", HIS_AFTER)
    rows = []
    for flush_ns in flushes_ns:
        for message_bytes in MESSAGES:
            changed = {"message (bytes)": message_bytes, "flush the TLB (ns)": flush_ns}
            machine = _machine(changed)
            rows += [
                (name, message_bytes, flush_ns, 8 / relay_rates(DESIGNS[name], machine).gbps[CPU].item())
                for name in shown
            ]
    return pl.DataFrame(rows, schema=["design", "message_bytes", "flush_ns", "cpu_ns_per_byte"], orient="row")


def mapping_table(draws: int = DRAWS) -> pl.DataFrame:
    """Page tricks against pinned buffers: median gains over copying, and how often page tricks are none.

    Returns
    -------
    polars.DataFrame
        Of the machines on which pinned buffers gain at least a tenth; `share` is theirs, `no_gain` a share of them.
    """
    values = drawn(draws)
    rates = _all_rates(draws)
    pinned, mapped = (gain_of(rates[HIS_BEFORE], rates[name]) for name in (HIS_AFTER, "pages mapped, sum carried"))
    small, dear = values["message (bytes)"] < SMALL_BYTES, values["flush the TLB (ns)"] > DEAR_NS
    whose = {
        EVERY: np.ones(draws, bool),
        "messages above 32 KB": values["message (bytes)"] > LARGE_BYTES,
        "messages below 8 KB": small,
        SMALL_AND_DEAR: small & dear,
    }
    return pl.DataFrame(
        {
            "machines": name,
            "share": float(mask.mean()),
            "pinned_gain": float(np.median(pinned[mask])),
            "mapped_gain": float(np.median(mapped[mask])),
            "no_gain": float((mapped[mask] <= 1.0).mean()),
        }
        for name, mask in ((name, mask & (pinned >= HELPED)) for name, mask in whose.items())
    )


def _machine(changed: Mapping[str, float]) -> Machines:
    return machines(OF_2000.middle() | {name: np.array([float(value)]) for name, value in changed.items()})


def published_table() -> pl.DataFrame:
    """What published rates would need of their bus: above 1 they cannot have come over it."""
    return pl.DataFrame(
        {
            "what": what,
            "gbps": rate,
            "crossings": times,
            "bus_gbps": rate * times,
            "raw_gbps": raw,
            "share_of_raw": rate * times / raw,
            "source": source,
        }
        for what, rate, times, raw, source in PUBLISHED
    )


def _memory(name: str, *, kept: bool) -> float:
    return design_crossings(DESIGNS[name], dict.fromkeys(BUFFERS, kept)).memory


def _gained(ratio: float) -> str:
    """A gain as people say it.

    Examples
    --------
    >>> _gained(1.6)
    '60'
    """
    return _percent(ratio - 1)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
