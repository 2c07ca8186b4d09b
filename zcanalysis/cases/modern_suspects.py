"""Who was suspected in 2002, and what each of them costs today's receivers."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.answer import Answer, model_of
from zcanalysis.blame import NOT_BLAMED, blame_by_share
from zcanalysis.cpu.kernel_stages import STAGE_GROUPS
from zcanalysis.patched import without_stage
from zcanalysis.transfers import transfers

PERCENTS: Final = tuple(range(0, 101, 10))
REST: Final = "timers, other processes"
WAITING: Final = "window and waiting"
LINK: Final = "link and bus"
CHECKSUM: Final = "checksum"
UNEXPLAINED: Final = "unexplained"
BLAME_ROWS: Final[Mapping[str, str]] = {"framing": LINK, "waiting": WAITING}
THREAD: Final = "linux-kernel, 27 to 29 June 2002"


class Suspect(NamedTuple):
    """One possible culprit."""

    name: str
    stages: tuple[str, ...]
    """Of `STAGES`: whose time on the limiting CPU is its."""
    group: str
    """Of `STAGE_GROUPS`, or what else a chart has a colour for: whose colour it has."""
    asked: str
    """Who suspected it, where that was read."""


WAKING: Final = "interrupts and wake-ups"
SUSPECTS: Final = (
    Suspect(LINK, (), "ceiling and goodput", "L. Dale, linux-kernel, 3 September 2000: the memory bus was the limit"),
    Suspect(
        "driver and netif_rx", ("driver_rx", "page_pool", "softirq", "backlog", "l2_demux"), "driver and backlog",
        f"J. Hurwitz, {THREAD}: a copy in the driver, or after netif_rx",
    ),
    Suspect("GRO", ("gro",), "GRO", "new: not in Linux 2.4 (net/core/gro.c of 6.18)"),
    Suspect(
        "packet memory", ("skb_alloc", "skb_free", "page_memory"), "skb and page memory",
        "ours: large packets need large allocations",
    ),
    Suspect(
        "IP and TCP", STAGE_GROUPS["IP, netfilter, TCP, UDP"], "IP, netfilter, TCP, UDP",
        f"N. Singhvi, {THREAD}: the receive path is longer",
    ),
    Suspect(
        CHECKSUM, STAGE_GROUPS["checksum"], "checksum",
        f"A. Kleen and J. Hurwitz, {THREAD}: spare it where the card checks",
    ),
    Suspect("socket queue and lock", ("sock_queue_lock",), "socket, lock, wake-ups",
            f"N. Singhvi and A. Kleen, {THREAD}: backlog and prequeue"),
    Suspect("ACKs", STAGE_GROUPS["ACKs"], "ACKs", f"A. Kleen, {THREAD}: the delayed-ACK timer finds the packets"),
    Suspect(WAKING, ("hardirq", "wakeup_sched"), "interrupts and softirq",
            f"N. Singhvi, {THREAD}: the scheduler shows more on receive"),
    Suspect("copy to the user", STAGE_GROUPS["copy to user"], "copy to user", f"J. Hurwitz, {THREAD}: zero copy"),
    Suspect("reader", STAGE_GROUPS["system calls and reader"], "system calls and reader", "nobody in the thread"),
    Suspect(WAITING, (), "idle", "ours: two large segments fill the window of 2.4 (tcp_rmem, net/ipv4/tcp_output.c)"),
    Suspect(REST, ("time_rcu", "virt_mitigation", "foreign", "unclassified"), "timers, virtualisation",
            "nobody in the thread"),
    Suspect(UNEXPLAINED, (), "waiting, unexplained", "time that neither samples nor idle counters explain"),
)  # fmt: skip
"""In path order."""

SUSPECT_OF: Final[Mapping[str, str]] = {stage: suspect.name for suspect in SUSPECTS for stage in suspect.stages}
IPI_FUNCTIONS: Final = ("net_rps_send_ipi", "net_rps_action_and_irq_enable")
"""The stage of the backlog holds them; they interrupt the CPU that RPS chose."""
COLUMNS: Final = {"suspect": "name", "asked": "asked", "group": "group"}
IPI_PRICE: Final = "interrupt.send_ns"
NOT_ON_VETH: Final[Mapping[str, str]] = {
    LINK: "not on veth: there is no link and no bus",
    CHECKSUM: "not on veth: it vouches for its packets",
}
"""Suspects that these recordings can neither convict nor clear."""


def suspects(answers: Mapping[str, Answer]) -> pl.DataFrame:
    """What each suspect costs each recording; the rows of one add up to its ceiling less its goodput.

    Parameters
    ----------
    answers
        By the recording's name; each has a ceiling and a CPU that is blamed.

    Returns
    -------
    pl.DataFrame
        ``suspect``, ``recording``, ``lost_gbps``, ``low_gbps``, ``high_gbps`` (null where it was not seen at all),
        ``part`` (of the gap), ``gain_alone_gbps`` (what freeing it alone gives, replayed), ``asked``, ``group`` (whose
        colour it has).

    Notes
    -----
    The samples are charged to suspects and the blame is worked out anew, so that a suspect's interval is that of all
    its stages drawn together. Telling another CPU of RPS's backlog is an interrupt here.
    """
    return pl.concat([_of(name, answer) for name, answer in answers.items()])


def _of(name: str, answer: Answer) -> pl.DataFrame:
    seen = answer.evidence
    assert answer.limit is not None
    assert seen.quiet is not None
    renamed = pl.col("stage").replace(dict(SUSPECT_OF))
    whose = pl.when(pl.col("function").is_in(IPI_FUNCTIONS)).then(pl.lit(WAKING)).otherwise(renamed).alias("stage")
    account = seen.account.group_by("cpu", renamed).agg(pl.col("seconds").sum(), pl.col("share").sum())
    blame = blame_by_share(seen.stages.with_columns(whose), account, answer.limit, seen.quiet, answer.ceiling).table
    blame = blame.with_columns(pl.col("stage").replace(dict(BLAME_ROWS)).alias("suspect"))
    gain = speed_ups({name: answer}, (100,)).select("suspect", pl.col("gbps").alias("free_gbps"))
    known = pl.DataFrame({name: [getattr(one, column) for one in SUSPECTS] for name, column in COLUMNS.items()})
    rows = known.join(blame, on="suspect", how="left", maintain_order="left").join(gain, on="suspect", how="left")
    lost = pl.col("lost_gbps").fill_null(0.0)
    return rows.select(
        "suspect",
        pl.lit(name).alias("recording"),
        lost,
        "low_gbps",
        "high_gbps",
        (lost / lost.sum()).alias("part"),
        (pl.col("free_gbps") - answer.goodput_gbps).alias("gain_alone_gbps"),
        "asked",
        "group",
    )


def by_recording(lost: pl.DataFrame) -> pl.DataFrame:
    """A column a recording.

    Parameters
    ----------
    lost
        From `suspects`.

    Returns
    -------
    pl.DataFrame
        ``suspect``, ``asked``, the Gbit/s that each recording loses (null where veth has no such thing, 0 where it
        costs nothing), ``remark``.
    """
    absent = pl.col("suspect").is_in(list(NOT_ON_VETH)) & (pl.col("lost_gbps") == 0)
    shown = lost.with_columns(lost_gbps=pl.when(~absent).then("lost_gbps"))
    wide = shown.pivot(on="recording", index=["suspect", "asked"], values="lost_gbps")
    names = lost.get_column("recording").unique(maintain_order=True).to_list()
    nothing = pl.all_horizontal(pl.col(names).is_null())
    remark = pl.col("suspect").replace_strict(NOT_ON_VETH, default="")
    return wide.with_columns(remark=pl.when(nothing).then(remark).otherwise(pl.lit("")))


def speed_ups(answers: Mapping[str, Answer], percents: tuple[int, ...] = PERCENTS) -> pl.DataFrame:
    """Goodput where all stages of a suspect take less time, replayed.

    Parameters
    ----------
    answers
        By the recording's name.
    percents
        How much less, 0 to 100.

    Returns
    -------
    pl.DataFrame
        ``recording``, ``suspect``, ``group``, ``percent``, ``gbps``, ``ceiling_gbps``; suspects that are no work behind
        a price of the host are left out.
    """
    return pl.concat([_sped_up(name, answer, percents) for name, answer in answers.items()])


def largest_fall(speeds: pl.DataFrame) -> float:
    """The most that less work takes away in a replay, of the goodput: gains that small mean as little.

    Parameters
    ----------
    speeds
        As `speed_ups` gives them, 0 percent among them.
    """
    before = speeds.filter(percent=0).select("recording", "suspect", before="gbps")
    ratio = pl.col("gbps") / pl.col("before")
    return float(speeds.join(before, on=["recording", "suspect"]).select((1 - ratio).max()).item())


def _sped_up(name: str, answer: Answer, percents: tuple[int, ...]) -> pl.DataFrame:
    start = model_of(answer)
    priced = start.hosts[0].prices()
    parts = {price: _by_suspect(price, part) for price, part in start.calibration.parts.items() if price in priced}
    behind = {suspect for part in parts.values() for suspect, share in part.items() if share > 0}
    rows = [(one, percent) for one in SUSPECTS if one.name in behind for percent in percents]
    hosts = [without_stage(start.hosts[0], one.name, parts, percent / 100) for one, percent in rows]
    return pl.DataFrame(
        {
            "recording": [name] * len(rows),
            "suspect": [one.name for one, _ in rows],
            "group": [one.group for one, _ in rows],
            "percent": [percent for _, percent in rows],
            "gbps": transfers(hosts).gbps / start.fit,
            "ceiling_gbps": [answer.ceiling.gbps] * len(rows),
        }
    )


def _by_suspect(price: str, part: Mapping[str, float]) -> dict[str, float]:
    """The parts of one price, its stages' shares added up."""
    shares: dict[str, float] = {}
    for stage, share in part.items():
        suspect = WAKING if price == IPI_PRICE else SUSPECT_OF.get(stage)
        if suspect is not None and stage not in NOT_BLAMED:
            shares[suspect] = shares.get(suspect, 0.0) + share
    return shares
