"""Every chart made of what the project ships, on one page that works offline: `make gallery` writes build/gallery.html.

An exhibit for each name in `charts.__all__`; the tests of all charts go over these.
"""

import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader

import zcanalysis as zc
from zcanalysis import charts, exploring
from zcanalysis.answer import Answer, answered
from zcanalysis.cases import (
    defragmentation,
    kleen_stalls,
    kleen_workloads,
    modern,
    modern_suspects,
    pinned_buffers,
    prequeue_kernel,
    published,
    quadrics,
    quadrics_planted,
    quadrics_remedies,
)
from zcanalysis.cases.defragmentation_today import stage_table
from zcanalysis.charts.theme import look
from zcanalysis.charts.vega import vega_bundle
from zcanalysis.combinations import combined_changes
from zcanalysis.comparison import compare_flames
from zcanalysis.cpu.timeline import cpu_timeline, flame
from zcanalysis.exploring import Explored, Subject, explored, subject_of
from zcanalysis.figures import figure
from zcanalysis.goodput import throughput
from zcanalysis.io.recording import Recording, read_recording
from zcanalysis.journey_work import packet_at, packet_way, work_around
from zcanalysis.lab.validation_document import validation_table
from zcanalysis.measured_change import LabRuns
from zcanalysis.model_figures import known_rates
from zcanalysis.outcome_rows import outcome_rows
from zcanalysis.patches import parse_patch
from zcanalysis.scenarios import Scenario
from zcanalysis.sensitivity import speedup_curve, tornado
from zcanalysis.validating import finished
from zcanalysis.whatif import what_if

ROOT: Final = Path(__file__).parent.parent.parent
TRACES: Final = ROOT / "traces"
PACKETS_REPLAYED: Final = 20_000
Drawn = Any


class Exhibit(NamedTuple):
    """One chart of the gallery."""

    draw: Callable[[], Drawn]
    title: str
    says: str


@cache
def recording(name: str = "veth-1500") -> Recording:
    return read_recording(TRACES / name)


@cache
def answer(name: str = "veth-1500") -> Answer:
    return answered(recording(name))


@cache
def traced() -> Any:
    return zc.latency(TRACES / "packets/gro.txt.zst")


@cache
def transfer() -> dict[str, Any]:
    flows = zc.flows(recording().packets).filter(pl.col("protocol") == "tcp")
    return flows.sort("payload_bytes").row(-1, named=True)


@cache
def lines() -> pl.DataFrame:
    return zc.sequence_lines(recording().packets, transfer())


@cache
def journeys() -> pl.DataFrame:
    return zc.replay(recording().packets.head(PACKETS_REPLAYED), zc.calibrate(recording()))


@cache
def study() -> Any:
    return quadrics.studied()


@cache
def counted() -> pl.DataFrame:
    return published.counted(published.foretold()).filter(pl.col("kind") != published.SAMENESS)


@cache
def jumbo() -> tuple[Subject, Explored]:
    """Larger packets, asked of the sample recording."""
    subject = subject_of(answer())
    return subject, explored(subject, Scenario(name="mtu=9000", patches=(parse_patch("mtu=9000"),)))


def weighed() -> pl.DataFrame:
    patches = ("mtu=9000", "gro=on", "rps=off", "hw-checksum=on", "zero-copy-rx", "flows=4", "copy-gbps=20")
    return what_if(answer(), [parse_patch(text) for text in patches])


def of_tcp(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("branch") == "TCP")


def ratio_rows() -> pl.DataFrame:
    ratios = ("ratio", "low", "high", "measured", "measured_low", "measured_high")
    places = (
        (modern.MEASURED, "these recordings", "recording"),
        (modern.VALIDATED, "validation, other hosts", "hosts"),
    )
    tables = modern.answer().tables
    rows = [tables[kind].select(where=pl.lit(at), name=pl.format("{} on {}", "change", on)) for kind, at, on in places]
    return pl.concat(
        names.hstack(tables[kind].select(ratios)) for names, (kind, _, _) in zip(rows, places, strict=True)
    )


def limits() -> pl.DataFrame:
    return zc.limits(zc.scan_pcap(TRACES / "limits/loss.first.pcap.zst"))


def offered() -> pl.DataFrame:
    loads = [0.144e-3 * thousands for thousands in range(10, 200, 10)]
    return zc.offered_load(zc.hosts.preset("host_2002"), loads, payload_bytes=18)


def kernel_pairs() -> pl.DataFrame:
    pairs = prequeue_kernel.kernel_pairs()
    names = {"gain": "kernel", "model_gain": "model"}
    gained = pairs.unpivot(list(names), index="recording", variable_name="who", value_name="gained")
    return gained.with_columns(who=pl.col("who").replace_strict(names))


EXHIBITS: Final[Mapping[str, Exhibit]] = {
    "waterfall": Exhibit(
        lambda: charts.waterfall(answer().blame, answer().ceiling.gbps),
        "Where the missing bandwidth went", "From the ceiling down to the goodput, one step a stage.",
    ),
    "ladder": Exhibit(
        lambda: charts.ladder(zc.ladder(answer()), answer().goodput_gbps, answer().ceiling.gbps),
        "What holds the receiver back, in any order", "From the goodput up to all receiver stages free.",
    ),
    "forecast": Exhibit(
        lambda: charts.forecast(weighed(), answer().goodput_gbps),
        "What would help", "Predictions with their range, beside what simpler arithmetic says.",
    ),
    "combinations": Exhibit(
        lambda: charts.combinations(combined_changes(answer()), known_rates(answer())),
        "If you combine them", "A control for each change; every combination was replayed beforehand.",
    ),
    "compared": Exhibit(
        lambda: charts.compared(zc.compare([answer("veth-9000")], [answer()])),
        "What changed between two recordings", "MTU 9000 against 1500: before, now, and how sure the difference is.",
    ),
    "sweep_curve": Exhibit(
        lambda: charts.sweep_curve(zc.sweep(answer(), {"mtu": [1500, 3000, 6000, 9000], "gro": ["on", "off"]})),
        "One patch at many values", "Goodput with its interval against the MTU, with and without GRO.",
    ),
    "sweep_map": Exhibit(
        lambda: charts.sweep_map(zc.sweep(answer(), {"mtu": [1500, 3000, 6000, 9000], "copy-gbps": [5, 10, 20, 40]})),
        "Two patches at once", "Predicted goodput of every pair of values; darker is more.",
    ),
    "outcomes": Exhibit(
        lambda: charts.outcomes(
            outcome_rows(*jumbo(), [jumbo()[1]], LabRuns(recording()).measured(jumbo()[1].scenario.patches))
        ),
        "Scenarios side by side", "As it is, with larger packets now and as kept, and as the lab measured it.",
    ),
    "transfer_time": Exhibit(
        lambda: charts.transfer_time(exploring.transfer_time(*jumbo())),
        "What a megabyte waits for", "Stage by stage along the critical path, before and after larger packets.",
    ),
    "ladders": Exhibit(
        lambda: charts.ladders(exploring.ladders(*jumbo())),
        "The ladder before and after", "From the goodput to all receiver stages free; larger packets beside it.",
    ),
    "tornado": Exhibit(
        lambda: charts.tornado(tornado(answer().model), answer().goodput_gbps),
        "What the replay hangs on", "Goodput with one price at either end of its interval.",
    ),
    "speedup_curves": Exhibit(
        lambda: charts.speedup_curves(speedup_curve(answer().model, "copy", "tcp_rx", "hardirq")),
        "If a stage took less time", "Virtual speed-up: goodput against how much less time one stage takes.",
    ),
    "stage_cost": Exhibit(
        lambda: charts.stage_cost(answer().costs),
        "What each stage cost", "CPU time a packet, by stage and CPU; the line is the 90 % interval.",
    ),
    "cpu_over_time": Exhibit(
        lambda: charts.cpu_over_time(cpu_timeline(answer().evidence.stages)),
        "What each CPU did over time", "Sampled busy time by group of stages; above is idle or not sampled.",
    ),
    "flame_graph": Exhibit(
        lambda: charts.flame_graph(flame(answer().evidence.stages)),
        "Call chains of each CPU", "Click a box to zoom, double-click for all; search marks functions.",
    ),
    "flame_changes": Exhibit(
        lambda: charts.flame_changes(compare_flames([answer("veth-9000")], [answer("veth-1500")])),
        "Call chains before and after", "MTU 1500, then 9000: red costs more CPU time per byte now, blue less.",
    ),
    "latency": Exhibit(
        lambda: charts.latency(traced().summary, traced().distribution),
        "How long received bytes took", "Each stage's share of the mean, above how its time is spread over bytes.",
    ),
    "latency_tails": Exhibit(
        lambda: charts.latency_tails(traced().distribution),
        "The slowest bytes", "How large a part of the bytes took longer than a time, by stage.",
    ),
    "packet_way": Exhibit(
        lambda: charts.packet_way(packet_way(journeys(), packet_at(journeys(), 0.99))),
        "One packet's way", "A packet slower than 99 % of the others, replayed: what it waited for, what was done.",
    ),
    "critical_path": Exhibit(
        lambda: charts.critical_path(work_around(journeys(), packet_at(journeys(), 0.99))),
        "What that packet waited for", "All work meanwhile, a row a stage; the full bars are its critical path.",
    ),
    "rate_over_time": Exhibit(
        lambda: charts.rate_over_time(throughput(recording())),
        "Throughput over time", "Payload rate by the device's counters, in the phases of the recording.",
    ),
    "limits_band": Exhibit(
        lambda: charts.limits_band(limits()),
        "Who limited, and when", "A band a connection, coloured by what held it back; a transfer with loss.",
    ),
    "time_sequence": Exhibit(
        lambda: charts.time_sequence(lines()),
        "One transfer through its sequence space", "What was sent, acknowledged, allowed; below, what was in flight.",
    ),
    "transfer_rate": Exhibit(
        lambda: charts.transfer_rate(zc.transfer_rates(lines())),
        "How fast one transfer went", "Payload as the tap saw it pass; what was sent again on top.",
    ),
    "round_trips": Exhibit(
        lambda: charts.round_trips(zc.round_trips(recording().packets, transfer())),
        "How long data waited for ACKs", "Shortest to longest, median and 95 %, in slices of time.",
    ),
    "ack_delays": Exhibit(
        lambda: charts.ack_delays(zc.ack_delays(recording().packets, transfer())),
        "How long ACKs were held back", "Shares of the ACKs, and of all time waited, by delay.",
    ),
    "validation": Exhibit(
        lambda: charts.validation(validation_table(finished(TRACES / "validation.json"))),
        "Do predictions come true?", "Each case of the lab: foretold against measured.",
    ),
    "volumes": Exhibit(
        lambda: charts.volumes(of_tcp(study().hypotheses)),
        "Quadrics: what could explain the figures", "Shares of generated hosts that behave as was reported.",
    ),
    "odds_matrix": Exhibit(
        lambda: charts.odds_matrix(of_tcp(study().odds)),
        "Quadrics: which hypotheses can be told apart", "Odds of each row against each column.",
    ),
    "believed": Exhibit(
        lambda: charts.believed(of_tcp(study().hypotheses).filter(pl.col("verdict") == "possible")),
        "Quadrics: with another opinion before", "A slider gives one hypothesis more weight.",
    ),
    "blasts": Exhibit(
        lambda: charts.blasts(study().blast),
        "Quadrics: a blast of UDP", "What the reader gets of what is sent, by hypothesis.",
    ),
    "telling": Exhibit(
        lambda: charts.telling(of_tcp(study().information).filter(pl.col("bits") > 0)),
        "Quadrics: which measurement tells most", "Bits, on average, of which hypothesis is true.",
    ),
    "share_steps": Exhibit(
        lambda: charts.share_steps(quadrics_planted.steps(study().trail), study().trail.truth),
        "Quadrics: a planted cause is found", "Shares of the hypotheses after each measurement; generated data.",
    ),
    "remedy_ranges": Exhibit(
        lambda: charts.remedy_ranges(study().remedies, quadrics_remedies.TWICE_GBPS),
        "Quadrics: what would help", "Goodput of the hosts that explain the figures, after each change.",
    ),
    "patch_effect": Exhibit(
        lambda: charts.patch_effect(kleen_workloads.patch_map()),
        "The prequeue patch: where it helps", "Gain in per cent by the reader's delay and size, replayed.",
    ),
    "stall_cost": Exhibit(
        lambda: charts.stall_cost(kleen_stalls.stall_law()),
        "The prequeue patch: what a stall costs", "Goodput against how often an ACK is held back.",
    ),
    "kernel_beside_model": Exhibit(
        lambda: charts.kernel_beside_model(kernel_pairs(), "gained", "goodput gained", format_text="+.0%"),
        "The prequeue patch: kernel and model", "A real kernel with and without the prequeue, beside the replay.",
    ),
    "bus_crossings": Exhibit(
        lambda: charts.bus_crossings(pinned_buffers.buffer_table()),
        "Pinned buffers: how often a byte crosses the bus", "Crossings of the memory bus by design.",
    ),
    "relay_gain": Exhibit(
        lambda: charts.relay_gain(pinned_buffers.gain_bins(), pinned_buffers.REPORTED),
        "Pinned buffers: what a relay gains", "Generated machines that the bus limited; the band is what was reported.",
    ),
    "relay_messages": Exhibit(
        lambda: charts.relay_messages(pinned_buffers.message_table(pinned_buffers.FLUSH_NS)),
        "Pinned buffers: small messages", "Gain by the size of a message; the slider is the price of a mapping.",
    ),
    "walk_gains": Exhibit(
        lambda: charts.walk_gains(defragmentation.gain_table()),
        "Defragmentation: what each copy removed gives", "NFS over UDP, generated machines.",
    ),
    "walk_costs": Exhibit(
        lambda: charts.walk_costs(defragmentation.cost_table()),
        "Defragmentation: what a byte costs", "CPU time by part of the work; the slider is the size of a request.",
    ),
    "piece_costs": Exhibit(
        lambda: charts.piece_costs(
            stage_table(*(zc.costs(recording(name)) for name in ("fragmented-udp", "whole-udp")))
        ),
        "Defragmentation: whole and in pieces, today", "CPU time of each stage, two recordings.",
    ),
    "suspects": Exhibit(
        lambda: charts.suspects(modern_suspects.suspects(modern.answers()), modern.answer().tables[modern.HOSTS]),
        "Today's kernel: the suspects of 2002", "What each holds back in four recordings.",
    ),
    "cheaper_suspects": Exhibit(
        lambda: charts.cheaper_suspects(modern_suspects.speed_ups(modern.answers())),
        "Today's kernel: if a suspect took less time", "A slider makes each suspect cheaper.",
    ),
    "ratios": Exhibit(
        lambda: charts.ratios(ratio_rows()),
        "Today's kernel: changes foretold and measured", "Goodput with a change over without.",
    ),
    "foretold_errors": Exhibit(
        lambda: charts.foretold_errors(counted()),
        "Published figures: how far off", "The error of each figure.",
    ),
    "ladder_categories": Exhibit(
        lambda: charts.ladder_categories(published.ladder_cycles()),
        "Published figures: cycles by category", "Foretold and published share of the receiver's cycles.",
    ),
    "livelock": Exhibit(
        lambda: charts.livelock(offered()),
        "Receive livelock", "A host of 2002, small datagrams: beyond its peak it reads less the more is sent.",
    ),
}  # fmt: skip


@cache
def drawn(name: str) -> Drawn:
    """The exhibit's chart."""
    return EXHIBITS[name].draw()


def page(others: Mapping[str, Callable[[], Drawn]] | None = None) -> str:
    """All exhibits as one HTML page that works offline; some are drawn otherwise where a test says so."""
    ways = {name: partial(drawn, name) for name in EXHIBITS} | dict(others or {})
    figures = [figure(name, shown.title, ways[name](), shown.says) for name, shown in EXHIBITS.items()]
    loader = ChoiceLoader([FileSystemLoader(Path(__file__).parent), PackageLoader("zcanalysis", ".")])
    template = Environment(loader=loader, autoescape=True).get_template("gallery.html.j2")
    return template.render(figures=figures, bundle=vega_bundle(), dark=look(dark=True))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(page(), encoding="utf-8")
