"""The command line: parses, calls, prints, and exits; 2 for bad input, 1 for our own failure.

Imports that cost time stand inside the commands, so that `--help` answers at once.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from zcanalysis import __version__
from zcanalysis.cli_batch import batch
from zcanalysis.cli_compare import ManyAgainst, compare
from zcanalysis.cli_files import convert, export
from zcanalysis.cli_flows import flows
from zcanalysis.cli_lab import lab_app
from zcanalysis.cli_notebook import notebook
from zcanalysis.cli_parts import (
    Anything,
    Calibrated,
    CalibrationFile,
    Capture,
    Folder,
    Hz,
    Json,
    Link,
    Perf,
    Trace,
    check_link,
    complain,
    print_json,
    print_line,
    print_table,
    print_written,
    progress,
)
from zcanalysis.errors import ExtensionWarning, TraceError, ZcError
from zcanalysis.output import printable
from zcanalysis.shipped import here_or_shipped

if TYPE_CHECKING:
    from zcanalysis.cpu.latency import Latency
    from zcanalysis.io.recording import Recording
    from zcanalysis.prices.machine import MachinePrices

BAD_INPUT: Final = 2
OUR_FAILURE: Final = 1
INTERRUPTED: Final = 130

app = typer.Typer(
    name="zcanalysis",
    help="Which stage of the receive path cost how many bit/s, and how sure are we?",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(lab_app, name="lab")
app.command()(batch)
app.command(cls=ManyAgainst)(compare)


def main() -> None:
    """Run the command; every expected failure, and every warning of ours, is one line on standard error."""
    try:
        with _one_line_warnings():
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


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Extensions that are left out are told as failures are; other warnings are shown as Python does."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, ExtensionWarning):
                complain(f"warning: {message}")
            else:
                shown(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def _fail(message: str, status: int) -> None:
    complain(message)
    sys.exit(status)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print_line(__version__)
        raise typer.Exit


@app.command()
def report(
    recording: Anything,
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

    check_link(link_gbps)
    with progress() as on_step:
        read = read_recording(recording, perf)
        answer = answered(read, link_gbps, on_step, _machine(read, calibration, kept=calibrated))
        if output is not None:
            from zcanalysis.document import write_report

            write_report(answer, output, on_step)
    if as_json:
        from zcanalysis.advice import ranked_changes

        best, rest = ranked_changes(answer)
        print_json(report_document(answer) | {"patches": [*best, *rest] or None})
        return
    from zcanalysis.terminal import print_answer

    print_answer(answer, output)


app.command()(flows)


@app.command()
def audit(
    recording: Anything,
    perf: Perf = None,
    as_json: Json = False,
) -> None:
    """Say whether the recording can be trusted."""
    from zcanalysis.io.recording import read_recording
    from zcanalysis.trust import audit as audit_of

    with progress() as on_step:
        on_step("audit")
        table = audit_of(read_recording(recording, perf))
    print_table({"audit": table}, as_json=as_json)


@app.command()
def costs(
    recording: Annotated[Path, typer.Argument(parser=here_or_shipped, help="A recording folder or a perf trace.")],
    perf: Perf = None,
    as_json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """List what each stage of the receive path cost on each CPU."""
    from zcanalysis.evidence import costs as costs_of
    from zcanalysis.io.recording import read_recording

    with progress() as on_step:
        on_step("costs")
        table = costs_of(read_recording(recording, perf))
    if as_json or csv:
        print_table({"costs": table}, as_json=as_json, csv=csv)
        return
    from zcanalysis.terminal import print_costs

    print_costs(table)


@app.command()
def latency(
    recording: Annotated[
        Path,
        typer.Argument(
            parser=here_or_shipped, help="A recording with traced packets, a kernel trace, or what bpftrace printed."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Say how long received bytes took in each stage, from tracepoints of every packet; and batches, waits, sizes."""
    from zcanalysis.cpu.latency import latency as latency_of
    from zcanalysis.cpu.spreads import traced
    from zcanalysis.latency_text import latency_document, print_latency, print_spreads

    found: Latency | TraceError
    with progress() as on_step:
        on_step("reading")
        batches = traced(recording)
        on_step("joining")
        try:
            found = latency_of(recording)
        except TraceError as error:
            if batches.table.is_empty():
                raise
            found = error
    if as_json:
        print_json(latency_document(recording.resolve().name, found, batches))
        return
    if isinstance(found, TraceError):
        print_line(f"no byte is followed to its reader: {printable(str(found))}")
    else:
        print_latency(found)
    print_spreads(batches)


@app.command()
def patches(as_json: Json = False) -> None:
    """List the patches: what each changes, where that is known from, and when it does not apply."""
    from zcanalysis.patches import catalogue_rows

    rows = list(catalogue_rows())
    if as_json:
        print_json({"patches": rows})
        return
    from zcanalysis.terminal import print_catalogue

    print_catalogue(rows)


@app.command()
def extensions(as_json: Json = False) -> None:
    """List what other distributions add: patches, stage maps, readers; and whether each can be used."""
    from zcanalysis.extending import installed_extensions

    table = installed_extensions()
    if table.is_empty() and not as_json:
        print_line("no extension is installed")
        return
    print_table({"extensions": table}, as_json=as_json)


@app.command("case")
def case_command(
    name: Annotated[str | None, typer.Argument(help="Which one; without it, they are listed.")] = None,
    as_json: Json = False,
) -> None:
    """Answer one of the systems this tool was made for, from published figures and recordings."""
    from zcanalysis.cases import CASES, case
    from zcanalysis.terminal import print_case, print_cases

    if name is None:
        print_json({"cases": CASES}) if as_json else print_cases(CASES)
        return
    with progress() as on_step:
        on_step(name)
        answered = case(name)
    print_json(answered.document()) if as_json else print_case(answered)


@app.command()
def predict(
    recording: Folder,
    patch: Annotated[
        list[str] | None, typer.Option(help="NAME or NAME=VALUE, as `zcanalysis patches` lists; repeatable.")
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE sets a price of the calibrated host, whatever was measured; its unit ends its name, as in "
            "copy.ns_per_byte=0.05 (nanoseconds a byte), tcp.skb_ns=300; repeatable."
        ),
    ] = None,
    perf: Perf = None,
    link_gbps: Link = None,
    calibrated: Calibrated = False,
    calibration: CalibrationFile = None,
    as_json: Json = False,
) -> None:
    """Say what patches together would give back, with the commands to apply and to undo them."""
    from zcanalysis.answer import answered
    from zcanalysis.hosts.price import parse_price
    from zcanalysis.io.recording import read_recording
    from zcanalysis.patches import parse_patch
    from zcanalysis.whatif import predict_document

    check_link(link_gbps)
    if not patch and not price:
        raise ZcError("predict needs a --patch or a --price")
    chosen, set_prices = [parse_patch(text) for text in patch or ()], dict(map(parse_price, price or ()))
    with progress() as on_step:
        read = read_recording(recording, perf)
        machine = _machine(read, calibration, kept=calibrated)
        document = predict_document(answered(read, link_gbps, on_step, machine), chosen, set_prices)
    if as_json:
        print_json(document)
        return
    from zcanalysis.prediction_text import print_prediction

    print_prediction(document)


@app.command()
def sweep(
    recording: Folder,
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

    check_link(link_gbps)
    chosen = parse_sweep(patch)
    with progress() as on_step:
        read = read_recording(recording, perf)
        answer = answered(read, link_gbps, on_step, _machine(read, calibration, kept=calibrated))
        on_step("sweep")
        document = sweep_document(answer, swept(answer, chosen))
    if as_json:
        print_json(document)
        return
    from zcanalysis.prediction_text import print_sweep

    print_sweep(document)


app.command()(convert)
app.command()(export)


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

    with progress() as on_step:
        options = RecordOptions(
            device=device,
            plan=default_plan(seconds, capture=capture, trace=trace),
            command=tuple(command or ()),
            label=label,
            sampling_hz=sampling_hz,
            on_progress=lambda phase, share: on_step(f"{phase} ({share:.0%})"),
        )
        made = make_recording(directory, options)
    print_written(made)


@app.command()
def advise(
    recording: Annotated[
        Path | None, typer.Argument(parser=here_or_shipped, help="A recording folder; or name a device with --live.")
    ] = None,
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
    with progress() as on_step:
        if live is not None:
            said = advising.live(live, seconds, on_step)
        elif verify is not None:
            said = advising.verify(verify, seconds, on_step)
        else:
            said = advising.recorded(recording) if recording is not None else advising.ledger()
    if as_json:
        print_json(said.document)
    else:
        said.show()
    if said.complaint:
        _fail(said.complaint, BAD_INPUT)


app.command()(notebook)


def _machine(recording: "Recording", file: Path | None, *, kept: bool) -> "MachinePrices | None":
    """Prices of the recording's machine, where they are asked for."""
    from zcanalysis.prices.machine_file import kept_machine_prices, read_machine_prices

    if file is not None:
        return read_machine_prices(file)
    return kept_machine_prices(recording.host.kernel, recording.host.cpu_model) if kept else None
