"""The report's pictures of the calibrated host: what holds it back, what would help, what the answer hangs on."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from zcanalysis.answer import SMALLEST_GAIN_GBPS, Answer, gbps_text, stage_name
from zcanalysis.combinations import combined_changes
from zcanalysis.figures import Figure, figure
from zcanalysis.gains import ladder
from zcanalysis.modelled import Basis
from zcanalysis.sensitivity import fixable_stages, speedup_curve, tornado
from zcanalysis.whatif import REPLAYED_TIERS

STAGES_SPED_UP: Final = 3
NO_STAGE: Final = frozenset(("receive window", "link", "reader"))
ALL_DIGITS_FROM: Final = 1000
LADDER_SAYS: Final = (
    "From the goodput up to a receiver whose stages all take no time, replayed with the host calibrated from this "
    "recording. How high a rung is would depend on which stages were fixed before it, so each is the average over "
    "every order (its Shapley value): no order is preferred, and the rungs sum exactly. What a group gives alone, or "
    "after all others, is in its tooltip."
)
FORECAST_SAYS: Final = (
    "Dots are predictions, bars their range, the dashed line is today's goodput, which is also what the null model of "
    "no change says. {kind} The black marks are the two other null models, simpler arithmetic to hold a prediction "
    "against. Changes that cannot act here are left out."
)
REPLAYED: Final = (
    "Blue is by replay of the host calibrated from this recording, with its 90 % interval; grey, where there is any, "
    "is what the null models alone span, without confidence."
)
ONLY_NULLS: Final = "No host was calibrated, so the range is what the null models span, and carries no confidence."
COMBINED_SAYS: Final = (
    "Choose changes: what they give together, replayed, with the 90 % interval, beside the goodput as recorded and the "
    "ceiling. Only changes that can act on this host are offered. All {number} combinations were worked out when this "
    "page was made; zcanalysis predict does others.{ceiling}"
)
MOVING_CEILING: Final = " The ceiling is that of the host as recorded: what also spares the sender work may pass it."
SPEEDUP_SAYS: Final = (
    "Each line makes one stage cheaper, by 0 to 100 % of its time, and replays the transfer. A flat line is a stage "
    "whose time somebody else's hides; a line that bends shows where another limit takes over."
)
SWINGS_SAYS: Final = (
    "Goodput where one price is at its 5 % or its 95 % bound and all others at their value: a long bar is a price that "
    "is worth measuring better. Where both ends lie on one side the transfer falls into another rhythm in between. "
    "Prices that hardly move it are left out."
)


def ladder_figures(answer: Answer) -> Iterator[Figure]:
    """The climb from the goodput to all receiver stages free.

    Parameters
    ----------
    answer
        Of the recording; no figure where no host was calibrated.
    """
    from zcanalysis import charts

    if answer.model is None:
        return
    rungs = ladder(answer.model)
    if rungs.is_empty():
        return
    chart = charts.ladder(rungs, answer.model.goodput.gbps, answer.ceiling.gbps)
    says = f"{LADDER_SAYS}{_against_ceiling(answer, rungs)}"
    yield figure("ladder", "What holds the receiver back, in any order", chart, says)


def _against_ceiling(answer: Answer, rungs: pl.DataFrame) -> str:
    costs = rungs.get_column("part_gbps").min() < -SMALLEST_GAIN_GBPS  # type: ignore[operator]
    words = " A rung to the left is a group whose time paces the others." if costs else ""
    if answer.held_back_by.kind in NO_STAGE:
        words += f" No rung frees what limits here: {answer.held_back_by.where or answer.held_back_by.kind}."
    if answer.model is None or answer.ceiling.gbps is None:
        return words
    top = f"{answer.model.goodput.gbps + float(rungs.get_column('part_gbps').sum()):.1f}"
    ceiling = gbps_text(answer.ceiling.gbps, answer.ceiling_low_gbps, answer.ceiling_high_gbps)
    how = "the link's" if answer.ceiling.kind == "link" else "arithmetic over the sender's CPU time"
    return f"{words} The top is {top} Gbit/s; the ceiling (dashed), {ceiling}, is {how}: the two need not meet."


def forecast_figures(rows: Sequence[dict[str, Any]], answer: Answer) -> Iterator[Figure]:
    """What the changes weighed would give.

    Parameters
    ----------
    rows
        As `what_if` gives them; those that cannot act here are left out.
    answer
        Of the recording.
    """
    from zcanalysis import charts

    shown = [row for row in rows if row["applies"] and row["predicted_gbps"] is not None]
    if not shown or answer.goodput_gbps is None:
        return
    replayed = any(row["tier"] in REPLAYED_TIERS for row in shown)
    yield figure(
        "forecast", "What would help",
        charts.forecast(pl.DataFrame(shown, infer_schema_length=None), answer.goodput_gbps),
        FORECAST_SAYS.format(kind=REPLAYED if replayed else ONLY_NULLS),
    )  # fmt: skip


def combined_figures(answer: Answer) -> Iterator[Figure]:
    """What the main changes give together, with controls in the page.

    Parameters
    ----------
    answer
        Of the recording; no figure where no host was calibrated, or no change can act.
    """
    from zcanalysis import charts

    combined = combined_changes(answer)
    if combined.table.is_empty():
        return
    ceiling = MOVING_CEILING if answer.ceiling.gbps is not None and answer.ceiling.kind != "link" else ""
    says = COMBINED_SAYS.format(number=combined.table.height, ceiling=ceiling)
    yield figure("combine", "If you combine them", charts.combinations(combined, known_rates(answer)), says)


def known_rates(answer: Answer) -> pl.DataFrame:
    """Ceiling and goodput as rows beside a prediction, each with its interval and in words.

    Parameters
    ----------
    answer
        Of the recording.
    """
    rates = {
        "ceiling": (answer.ceiling.gbps, answer.ceiling_low_gbps, answer.ceiling_high_gbps),
        "as recorded": (answer.goodput_gbps, answer.low_gbps, answer.high_gbps),
    }
    return pl.DataFrame(
        {"row": row, "predicted_gbps": gbps, "low_gbps": low, "high_gbps": high, "says": gbps_text(gbps, low, high)}
        for row, (gbps, low, high) in rates.items()
        if gbps is not None
    )


def speedup_figures(answer: Answer) -> Iterator[Figure]:
    """Goodput against a virtual speed-up of the stages with the largest blame.

    Parameters
    ----------
    answer
        Of the recording; no figure where no host was calibrated.
    """
    from zcanalysis import charts

    if answer.model is None:
        return
    known = fixable_stages(answer.model)
    largest = answer.blame.sort("lost_gbps", descending=True).get_column("stage").to_list()
    stages = [stage for stage in largest if stage in known][:STAGES_SPED_UP]
    if stages:
        names = ", ".join(stage_name(stage) for stage in stages)
        chart = charts.speedup_curves(speedup_curve(answer.model, *stages))
        yield figure("speedup", "If a stage took less time", chart, f"{SPEEDUP_SAYS} Shown: {names}.")


def price_figures(answer: Answer) -> Iterator[Figure]:
    """Which uncertain price moves the goodput most.

    Parameters
    ----------
    answer
        Of the recording; no figure where no host was calibrated, or where no price moves anything.
    """
    from zcanalysis import charts

    if answer.model is None:
        return
    swings = tornado(answer.model)
    if not swings.is_empty():
        chart = charts.tornado(swings, answer.model.goodput.gbps)
        yield figure("prices", "What the replay hangs on", chart, SWINGS_SAYS)


def price_cells(model: Basis) -> list[tuple[str, ...]]:
    """The host's prices, ready to print: price, value, interval, divided by, determined, origin, source.

    Parameters
    ----------
    model
        The calibrated host.
    """
    return [
        (
            row["price"],
            _number(row["value"]),
            f"{_number(row['low'])}-{_number(row['high'])}",
            "" if row["per"] is None else f"{row['per']}, {_number(row['uses_per_s'])}/s",
            {True: "yes", False: "no", None: ""}[row["determined"]],
            row["origin"],
            row["source"],
        )
        for row in model.calibration.prices.iter_rows(named=True)
    ]


def _number(value: float) -> str:
    """Three digits, or all whole ones."""
    return f"{value:,.0f}" if value >= ALL_DIGITS_FROM else f"{value:.3g}"
