"""The commands of `zcanalysis lab`: real transfers, what patches do to them, and what this machine's work costs."""

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from zcanalysis.cli_parts import Capture, Hz, Json, Trace, print_json, print_written, progress
from zcanalysis.errors import ZcError
from zcanalysis.lab.scenarios import BASELINE, SCENARIOS
from zcanalysis.output import printable, write
from zcanalysis.shipped import here_or_shipped

GENERATED_NAMES: Final = ("quadrics", "quadrics-quick-driver", "quadrics-summed", "host-2002", "host-2002-kleen")
SCENARIO_NAMES: Final = ", ".join(scenario.name for scenario in SCENARIOS)

lab_app = typer.Typer(no_args_is_help=True, help="Real transfers between two network namespaces of this machine.")


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
    with progress() as on_step:
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
    print_written(made)


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
    with progress() as on_step:

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
    print_json(document) if as_json else validating.show(document)


@lab_app.command("generate")
def lab_generate(
    directory: Annotated[Path, typer.Option("-o", "--output", help="Folder of the recording; made, or empty.")],
    scenario: Annotated[str, typer.Option(help=f"One of {', '.join(GENERATED_NAMES)}.")] = GENERATED_NAMES[0],
) -> None:
    """Write the recording that a host of the model would have made, labelled as generated; needs no root."""
    from zcanalysis.lab.generating import generate

    with progress() as on_step:
        on_step("generating")
        made = generate(scenario, directory)
    print_written(made)


@lab_app.command("show")
def lab_show(
    directory: Annotated[
        Path, typer.Argument(parser=here_or_shipped, help="What `lab validate` wrote, or its validation.json.")
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="HTML page to write, with the chart.")] = None,
    as_json: Json = False,
) -> None:
    """Show a finished validation again, worst misses first; nothing is measured."""
    from zcanalysis import validating

    document = validating.finished(directory)
    if output is not None:
        validating.write_page(document, output)
    print_json(document) if as_json else validating.show(document)


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
    with progress() as on_step:
        machine, file = calibrated_machine(
            output, mtus, again=again, on_progress=lambda what, share: on_step(f"{what} ({share:.0%})")
        )
    if as_json:
        print_json(machine_document(machine))
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
    with progress() as on_step:
        options = EffectOptions(rounds=rounds, on_progress=on_step)
        effects = [probe_effect(each, options) for each in chosen]
    write(markdown(effects))
    if output is not None:
        output.write_text(json.dumps(effects_document(effects, options), indent=1) + "\n")


def _check_writable(file: Path) -> None:
    """Fail before minutes of measuring; what the file holds stays, and no empty one is left."""
    there = file.exists()
    with file.open("a"):
        pass
    if not there:
        file.unlink()
