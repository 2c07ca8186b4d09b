"""`flows`: a capture's connections, of the whole file, or anew while it grows."""

from pathlib import Path
from typing import Annotated

import typer

from zcanalysis.cli_parts import Json, complain, print_json, print_table, progress
from zcanalysis.errors import TraceError, ZcError
from zcanalysis.output import write
from zcanalysis.shipped import here_or_shipped


def flows(
    capture: Annotated[Path, typer.Argument(parser=here_or_shipped, help="A capture, or a recording that holds one.")],
    as_json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    limits: Annotated[
        bool,
        typer.Option(
            "--limits", help="Also what limited each direction most of its time; takes almost three times as long."
        ),
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Print anew as the capture grows, until Ctrl-C.")] = False,
    idle: Annotated[
        float | None, typer.Option(min=0, help="With --follow: end when nothing was added for so many seconds.")
    ] = None,
) -> None:
    """List the capture's connections, one row a direction, and what TCP did in each."""
    if as_json and csv:
        raise ZcError("--json and --csv exclude each other")
    if idle is not None and not follow:
        raise ZcError("--idle is for --follow")
    if limits and follow:
        raise ZcError("--limits needs the whole capture, and --follow has only what is there so far")
    if follow:
        _follow(capture, idle, as_json=as_json, csv=csv)
    else:
        _flows(capture, limits=limits, as_json=as_json, csv=csv)


def _follow(capture: Path, idle: float | None, *, as_json: bool, csv: bool) -> None:
    from zcanalysis.cli_follow import followed_flows

    table = followed_flows(capture, idle, shown=not (as_json or csv))
    if as_json or csv:
        print_table({"flows": table}, as_json=as_json, csv=csv)
        return
    from zcanalysis.terminal import print_flows

    print_flows(table)


def _flows(capture: Path, *, limits: bool, as_json: bool, csv: bool) -> None:
    from zcanalysis.io.capture_damage import Damage
    from zcanalysis.io.recording import read_recording
    from zcanalysis.wire.accounts import flows_and_sides, with_sides
    from zcanalysis.wire.flow_limits import flows_sides_and_limits
    from zcanalysis.wire.socket_counts import sockets

    read = read_recording(capture)
    if read.packets is None:
        raise TraceError(f"{capture}: holds no capture; flows needs a pcap or pcapng file")
    with progress() as on_step:
        on_step("capture")
        damage, packets = Damage(), read.packets
        if limits:
            table, sides = flows_sides_and_limits(packets, damage)
        else:
            table, sides = flows_and_sides(packets if read.capture is None else read.capture, damage)
    if damage.words is not None:
        complain(f"{capture}: {damage.words}")
    counted = sockets(read, table)
    if as_json:
        print_json({"flows": with_sides(table, sides).to_dicts(), "sockets": counted.to_dicts()})
        return
    if csv:
        write(with_sides(table, sides).write_csv())
        return
    from zcanalysis.terminal import print_flows, print_limited, print_sides, print_sockets

    print_flows(table)
    if limits:
        print_limited(table)
    print_sides(sides)
    print_sockets(counted)
