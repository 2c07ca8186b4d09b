"""IP over Quadrics, June 2002: sends 1.4, receives 0.9 of a link of 3.2 Gbit/s. Where is the rest, and what to do?

The asker is on a production cluster and must be certain before he proposes a change. Two figures cannot make him so;
this case says what they leave open, what would part it, and what each change would give meanwhile.
"""

from functools import cache
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.cases.case_answer import CaseAnswer
from zcanalysis.cases.quadrics_blast import blast
from zcanalysis.cases.quadrics_hypotheses import ALL_HYPOTHESES, NAMES, PLAIN
from zcanalysis.cases.quadrics_measurements import COUNTERS, REBOOT, Looked, command_bits, information, looked
from zcanalysis.cases.quadrics_planted import Trail, planted, recovered, trails
from zcanalysis.cases.quadrics_prior import CHOICES, PRICES, RECEIVE_GBPS, REPORTED_GBPS, TRANSMIT_GBPS, priors
from zcanalysis.cases.quadrics_remedies import BYPASS_GBPS, EVERYTHING, NOTHING, ZERO_COPY_TRANSMIT, remedies
from zcanalysis.cases.quadrics_sensitivity import AS_ASSUMED, HALVED, SLOWER, belief, sensitivity
from zcanalysis.cases.quadrics_sweep import BRANCHES, RULED_OUT_SHARE, Posterior, hypotheses, odds, posterior, swept
from zcanalysis.hosts.price import Price

QUESTION: Final = (
    "Linux 2.4.3 over Quadrics, a link of 3.2 Gbit/s: IP is sent at about 1.4 and received at about 0.9. Where is the"
    " copy, is a newer kernel with zero-copy the right thing, and can the performance be doubled?"
)
SUSPECT: Final = "copy in the driver"
PLANTED: Final = 2
"""Generated hosts of each possible hypothesis."""
PLANTED_DRAWN: Final = 60_000
PLANTED_SEED: Final = 1
EXAMPLE: Final = "ip_summed not set"


class Study(NamedTuple):
    """All that the answer rests on."""

    hypotheses: pl.DataFrame
    odds: pl.DataFrame
    information: pl.DataFrame
    command_bits: float
    remedies: pl.DataFrame
    recovered: pl.DataFrame
    trail: Trail
    """Of one generated host whose cause is `EXAMPLE`."""
    blast: pl.DataFrame
    posteriors: dict[str, Posterior]
    sensitivity: pl.DataFrame
    """Belief over TCP if ranges had been others."""
    transmits_share: float
    """Of hosts of the prior."""


@cache
def studied(seed: int = 2002) -> Study:
    """The whole sweep; once a process, as it is the same each time.

    Parameters
    ----------
    seed
        Where chance begins.
    """
    sweep = swept(seed)
    table = hypotheses(sweep)
    posteriors = {branch: posterior(sweep, branch) for branch in BRANCHES}
    looks = {branch: looked(one) for branch, one in posteriors.items()}
    found, trail = _planted(table, looks)
    volumes = {branch: float(_of(table, branch)["volume_share"].sum()) for branch in BRANCHES}
    return Study(
        hypotheses=table,
        odds=odds(table),
        information=information(looks),
        command_bits=command_bits(posteriors, volumes),
        remedies=remedies(looks["TCP"]),
        recovered=found,
        trail=trail,
        blast=blast(posteriors["UDP"], _possible(table, "UDP")["hypothesis"].to_list()),
        posteriors=posteriors,
        sensitivity=sensitivity(table, _shown(table)),
        transmits_share=float(sweep[NAMES.index(PLAIN)].transmits_share),
    )


def answer() -> CaseAnswer:
    """The case, answered."""
    return answered(studied())


def answered(study: Study) -> CaseAnswer:
    """The study in words.

    Parameters
    ----------
    study
        From `studied`.
    """
    return CaseAnswer(
        question=QUESTION,
        answer=_answer(study),
        sure=_sure(study),
        next_step=_next(study),
        tables=_tables(study),
        assumptions=assumptions(),
    )


def assumptions() -> pl.DataFrame:
    """Every range that hosts were drawn from, of the prior and of each hypothesis, and what counts as reported."""
    said = "Hurwitz, linux-kernel, 27 June 2002"
    figures = {
        "transmitted": Price(REPORTED_GBPS[0], *TRANSMIT_GBPS, "published",
                             f"{said}: 'easily at around 1.4 Gbit'; twice the last digit's half either way"),
        "received": Price(REPORTED_GBPS[1], *RECEIVE_GBPS, "published",
                          f"{said}: 'about 0.9'; up to the 70 % of what is sent, the same thread on 28 June"),
    }  # fmt: skip
    rows = [priors(figures, {}).with_columns(pl.lit("Gbit/s").alias("unit")), priors(PRICES, CHOICES)]
    for one in ALL_HYPOTHESES:
        choices = {name: values for name, values in {**one.setting, **one.sets}.items() if len(values) > 1}
        own = priors(one.adds, {name: (values, one.says) for name, values in choices.items()})
        rows.append(own.with_columns(pl.format("{}: {}", pl.lit(one.name), "name").alias("name")))
    return pl.concat(rows)


def _planted(table: pl.DataFrame, judges: dict[str, Looked]) -> tuple[pl.DataFrame, Trail]:
    """Generated hosts of every possible cause, from another seed, judged; and one of them."""
    generated = swept(PLANTED_SEED, PLANTED_DRAWN)
    rows, example = [], None
    for branch in BRANCHES:
        names = _possible(table, branch)["hypothesis"].to_list()
        measured = trails(planted(generated, branch, names, PLANTED), judges[branch])
        rows.append(recovered(branch, measured))
        example = example or next((one for one in measured if one.truth == EXAMPLE), measured[0])
    assert example is not None
    return pl.concat(rows), example


def _of(table: pl.DataFrame, branch: str) -> pl.DataFrame:
    return table.filter(pl.col("branch") == branch)


def _possible(table: pl.DataFrame, branch: str) -> pl.DataFrame:
    return _of(table, branch).filter(pl.col("verdict") == "possible")


# ---- in words


def _answer(study: Study) -> str:
    possible = _possible(study.hypotheses, "TCP")
    first = possible.row(0, named=True)
    among = first["explains_share"] / float(possible.filter(pl.col("hypothesis") == SUSPECT)["explains_share"].item())
    changed = {row["remedy"]: row for row in study.remedies.to_dicts()}
    now, upgraded, everything = changed[NOTHING], changed[ZERO_COPY_TRANSMIT], changed[EVERYTHING]
    return (
        f"What limits the receiver, if it was TCP: {_believed(study)}. So the two figures cannot say that there is a"
        f" copy too many; {possible.height} of {len(ALL_HYPOTHESES)} hypotheses can give both. Likeliest:"
        f" {first['hypothesis']} ({first['says']}), {_odds(study, first['hypothesis'], SUSPECT):.1f} to 1 against a"
        f" {SUSPECT}, but only"
        f" {among:.1f} to 1 among hosts that send 1.4, and the {SUSPECT} cannot be told from a {PLAIN} without any"
        f" fault ({_odds(study, SUSPECT, PLAIN):.1f} to 1). Is a kernel with zero-copy the right thing? No: that of"
        f" 2.4.4 is for sending, with a program that calls sendfile and a driver that gathers pages (NETIF_F_SG) and"
        f" checksums or needs none. {upgraded['receives_gbps']:.2f} Gbit/s would be received then and"
        f" {now['receives_gbps']:.2f} are now, as the copy of receiving stays. The other question, twice the"
        f" performance, takes more than one change, and a quicker sender too: everything that could be changed gives"
        f" it to {everything['twice_share']:.0%} of the hosts. The bound from above is {BYPASS_GBPS:.2f}, MPI without a"
        f" kernel."
    )  # fmt: skip


def _shown(table: pl.DataFrame) -> list[str]:
    """What is named in a sentence: the likeliest, the suspect and that nothing is wrong."""
    return list(dict.fromkeys([next(iter(belief(table, "TCP"))), SUSPECT, PLAIN]))


def _believed(study: Study, most: int = 5) -> str:
    """The likeliest hypotheses with their shares, and the rest."""
    shares = belief(study.hypotheses, "TCP")
    first = list(shares.items())[:most]
    rest = 1 - sum(share for _, share in first)
    return ", ".join(f"{name} {share:.0%}" for name, share in first) + f", {len(shares) - most} others {rest:.0%}"


def _odds(study: Study, one: str, other: str, branch: str = "TCP") -> float:
    found = study.odds.filter(
        (pl.col("branch") == branch) & (pl.col("hypothesis") == one) & (pl.col("against") == other)
    )
    return float(found["odds"].item()) if found.height else float("nan")


def _sure(study: Study) -> str:
    out = {branch: _of(study.hypotheses, branch).filter(pl.col("verdict") == "ruled out") for branch in BRANCHES}
    words = {branch: ", ".join(sorted(rows["hypothesis"].to_list())) for branch, rows in out.items()}
    apart = study.odds.filter((pl.col("branch") == "TCP") & (pl.col("hypothesis") < pl.col("against")))
    apart_share = int(apart["told_apart"].sum()) / max(1, apart.height)
    right = study.recovered.filter(pl.col("truth") == pl.col("found")).height
    half = str(_of(study.hypotheses, "TCP").sort("half_volume_share", descending=True)["hypothesis"].item(0))
    above = " and ".join(table["hypothesis"].to_list()) if (table := _above(study)).height else "none"
    drawn_hosts = min(study.hypotheses["hosts"].to_list())
    return (
        f"Ruled out over TCP: {words['TCP']}; as a blast of UDP: {words['UDP']}. (At least {drawn_hosts:,} hosts were"
        " drawn of each hypothesis; fewer than 1 in 100 of them send 1.4, or of those that do, fewer than 1 in 100"
        f" receive 0.9 because of it. Of all hosts drawn, {above} does both in more than 1 of 100.) Of the pairs that"
        f" are left"
        f" over TCP {apart_share:.0%} differ by more than the square root of ten: these data cannot tell the others"
        f" apart. With half the tolerance {half} is first. {study.transmits_share:.0%} of plain hosts send as little as"
        f" 1.4: the sender wants explaining too. Of {study.recovered.height} generated hosts whose cause is known"
        f" {right} were found out by the measurements below. {_widths(study)} Nobody"
        " published CPU, MTU or driver: the ranges are below, written down before a host was drawn."
    )  # fmt: skip


def _above(study: Study) -> pl.DataFrame:
    """The hypotheses of TCP that do it in more than 1 of 100 hosts of the whole prior."""
    return _of(study.hypotheses, "TCP").filter(pl.col("volume_share") >= RULED_OUT_SHARE)


def _widths(study: Study) -> str:
    """What the odds rest on."""
    rows = {row["ranges"]: row for row in study.sensitivity.to_dicts()}
    first = rows[AS_ASSUMED]["first"]
    return (
        f"The odds measure how wide the assumed ranges are: {first} has {rows[AS_ASSUMED][first]:.0%}, and"
        f" {rows[HALVED][first]:.0%} if its own ranges are half as wide, {rows[SLOWER][first]:.0%} with {SLOWER}."
    )


def _next(study: Study) -> str:
    tcp, udp = (_of(study.information, branch).filter(pl.col("needs") == COUNTERS).row(0, named=True)
                for branch in ("TCP", "UDP"))  # fmt: skip
    profile = _of(study.information, "TCP").filter(pl.col("needs") == REBOOT).row(0, named=True)
    return (
        "First tell us the command. One TCP connection cannot send 1.4 and receive 0.9: the 1.4 is then what a sender"
        " can do, the 0.9 the goodput. If both were counted at once, it was UDP (`ttcp -u`, `netperf -t UDP_STREAM`)"
        " and the rest was dropped. Then look on the receiver while it receives, and change nothing:"
        f" '{tcp['measurement']}' tells {tcp['bits']:.1f} of the {tcp['left_bits']:.1f} bits that are open over TCP"
        f" (1 bit halves what is open), '{udp['measurement']}' {udp['bits']:.1f} of {udp['left_bits']:.1f} for UDP."
        " `mpstat -P ALL` has each CPU's share, vmstat their sum. `cat /proc/net/softnet_stat` (column 2 counts"
        " what the backlog of 300 dropped, column 4 how often it closed) and `netstat -su` are for UDP as well: the"
        " errors of the latter are"
        " datagrams that found the socket's buffer full. readprofile"
        f" ({profile['bits']:.1f} bits over TCP) is not mere looking: 2.4 counts only if it was booted with `profile=`,"
        " and names no function of a module, which the driver is. A UDP blast fills queues that others use: on a node"
        " out of use only. Then a driver module, a setting as root, a reboot, and a new kernel last."
    )


def _tables(study: Study) -> dict[str, pl.DataFrame]:
    given = study.hypotheses.select(
        "branch", "hypothesis", "hosts", "transmits_share", "explains_share", "volume_share", "half_volume_share",
        "verdict",
    )  # fmt: skip
    tables = {"How many of the hosts drawn of each hypothesis give both figures": given}
    tables["Belief over TCP, if the ranges had been others"] = study.sensitivity
    for branch in BRANCHES:
        tables[f"Odds of the row against the column, {branch}"] = odds_table(study.odds, branch)
    tables["What each measurement would tell"] = study.information.filter(pl.col("bits") > 0)
    tables["What each change would give over TCP"] = study.remedies
    tables["Generated hosts whose cause is known, measured until it is found"] = study.recovered
    return tables


def odds_table(table: pl.DataFrame, branch: str) -> pl.DataFrame:
    """The odds of a branch as a matrix.

    Parameters
    ----------
    table
        ODDS.
    branch
        TCP or UDP.
    """
    return _of(table, branch).pivot("against", index="hypothesis", values="odds")
