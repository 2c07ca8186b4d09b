"""Where the wall time of each CPU went: stages by samples, idle by counters, and what neither saw."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from zcanalysis.rates import NS_PER_S, increments

UNSAMPLED: Final = "unsampled"
SMALLEST_FACTOR: Final = 0.5
LARGEST_FACTOR: Final = 2.0
LEAST_SAMPLED: Final = 0.02
INTERRUPTS: Final = ("hardirq", "softirq")
RESCHEDULING: Final = "sysvec_reschedule"


def cpu_times(stages: pl.DataFrame, counters: pl.DataFrame | None, phase: str | None) -> pl.DataFrame:
    """Wall and idle time of each CPU in the sampled window.

    Parameters
    ----------
    stages
        STAGED_SAMPLES rows of the phase.
    counters
        COUNTERS, whose cpuidle rows give wall and idle time. Without them, or for a CPU they leave out, the wall time
        is the span of the samples and the idle time is not known.
    phase
        The phase whose counters belong to these samples.

    Returns
    -------
    pl.DataFrame
        ``cpu``, ``wall_s``, ``idle_s`` (null when not known).

    Notes
    -----
    An interrupt that ends an idle state is served before the state's end is booked (Linux 6.18,
    ``cpuidle_enter_state`` in drivers/cpuidle/cpuidle.c), so its time, and that of the softirq behind it, is in the
    idle counter too: the samples of it are taken off the counter.
    """
    spanned = stages.select(
        pl.col("cpu").unique(),
        pl.lit(span_ns(stages) / NS_PER_S, pl.Float64).alias("wall_s"),
        pl.lit(None, pl.Float64).alias("idle_s"),
    )
    if counters is None:
        return spanned
    number = pl.col("instance").str.strip_prefix("cpu").cast(pl.Int32, strict=False).alias("cpu")
    idle = increments(counters, "cpuidle", phase).filter(pl.col("counter") == "idle_ns").with_columns(number)
    served = stages.filter(pl.col("in_idle"), pl.col("stage") != "idle").group_by("cpu").agg(pl.col("weight_ns").sum())
    counted = (
        idle.drop_nulls("cpu")
        .join(served, on="cpu", how="left")
        .select(
            "cpu",
            (pl.col("elapsed_ns") / NS_PER_S).alias("wall_s"),
            ((pl.col("increment") - pl.col("weight_ns").fill_null(0)).clip(0) / NS_PER_S).alias("idle_s"),
        )
    )
    return pl.concat([counted, spanned.join(counted, on="cpu", how="anti")]).sort("cpu")


def span_ns(stages: pl.DataFrame) -> int:
    """The time that samples span: from the first to the last, and one sampling interval more."""
    if stages.is_empty():
        return 0
    interval_ns = stages.get_column("weight_ns").median()
    between_ns = stages.select(pl.col("at_ns").max() - pl.col("at_ns").min()).item()
    return int(between_ns) + int(interval_ns if isinstance(interval_ns, int | float) else 0)


def scaled_to_clocks(stages: pl.DataFrame, processes: pl.DataFrame, *, irq_time_apart: bool) -> pl.DataFrame:
    """The samples with weights that add up to the CPU time the kernel booked for each followed process.

    Parameters
    ----------
    stages
        STAGED_SAMPLES.
    processes
        As `process_shares` gives it. A process whose samples caught less than half or more than twice its time, or too
        few to tell, is left as it is: what is wrong there is more than a bias.
    irq_time_apart
        Whether the clocks leave interrupts out (CONFIG_IRQ_TIME_ACCOUNTING): then only what the process did itself is
        scaled.

    Notes
    -----
    Where a CPU sleeps and wakes thousands of times a second, the timer of a virtual machine does not fire evenly over
    time. Measured on two virtual CPUs, samples of the reader over its own clock: 0.63 under GRO, 0.84 without RPS, 0.95
    to 1.03 where its CPU hardly sleeps; 0.99 to 1.01 for the sender.
    """
    factor = (pl.col("clock") / pl.col("sampled")).alias("factor")
    usable = processes.filter(can_be_scaled()).select("pid", factor)
    meant = _of_the_process(irq_time_apart) & pl.col("factor").is_not_null()
    scaled = (pl.col("weight_ns") * pl.when(meant).then("factor").otherwise(1.0)).round().cast(pl.Int64)
    booked = stages.with_columns(_booked_on(stages, processes.get_column("pid").to_list()))
    joined = booked.join(usable, left_on="booked_on", right_on="pid", how="left", maintain_order="left")
    return joined.with_columns(scaled.alias("weight_ns")).drop("factor", "booked_on")


def can_be_scaled() -> pl.Expr:
    """Of the rows that `process_shares` gives: whether samples and clock differ by a bias, not by more."""
    factor = pl.col("clock") / pl.col("sampled")
    return (pl.col("sampled") >= LEAST_SAMPLED) & factor.is_between(SMALLEST_FACTOR, LARGEST_FACTOR)


def _booked_on(stages: pl.DataFrame, followed: Sequence[int]) -> pl.Expr:
    """Of STAGED_SAMPLES, as ``booked_on``: the process whose clock the kernel stops.

    It is the interrupted one, but for an interrupt that preempts another process for one we follow: the run queue's
    clock stays at the wake-up until the switch (rq_clock_skip_update: kernel/sched/core.c), so the process that is
    woken pays for the way there. Measured in a virtual machine, a reader beside a busy process: clock less its own
    samples 8 to 12 us a wake-up, samples of that interrupt 9 to 17 us.
    """
    ours = stages.filter(pl.col("pid").is_in(followed)).group_by("cpu", "pid").agg(pl.col("weight_ns").sum())
    main = ours.sort("weight_ns", "pid").group_by("cpu", maintain_order=True).last()
    places = dict(main.select("cpu", "pid").iter_rows())
    preempts = (
        (pl.col("stage") == "hardirq")
        & pl.col("folded").str.contains(RESCHEDULING, literal=True)
        & ~pl.col("in_idle")
        & ~pl.col("pid").is_in(followed)
    )
    woken = pl.col("cpu").replace_strict(places, default=None, return_dtype=pl.Int32)
    return pl.when(preempts).then(pl.coalesce(woken, "pid")).otherwise("pid").alias("booked_on")


def _of_the_process(irq_time_apart: bool) -> pl.Expr:
    """Of STAGED_SAMPLES: the samples that the clock of the interrupted process counts."""
    return ~pl.col("context").is_in(INTERRUPTS) if irq_time_apart else pl.lit(True)


def wall_time_account(stages: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """Seconds of each stage on each CPU, with idle and unsampled time, adding up to the wall time.

    Parameters
    ----------
    stages
        STAGED_SAMPLES rows of the phase.
    times
        As `cpu_times` gives it.

    Returns
    -------
    pl.DataFrame
        ``cpu``, ``stage``, ``seconds``, ``share`` of the CPU's wall time. Stage ``idle`` is from counters,
        never from samples; stage ``unsampled`` is wall - idle - sampled, negative when sampling overcounts: on a CPU
        that sleeps and wakes all the time it holds the idle thread's way in and out of its states, seen by neither.
    """
    busy = (
        stages.filter(pl.col("stage") != "idle")
        .group_by("cpu", "stage")
        .agg((pl.col("weight_ns").sum() / NS_PER_S).alias("seconds"))
        .join(times, on="cpu", how="semi")
        .sort("cpu", "stage")  # a sum of floats depends on their order
    )
    idle = times.select("cpu", pl.lit("idle").alias("stage"), pl.col("idle_s").alias("seconds")).drop_nulls()
    known = pl.concat([busy, idle])
    sums = known.group_by("cpu", maintain_order=True).agg(pl.col("seconds").sum())
    rest = (pl.col("wall_s") - pl.col("seconds").fill_null(0)).alias("seconds")
    unsampled = times.join(sums, on="cpu", how="left").select("cpu", pl.lit(UNSAMPLED).alias("stage"), rest)
    return (
        pl.concat([known, unsampled])
        .join(times, on="cpu")
        .select("cpu", "stage", "seconds", (pl.col("seconds") / pl.col("wall_s")).alias("share"))
        .sort("cpu", "seconds", "stage", descending=[False, True, False])
    )


def process_shares(
    stages: pl.DataFrame, counters: pl.DataFrame | None, phase: str | None, *, irq_time_apart: bool = False
) -> pl.DataFrame:
    """CPU time of the followed processes twice: by their own CPU clocks and by samples.

    Returns
    -------
    pl.DataFrame
        ``pid``, ``clock`` and ``sampled``, both in CPUs (1.0 is one CPU all the time). The clock is the kernel's exact
        run time and knows nothing of samples. Both include the interrupts that came meanwhile, unless the kernel keeps
        these apart.
    """
    schema = {"pid": pl.Int32, "clock": pl.Float64, "sampled": pl.Float64}
    if counters is None or stages.is_empty():
        return pl.DataFrame(schema=schema)
    clocks = increments(counters, "process", phase).filter(pl.col("counter") == "cpu_ns")
    wall_ns = clocks.select(pl.col("elapsed_ns").max()).item()
    followed = clocks.get_column("instance").cast(pl.Int32, strict=False).drop_nulls().to_list()
    own = stages.with_columns(_booked_on(stages, followed)).filter(_of_the_process(irq_time_apart))
    sampled = own.group_by(pl.col("booked_on").alias("pid")).agg((pl.col("weight_ns").sum() / wall_ns).alias("sampled"))
    by_clock = clocks.select(
        pl.col("instance").cast(pl.Int32, strict=False).alias("pid"), (pl.col("increment") / wall_ns).alias("clock")
    )
    return by_clock.drop_nulls().join(sampled, on="pid").select(list(schema)).sort("clock", descending=True)


def busy_share() -> pl.Expr:
    """A CPU's busy share, from its rows of the account: wall less idle; without counters, less what was not sampled.

    Examples
    --------
    >>> account = pl.DataFrame({"cpu": [0, 0], "stage": ["copy", "idle"], "share": [0.75, 0.25]})
    >>> account.group_by("cpu").agg(busy_share().alias("busy")).row(0)
    (0, 0.75)
    """
    share, stage = pl.col("share"), pl.col("stage")
    away = pl.when((stage == "idle").any()).then(share.filter(stage == "idle").sum())
    return (1 - away.otherwise(share.filter(stage == UNSAMPLED).sum())).clip(0, 1)
