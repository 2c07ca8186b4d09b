"""The command line: parses, calls, prints, and exits; 2 for bad input, 1 for our own failure.

Imports that cost time stand inside the commands, so that `--help` answers at once.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zcanalysis import __version__
from zcanalysis.errors import ZcError
from zcanalysis.lab.scenarios import BASELINE, SCENARIOS
from zcanalysis.output import printable, write

if TYPE_CHECKING:
    import polars as pl

    from zcanalysis.io.recording import Recording
    from zcanalysis.prices.machine import MachinePrices

BAD_INPUT: Final = 2
OUR_FAILURE: Final = 1
INTERRUPTED: Final = 130
SCENARIO_NAMES: Final = ", ".join(scenario.name for scenario in SCENARIOS)

app = typer.Typer(
    name="zcanalysis",
    help="Which stage of the receive path cost how many bit/s, and how sure are we?",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
lab_app = typer.Typer(no_args_is_help=True, help="Real transfers between two network namespaces of this machine.")
app.add_typer(lab_app, name="lab")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Perf = Annotated[Path | None, typer.Option(help="perf script text or perf.data to use beside the capture.")]
Link = Annotated[
    float | None,
    typer.Option("--link-gbps", help="Rate of the link, in Gbit/s: the ceiling to compare with."),
]
Hz = Annotated[
    int,
    typer.Option("--sampling-hz", min=1, max=20_000, help="CPU samples a second on each CPU; best a prime."),
]
Capture = Annotated[bool, typer.Option("--capture/--no-capture", help="End with a capture of 0.15 s.")]
Trace = Annotated[
    bool,
    typer.Option("--trace", help="End with tracepoints, 0.5 s of batches and 0.2 s of packets; they price nothing."),
]

Calibrated = Annotated[
    bool, typer.Option("--calibrated", help="Use what lab calibrate kept of the recording's machine.")
]
CalibrationFile = Annotated[
    Path | None, typer.Option("--calibration", help="The same from a file that lab calibrate -o wrote.")
]


def main() -> None:
    """Run the command; every expected failure is one line on standard error."""
    try:
        app()
    except ZcError as error:
        _fail(str(error), BAD_INPUT)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # typer has caught the interruption, and says nothing
            _fail("interrupted", INTERRUPTED)
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", BAD_INPUT)
    except Exception as error:
        if os.environ.get("ZCANALYSIS_TRACEBACK"):
            raise
        kind = type(error).__name__
        _fail(f"our own failure: {kind}: {error}; ZCANALYSIS_TRACEBACK=1 shows where, please report it", OUR_FAILURE)


def _fail(message: str, status: int) -> None:
    line = " ".join(printable(message, keep="\n").split())
    sys.stderr.write(f"zcanalysis: {line}\n")
    sys.exit(status)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        _print(__version__)
        raise typer.Exit


@app.command()
def report(
    recording: Annotated[Path, typer.Argument(help="A recording folder, a capture, or a perf trace.")],
    perf: Perf = None,
    link_gbps: Link = None,
    calibrated: Calibrated = False,
    calibration: CalibrationFile = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write the HTML report.")] = None,
    as_json: Json = False,
) -> None:
    """Say where the receiver's time and bandwidth went; write an HTML report with -o."""
    from zcanalysis.answer import answered, report_document
    from zcanalysis.io.recording import read_recording

    _check_link(link_gbps)
    with _progress() as on_step:
        read = read_recording(recording, perf)
        answer = answered(read, link_gbps, on_step, _machine(read, calibration, kept=calibrated))
        if output is not None:
            from zcanalysis.document import write_report

            write_report(answer, output, on_step)
    if as_json:
        from zcanalysis.advice import ranked_changes

        best, rest = ranked_changes(answer)
        _print_json(report_document(answer) | {"patches": [*best, *rest] or None})
        return
    from zcanalysis.terminal import print_answer

    print_answer(answer, output)


@app.command()
def flows(
    capture: Annotated[Path, typer.Argument(help="A capture, or a recording that holds one.")],
    as_json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """List the capture's connections, one row a direction."""
    from zcanalysis.errors import TraceError
    from zcanalysis.io.recording import read_recording
    from zcanalysis.wire.connections import flows as flows_of

    packets = read_recording(capture).packets
    if packets is None:
        raise TraceError(f"{capture}: holds no capture; flows needs a pcap or pcapng file")
    with _progress() as on_step:
        on_step("capture")
        table = flows_of(packets)
    if as_json and csv:
        raise ZcError("--json and --csv exclude each other")
    if as_json or csv:
        _print_table({"flows": table}, as_json=as_json, csv=csv)
        return
    from zcanalysis.terminal import print_flows

    print_flows(table)


@app.command()
def audit(
    recording: Annotated[Path, typer.Argument(help="A recording folder, a capture, or a perf trace.")],
    perf: Perf = None,
    as_json: Json = False,
) -> None:
    """Say whether the recording can be trusted."""
    from zcanalysis.io.recording import read_recording
    from zcanalysis.trust import audit as audit_of

    with _progress() as on_step:
        on_step("audit")
        table = audit_of(read_recording(recording, perf))
    _print_table({"audit": table}, as_json=as_json)


@app.command()
def costs(
    recording: Annotated[Path, typer.Argument(help="A recording folder or a perf trace.")],
    perf: Perf = None,
    as_json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """List what each stage of the receive path cost on each CPU."""
    from zcanalysis.evidence import costs as costs_of
    from zcanalysis.io.recording import read_recording

    with _progress() as on_step:
        on_step("costs")
        table = costs_of(read_recording(recording, perf))
    if as_json or csv:
        _print_table({"costs": table}, as_json=as_json, csv=csv)
        return
    from zcanalysis.terminal import print_costs

    print_costs(table)


@app.command()
def latency(
    recording: Annotated[Path, typer.Argument(help="A recording with traced packets, or a kernel trace of packets.")],
    as_json: Json = False,
) -> None:
    """Say how long received bytes took in each stage, from tracepoints of every packet."""
    from zcanalysis.cpu.latency import latency as latency_of
    from zcanalysis.latency_text import latency_document, print_latency

    with _progress() as on_step:
        on_step("joining")
        found = latency_of(recording)
    if as_json:
        _print_json(latency_document(recording.resolve().name, found))
        return
    print_latency(found)


@app.command()
def patches(as_json: Json = False) -> None:
    """List the patches: what each changes, where that is known from, and when it does not apply."""
    from zcanalysis.patches import catalogue_rows

    rows = list(catalogue_rows())
    if as_json:
        _print_json({"patches": rows})
        return
    from zcanalysis.terminal import print_catalogue

    print_catalogue(rows)


@app.command()
def predict(
    recording: Annotated[Path, typer.Argument(help="A recording folder.")],
    patch: Annotated[list[str], typer.Option(help="NAME or NAME=VALUE, as `zcanalysis patches` lists; repeatable.")],
    perf: Perf = None,
    link_gbps: Link = None,
    calibrated: Calibrated = False,
    calibration: CalibrationFile = None,
    as_json: Json = False,
) -> None:
    """Say what patches together would give back, with the commands to apply and to undo them."""
    from zcanalysis.answer import answered
    from zcanalysis.io.recording import read_recording
    from zcanalysis.patches import parse_patch
    from zcanalysis.whatif import predict_document

    _check_link(link_gbps)
    chosen = [parse_patch(text) for text in patch]
    with _progress() as on_step:
        read = read_recording(recording, perf)
        machine = _machine(read, calibration, kept=calibrated)
        document = predict_document(answered(read, link_gbps, on_step, machine), chosen)
    if as_json:
        _print_json(document)
        return
    from zcanalysis.prediction_text import print_prediction

    print_prediction(document)


@app.command()
def sweep(
    recording: Annotated[Path, typer.Argument(help="A recording folder.")],
    patch: Annotated[
        list[str], typer.Option(help="NAME=V1,V2,… as `zcanalysis patches` lists; several: every combination.")
    ],
    perf: Perf = None,
    link_gbps: Link = None,
    calibrated: Calibrated = False,
    calibration: CalibrationFile = None,
    as_json: Json = False,
) -> None:
    """Say what each of several values of a patch would give back."""
    from zcanalysis.answer import answered
    from zcanalysis.io.recording import read_recording
    from zcanalysis.sweeps import parse_sweep, sweep_document, swept

    _check_link(link_gbps)
    chosen = parse_sweep(patch)
    with _progress() as on_step:
        read = read_recording(recording, perf)
        answer = answered(read, link_gbps, on_step, _machine(read, calibration, kept=calibrated))
        on_step("sweep")
        document = sweep_document(answer, swept(answer, chosen))
    if as_json:
        _print_json(document)
        return
    from zcanalysis.prediction_text import print_sweep

    print_sweep(document)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A capture or a perf trace.")],
    target: Annotated[Path, typer.Argument(help="The parquet file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write a capture's packets, or a perf trace's samples, as parquet."""
    from zcanalysis.io.exports import convert as convert_to

    with _progress() as on_step:
        on_step("converting")
        done = convert_to(source, target, overwrite=overwrite)
    damage = f"; {done.damaged:,} damaged: {printable(str(done.first_damage))}" if done.damaged else ""
    _print(f"{printable(str(target))}: {done.rows:,} {done.kind}{damage}")


@app.command(context_settings={"allow_interspersed_args": False})
def record(
    directory: Annotated[Path, typer.Option("-o", "--output", help="Folder of the recording; made, or empty.")],
    device: Annotated[str | None, typer.Option(help="Network device to watch; the busiest when not given.")] = None,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long, all phases together.")] = 10,
    label: Annotated[str | None, typer.Option(help="Words for the report.")] = None,
    capture: Capture = True,
    trace: Trace = False,
    sampling_hz: Hz = 499,
    command: Annotated[
        list[str] | None, typer.Argument(help="-- COMMAND: starts the transfer; else it runs already.")
    ] = None,
) -> None:
    """Record a transfer that is running, or a command: counters and CPU samples in turn, then a short capture."""
    from zcanalysis.recorder import RecordOptions, default_plan
    from zcanalysis.recorder import record as make_recording

    with _progress() as on_step:
        options = RecordOptions(
            device=device,
            plan=default_plan(seconds, capture=capture, trace=trace),
            command=tuple(command or ()),
            label=label,
            sampling_hz=sampling_hz,
            on_progress=lambda phase, share: on_step(f"{phase} ({share:.0%})"),
        )
        made = make_recording(directory, options)
    _print_written(made)


@app.command()
def advise(
    recording: Annotated[Path | None, typer.Argument(help="A recording folder; or name a device with --live.")] = None,
    live: Annotated[str | None, typer.Option(help="Network device that receives right now.")] = None,
    verify: Annotated[str | None, typer.Option(help="Id of a change that was made: measure, and compare.")] = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="List predicted against measured.")] = False,
    seconds: Annotated[float | None, typer.Option(min=3, max=3600, help="How long to look; else 20 s.")] = None,
    as_json: Json = False,
) -> None:
    """Name the limit and three changes, each with command, undo and proof; changes nothing itself."""
    from zcanalysis import advising

    if sum((recording is not None, live is not None, verify is not None, ledger)) != 1:
        raise ZcError("advise needs one of: --live DEVICE, a RECORDING, --verify ID, --ledger")
    with _progress() as on_step:
        if live is not None:
            said = advising.live(live, seconds, on_step)
        elif verify is not None:
            said = advising.verify(verify, seconds, on_step)
        else:
            said = advising.recorded(recording) if recording is not None else advising.ledger()
    if as_json:
        _print_json(said.document)
    else:
        said.show()
    if said.complaint:
        _fail(said.complaint, BAD_INPUT)


@lab_app.command("run")
def lab_run(
    directory: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the recording; made, or empty.")
    ] = None,
    scenario: Annotated[str, typer.Option(help=f"A TOML file, or one of {SCENARIO_NAMES}.")] = BASELINE,
    patch: Annotated[list[str] | None, typer.Option(help="NAME=VALUE to apply to it; may be repeated.")] = None,
    print_scenario: Annotated[
        str | None, typer.Option(help="Print that scenario as TOML, patches applied, and run nothing.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="How long to record.")] = 6,
    capture: Capture = True,
    trace: Trace = False,
    sampling_hz: Hz = 499,
    hosts: Annotated[
        str | None, typer.Option(help="RECEIVER,SENDER: two machines by ssh, as root, instead of two namespaces.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="RECEIVER[,SENDER]: the devices between --hosts, if several join them.")
    ] = None,
    remote_python: Annotated[str, typer.Option(help="The interpreter on --hosts that has zcanalysis.")] = "python3",
    ssh_config: Annotated[Path | None, typer.Option(help="ssh's configuration for --hosts; else the user's.")] = None,
) -> None:
    """Run a real transfer between two namespaces of this machine, or two machines, and record it; needs root there."""
    from functools import reduce

    from zcanalysis.lab import LabOptions, run_scenario
    from zcanalysis.lab.applied import patched
    from zcanalysis.lab.scenario_text import chosen_scenario, scenario_text
    from zcanalysis.recorder import default_plan

    if hosts is None and (device or ssh_config):
        raise ZcError("--device and --ssh-config belong to --hosts")
    chosen = reduce(patched, patch or (), chosen_scenario(print_scenario or scenario))
    if print_scenario is not None:
        write(scenario_text(chosen))
        return
    if directory is None:
        raise ZcError("lab run needs -o DIRECTORY for the recording")
    with _progress() as on_step:
        options = LabOptions(
            plan=default_plan(seconds, capture=capture, trace=trace),
            sampling_hz=sampling_hz,
            on_progress=lambda what, share: on_step(f"{what} ({share:.0%})"),
        )
        if hosts is None:
            made = run_scenario(chosen, directory, options)
        else:
            from zcanalysis.lab.remote.running import machines_named, run_on_machines

            made = run_on_machines(chosen, directory, options, machines_named(hosts, device, remote_python, ssh_config))
    _print_written(made)


@lab_app.command("validate")
def lab_validate(
    directory: Annotated[Path, typer.Option("-o", "--output", help="Folder for all that is seen; made, or empty.")],
    draw: Annotated[
        int | None, typer.Option(min=1, max=500, help="How many cases are drawn; 24 when no patch is given.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Draws them; if not given the commit of this code.")] = None,
    without: Annotated[
        list[Path] | None, typer.Option(help="A validation whose cases are not drawn again; may be repeated.")
    ] = None,
    scenario: Annotated[str, typer.Option(help=f"Hosts of patches given: one of {SCENARIO_NAMES}.")] = BASELINE,
    patch: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, or several together, A=1+B=2; a case each time it is given.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Prices of this machine, to foretell with as well; else those that are kept.")
    ] = None,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Measure those first, if they are not there.")] = False,
    hosts: Annotated[str | None, typer.Option(help="Refused for now: `lab run` alone knows other machines.")] = None,
    as_json: Json = False,
) -> None:
    """Foretell what patches do from a recording, then apply them to real traffic and measure; needs root."""
    from zcanalysis import validating
    from zcanalysis.lab.validation import ValidationOptions

    if hosts is not None:
        raise ZcError("lab validate measures in namespaces of this machine only; --hosts works with lab run")
    if patch and (draw or seed or without):
        raise ZcError("--patch names cases, --draw, --seed and --without draw them: give one or the other")
    by = None
    if not patch:
        by = validating.default_seed() if seed is None else validating.Seed(seed, "as given")
        sys.stderr.write(f"seed {printable(by.text)} ({by.origin})\n")
    with _progress() as on_step:

        def tell(what: str, share: float) -> None:
            on_step(f"{what} ({share:.0%})")

        cases = (
            validating.picked_cases(scenario, patch or ())
            if by is None
            else validating.drawn_cases(draw or validating.DRAWN, by.text, without or ())
        )
        options = ValidationOptions(
            cases=cases,
            seed=None if by is None else by.text,
            machine=validating.machine_of(calibration, cases, tell, measured=calibrate),
            on_progress=tell,
        )
        document = validating.carried_out(directory, options)
    _print_json(document) if as_json else validating.show(document)


@lab_app.command("show")
def lab_show(
    directory: Annotated[Path, typer.Argument(help="What `lab validate` wrote, or its validation.json.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="HTML page to write, with the chart.")] = None,
    as_json: Json = False,
) -> None:
    """Show a finished validation again, worst misses first; nothing is measured."""
    from zcanalysis import validating

    document = validating.finished(directory)
    if output is not None:
        validating.write_page(document, output)
    _print_json(document) if as_json else validating.show(document)


@lab_app.command("calibrate")
def lab_calibrate(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="JSON file; else it is kept.")] = None,
    mtu: Annotated[
        list[int] | None, typer.Option(min=68, max=65_535, help="Of the transfers; may be repeated. 1500 if not given.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure even if prices are kept.")] = False,
    as_json: Json = False,
) -> None:
    """Measure what this machine's interrupts, wake-ups, GRO, checksums and copies cost; two minutes; needs root."""
    from zcanalysis.lab.calibrating import calibrated_machine
    from zcanalysis.prices.machine_file import machine_document

    if output is not None:
        _check_writable(output)
    mtus = tuple(dict.fromkeys(mtu or (1500,)))
    with _progress() as on_step:
        machine, file = calibrated_machine(
            output, mtus, again=again, on_progress=lambda what, share: on_step(f"{what} ({share:.0%})")
        )
    if as_json:
        _print_json(machine_document(machine))
        return
    from zcanalysis.machine_text import print_machine

    print_machine(machine, str(file))


@lab_app.command("probe-effects")
def lab_probe_effects(
    scenario: Annotated[
        list[str] | None, typer.Option(help="Measure this one; may be repeated. Five when not given.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, max=100, help="How often each probe is measured.")] = 5,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="JSON file for everything measured.")] = None,
) -> None:
    """Measure what each probe costs the transfer it looks at; a markdown table; needs root."""
    from zcanalysis.lab.probe_effect import COMPARED, EffectOptions, effects_document, markdown, probe_effect
    from zcanalysis.lab.scenarios import scenario_named

    chosen = [scenario_named(name) for name in scenario or COMPARED]
    if output is not None:
        _check_writable(output)
    with _progress() as on_step:
        options = EffectOptions(rounds=rounds, on_progress=on_step)
        effects = [probe_effect(each, options) for each in chosen]
    write(markdown(effects))
    if output is not None:
        output.write_text(json.dumps(effects_document(effects, options), indent=1) + "\n")


def _machine(recording: "Recording", file: Path | None, *, kept: bool) -> "MachinePrices | None":
    """Prices of the recording's machine, where they are asked for."""
    from zcanalysis.prices.machine_file import kept_machine_prices, read_machine_prices

    if file is not None:
        return read_machine_prices(file)
    return kept_machine_prices(recording.host.kernel, recording.host.cpu_model) if kept else None


def _check_writable(file: Path) -> None:
    """Fail before minutes of measuring; what the file holds stays, and no empty one is left."""
    there = file.exists()
    with file.open("a"):
        pass
    if not there:
        file.unlink()


def _check_link(link_gbps: float | None) -> None:
    if link_gbps is not None and not 0 < link_gbps < float("inf"):
        raise ZcError(f"--link-gbps must be above 0, got {link_gbps}")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A progress line on standard error after one second; none where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from zcanalysis.terminal import progress

    with progress() as on_step:
        yield on_step


def _print_table(named: "dict[str, pl.DataFrame]", *, as_json: bool, csv: bool = False) -> None:
    from zcanalysis.terminal import print_table

    ((name, table),) = named.items()
    if as_json:
        _print_json({name: table.to_dicts()})
    elif csv:
        write(table.write_csv())
    else:
        print_table(table)


def _print_written(recording: Path) -> None:
    again = printable(shlex.join(["zcanalysis", "report", str(recording)]))
    _print(f"recording written to {printable(str(recording))}; next: {again}")


def _print_json(document: Any) -> None:  # noqa: ANN401 - any JSON document
    _print(json.dumps(document, indent=1, allow_nan=False, ensure_ascii=True))


def _print(text: str) -> None:
    write(f"{text}\n")
