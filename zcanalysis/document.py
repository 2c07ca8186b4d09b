"""The report: one HTML file that works offline and starts with the answer.

Every string of a recording reaches the page through the template's escaping or as a JSON value in which `<` is
written as an escape: a process name is never markup. One vega bundle serves all charts.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from zcanalysis.advice import ranked_changes
from zcanalysis.answer import Answer, gain_text, gbps_text, limit_text, limited_flows, limits_text, sentence, stage_name
from zcanalysis.charts.vega import vega_bundle
from zcanalysis.cpu.kernel_stages import NOT_RECEIVE
from zcanalysis.cpu.timeline import cpu_timeline, flame
from zcanalysis.errors import TraceError
from zcanalysis.figures import Figure, figure
from zcanalysis.goodput import throughput
from zcanalysis.io.recording_folder import is_part_of
from zcanalysis.journey_figures import journey_figures
from zcanalysis.latency_figures import (
    SPREAD_HEADS,
    latency_cells,
    latency_figures,
    spread_cells,
    traced_latency,
    what_was_traced,
)
from zcanalysis.model_figures import (
    combined_figures,
    forecast_figures,
    ladder_figures,
    price_cells,
    price_figures,
    speedup_figures,
)
from zcanalysis.pages import rendered, write_text
from zcanalysis.whatif import REPLAYED_TIERS
from zcanalysis.wire.socket_counts import sockets
from zcanalysis.wire_figures import socket_cells, wire_figures

CPUS_DRAWN = 4
FLOWS_SHOWN = 20
SMALLEST_COST_SHOWN = 0.0005


class Row(NamedTuple):
    """One row of a table, ready to print."""

    cells: tuple[str, ...]
    style: str = ""


def report_html(answer: Answer, on_step: Callable[[str], None] = lambda step: None) -> str:
    """The report as one HTML page.

    Parameters
    ----------
    answer
        What `zcanalysis.answer.answered` found.
    on_step
        Told the name of each step before it starts.
    """
    on_step("changes")
    best, rest = ranked_changes(answer)
    on_step("latency")
    traced, batches = traced_latency(answer.recording), what_was_traced(answer.recording)
    on_step("charts")
    figures = [*_figures(answer, [*best, *rest]), *latency_figures(traced)]
    on_step("connection")
    figures += [*wire_figures(answer), *journey_figures(answer)]
    socket_heads, socket_rows = socket_cells(sockets(answer.recording, answer.evidence.flows))
    on_step("page")
    return rendered(
        "report.html.j2",
        title=answer.recording.name,
        sentence=sentence(answer),
        tiles=_tiles(answer),
        ceiling_why=answer.ceiling.why,
        audit=_audit_rows(answer),
        figures=figures,
        blame=_blame_rows(answer),
        costs=_cost_rows(answer),
        flows=_flow_rows(answer),
        socket_heads=socket_heads,
        sockets=[Row(cells) for cells in socket_rows],
        flows_left=max(answer.evidence.flows.height - FLOWS_SHOWN, 0),
        changes=_change_rows(best),
        replayed=any(row["tier"] in REPLAYED_TIERS for row in best),
        prices=[] if answer.model is None else [Row(cells) for cells in price_cells(answer.model)],
        no_model=answer.no_model,
        latency=[] if traced is None else [Row(cells) for cells in latency_cells(traced.summary)],
        spread_heads=SPREAD_HEADS,
        spreads=[Row(cells) for cells in spread_cells(batches.table)],
        spread_notes=batches.notes,
        facts=_facts(answer),
        bundle=vega_bundle() if figures else "",
    )


def write_report(answer: Answer, file: str | Path, on_step: Callable[[str], None] = lambda step: None) -> None:
    """Write the report to a file.

    Parameters
    ----------
    answer
        Of a recording or a capture.
    file
        Replaced where it exists.
    on_step
        Told what is being done.

    Raises
    ------
    TraceError
        If the file cannot be written, or is part of the recording itself.
    """
    page = Path(file)
    if is_part_of(answer.recording.path, page):
        raise TraceError(f"{page}: is part of the recording; name another file for the report")
    write_text(page, report_html(answer, on_step))


def _figures(answer: Answer, weighed: list[dict[str, Any]]) -> Iterator[Figure]:
    from zcanalysis import charts

    if not answer.blame.is_empty() and answer.ceiling.gbps is not None:
        yield figure(
            "loss",
            "Where the missing bandwidth went",
            charts.waterfall(answer.blame, answer.ceiling.gbps),
            "From the ceiling down to the goodput, one step a stage, by its share of the limiting CPU's time. "
            "Where most samples are skid (see the table), the time belongs to the section that ended there. "
            "A share says who used the CPU; what fixing the stage would give back is in the table below, and next.",
        )
    yield from ladder_figures(answer)
    yield from forecast_figures(weighed, answer)
    yield from combined_figures(answer)
    yield from speedup_figures(answer)
    stages = _drawn_cpus(answer)
    if not answer.costs.is_empty():
        drawn = answer.costs.join(stages.select("cpu").unique(), on="cpu", how="semi")
        yield figure(
            "costs",
            "What each stage cost",
            charts.stage_cost(drawn),
            "CPU time of each stage divided by the packets received meanwhile; the black line is its 90 % interval.",
        )
    yield from price_figures(answer)
    if not stages.is_empty():
        yield figure(
            "cpus",
            "What each CPU did over time",
            charts.cpu_over_time(cpu_timeline(stages)),
            "Sampled busy time by group of stages; the white above is idle or unsampled.",
        )
    if not answer.limits.is_empty():
        yield figure(
            "limits",
            "Who limited, and when",
            charts.limits_band(answer.limits),
            f"{limits_text(answer.limits)}. Point at a band for its rule and evidence.",
        )
    rates = throughput(answer.recording)
    if not rates.is_empty():
        yield figure(
            "rate",
            "Throughput over time",
            charts.rate_over_time(rates),
            "From the device's byte counters, ten times a second. "
            "The goodput above is that of phase `counters`, when nothing was probed.",
        )
    frames = flame(stages)
    if not frames.is_empty():
        yield figure(
            "flame",
            "Call chains of each CPU",
            charts.flame_graph(frames),
            "Width is share of the CPU's busy time, the thread is at the bottom, the sampled function at the top. "
            "Click a box to zoom into it, double-click for all; the search marks functions.",
        )


def _drawn_cpus(answer: Answer) -> pl.DataFrame:
    """Samples of a few CPUs, the limiting one first, then by receive work: a picture of a hundred shows nothing."""
    stages = answer.evidence.stages.filter(pl.col("cpu") >= 0)
    work = (
        stages.filter(pl.col("stage") != "idle")
        .group_by("cpu")
        .agg(
            (pl.col("cpu") == (answer.limit.cpu if answer.limit else -1)).first().alias("limits"),
            pl.col("weight_ns").filter(~pl.col("stage").is_in(NOT_RECEIVE)).sum().alias("receives"),
        )
    )
    drawn = work.sort("limits", "receives", descending=True).head(CPUS_DRAWN)
    return stages.join(drawn.select("cpu"), on="cpu", how="semi")


def _tiles(answer: Answer) -> list[tuple[str, str]]:
    tiles = []
    if answer.goodput_gbps is not None:
        tiles.append(("goodput", gbps_text(answer.goodput_gbps, answer.low_gbps, answer.high_gbps)))
    if answer.ceiling.gbps is not None:
        top = gbps_text(answer.ceiling.gbps, answer.ceiling_low_gbps, answer.ceiling_high_gbps)
        tiles.append((f"ceiling ({answer.ceiling.kind})", top))
    if answer.limit is not None:
        tiles.append(("busiest CPU", f"CPU {answer.limit.cpu}, {answer.limit.busy_share:.1%} busy"))
    verdicts = answer.audit.get_column("verdict")
    worst = next((verdict for verdict in ("bad", "warn") if verdict in verdicts), "ok")
    words = {
        "ok": "all checks passed",
        "warn": f"{(verdicts == 'warn').sum()} to look at",
        "bad": f"{(verdicts == 'bad').sum()} bad",
    }
    return [*tiles, ("audit", words[worst])]


def _audit_rows(answer: Answer) -> list[Row]:
    order = {"bad": 0, "warn": 1, "ok": 2}
    rows = sorted(answer.audit.iter_rows(named=True), key=lambda row: order.get(row["verdict"], 0))
    return [Row((row["verdict"], row["check"], row["value"], row["why"]), row["verdict"]) for row in rows]


def _blame_rows(answer: Answer) -> list[Row]:
    return [
        Row(
            (
                stage_name(row["stage"]),
                f"{row['lost_gbps']:.2f}",
                f"{row['low_gbps']:.2f}-{row['high_gbps']:.2f}",
                gain_text(row["gain_alone_gbps"]),
                gain_text(row["gain_last_gbps"]),
                f"{row['share']:.1%}",
                "" if row["skid_share"] is None else f"{row['skid_share']:.0%}",
            )
        )
        for row in answer.blame.iter_rows(named=True)
    ]


def _cost_rows(answer: Answer) -> list[Row]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3g}"

    return [
        Row(
            (
                stage_name(row["stage"]),
                str(row["cpu"]),
                number(row["ns_per_packet"]),
                f"{number(row['low'])}-{number(row['high'])}",
                number(row["ns_per_byte"]),
                "" if row["ns_per_batch"] is None else f"{row['ns_per_batch']:,.0f}",
                "" if row["batches_per_s"] is None else f"{row['batches_per_s']:,.0f} {row['batch']}",
                f"{row['cpu_share']:.1%}",
            )
        )
        for row in answer.costs.filter(pl.col("cpu_share") >= SMALLEST_COST_SHOWN).iter_rows(named=True)
    ]


def _change_rows(best: list[dict[str, Any]]) -> list[Row]:
    return [
        Row(
            (
                row["patch"],
                "not known"
                if row["predicted_gbps"] is None
                else gbps_text(row["predicted_gbps"], row["low_gbps"], row["high_gbps"]),
                "90 %" if row["tier"] in REPLAYED_TIERS else "null models",
                row["limit_after"] or "",
                row["command"] or row["why"],
                row["undo"] or "",
            )
        )
        for row in best
    ]


def _flow_rows(answer: Answer) -> list[Row]:
    flows = limited_flows(answer).sort("unique_bytes", descending=True).head(FLOWS_SHOWN)
    return [
        Row(
            (
                f"{row['src']}:{row['src_port']} -> {row['dst']}:{row['dst_port']}",
                row["protocol"],
                f"{row['packets']:,}",
                f"{row['unique_bytes']:,}",
                f"{row['retransmitted_bytes']:,}",
                "" if row["goodput_gbps"] is None else f"{row['goodput_gbps']:.3f}",
                "" if row["rtt_ms"] is None else f"{row['rtt_ms']:.3f}",
                limit_text(row["limit"], row["limit_share"]),
            )
        )
        for row in flows.iter_rows(named=True)
    ]


def _facts(answer: Answer) -> list[tuple[str, str]]:
    host = answer.recording.host
    known = {
        "kernel": host.kernel,
        "CPUs": host.cpus,
        "device": host.device,
        "driver": host.driver,
        "MTU": host.mtu,
        "label": host.label,
    }
    return [(name, str(value)) for name, value in known.items() if value is not None]
