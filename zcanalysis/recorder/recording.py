"""One recording from start to end: phases, their probes, and the files that remain."""

import contextlib
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from zcanalysis.errors import HostError
from zcanalysis.recorder import probes
from zcanalysis.recorder.affinity import out_of_the_readers_way
from zcanalysis.recorder.between_windows import read_distance, read_driver
from zcanalysis.recorder.capture_file import FILE_HEADER_BYTES
from zcanalysis.recorder.clocks import EpochClock, read_clock_pair
from zcanalysis.recorder.cpu_distance import CpuDistance
from zcanalysis.recorder.host_document import write_host
from zcanalysis.recorder.host_facts import device_facts, find_device, machine_facts, shown_name, tool_versions
from zcanalysis.recorder.interruption import interruptions_held_back, terminated_like_interrupted
from zcanalysis.recorder.plan import PACKETS, PERF, TCPDUMP, TRACE, Phase, RecordOptions, Turn
from zcanalysis.recorder.processes import comm_of, describe_process, socket_owners, softirq_threads
from zcanalysis.recorder.run_state import Probe, Run
from zcanalysis.recorder.sampling import Sampler, counters_table, default_sources, sender_source
from zcanalysis.recorder.sender_sockets import senders_netlink
from zcanalysis.recorder.sockets import TcpSocket, dump_sockets, moved_bytes, parse_sockets
from zcanalysis.recorder.tracing import TraceProbe, batch_filters, packet_filters, why_tracing_cannot_run
from zcanalysis.tables import COUNTERS, parquet_metadata

BEFORE: Final = Turn("before")
AFTER: Final = Turn("after")
MOST_OWNERS: Final = 16
GROWTH_SECONDS: Final = 0.1
# for the transfer to recover from what we just did, before a window opens: a process started, or nothing but a probe
# let go or held back
SETTLE_SECONDS: Final = 0.25
SHORT_SETTLE_SECONDS: Final = 0.1


def record(directory: Path, options: RecordOptions | None = None) -> Path:
    """Record a transfer that is already running, or a command; what was seen stays in `directory`.

    Parameters
    ----------
    directory
        Where the recording goes; made if it does not exist, must be empty.
    options
        Device, phases, command; the default watches the busiest device for 10 s.

    Returns
    -------
    Path
        The directory, holding counters.parquet, host.json and what the probes gave.

    Raises
    ------
    HostError
        If the directory is not empty, the device is absent or down, the command cannot be started or fails
        (what was recorded is kept), or `strict` is set and a probe cannot run here.
    """
    options = options or RecordOptions()
    claim_directory(directory)
    if options.device is not None:
        find_device(options.device)
    plan, notes = _possible_phases(options)
    command: probes.Child | None = None
    try:
        with terminated_like_interrupted():
            with interruptions_held_back():
                command = _start_command(options)
            run = _prepare(directory, options, command, notes)
            with out_of_the_readers_way(run.readers), CpuDistance() as run.distance:
                try:
                    _run_phases(run, plan)
                finally:
                    _finish(run)
            _await_command(run)
    except BaseException:
        _stop_command(command)
        raise
    return directory


def claim_directory(directory: Path) -> None:
    """Make the directory of a recording.

    Raises
    ------
    HostError
        If there is something in it, or it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        occupied = any(directory.iterdir())
    except OSError as error:
        raise HostError(f"{directory}: cannot be used for a recording: {error.strerror or error}") from error
    if occupied:
        raise HostError(f"{directory}: is not empty; a recording never overwrites, name a new directory")


def _possible_phases(options: RecordOptions) -> tuple[list[Phase], list[str]]:
    """The phases whose probes can run here, and one line for each that cannot."""
    wanted = {probe for phase in options.plan for probe in phase.probes}
    reasons = {
        PERF: probes.why_perf_cannot_run() if PERF in wanted else None,
        TCPDUMP: probes.why_tcpdump_cannot_run() if TCPDUMP in wanted else None,
    } | dict.fromkeys((TRACE, PACKETS), why_tracing_cannot_run() if {TRACE, PACKETS} & wanted else None)
    plan: list[Phase] = []
    notes: list[str] = []
    for phase in options.plan:
        why = next((reasons[probe] for probe in phase.probes if reasons[probe]), None)
        if why is None:
            plan.append(phase)
        elif options.strict:
            raise HostError(f"phase {phase.name} is impossible: {why}")
        elif (note := f"phase {phase.name}: {why}") not in notes:
            notes.append(note)
    return plan, notes


def _start_command(options: RecordOptions) -> probes.Child | None:
    """The command, its standard output sent to standard error: ours belongs to whoever reads our answer."""
    if not options.command:
        return None
    return probes.spawn(options.command, stdout=2)


def _prepare(directory: Path, options: RecordOptions, command: probes.Child | None, notes: list[str]) -> Run:
    if command is not None:
        time.sleep(options.warmup_seconds)
    device = find_device(options.device)
    clock = EpochClock()
    facts = machine_facts() | device_facts(device) | {"tools": tool_versions()}
    addresses: tuple[str, ...] | None = facts["addresses"]
    pids: list[int] = []
    netlink = senders_netlink(options.sender_pids)
    sampler = Sampler(clock, default_sources(addresses, pids) + ([] if netlink is None else [sender_source(netlink)]))
    run = Run(directory, options, clock, facts, sampler, command=command, missing=list(notes), pids=pids)
    run.netlink = netlink
    if addresses is None:
        run.note(f"the addresses of {shown_name(device)} are unknown: no sockets are recorded")
    elif not addresses:
        run.note(f"{shown_name(device)} has no address: sockets of the whole namespace are recorded")
    _find_processes(run, addresses)
    return run


def _find_processes(run: Run, addresses: tuple[str, ...] | None) -> None:
    """Whose CPU time to follow: owners of the busiest sockets, named senders, ksoftirqd, ourselves."""
    busiest = [] if addresses is None else _busiest_sockets(addresses)
    run.owners = socket_owners([connection.inode for connection in busiest])
    received = {s.inode for s in busiest if s.counters.get("bytes_received", 0) > s.counters.get("bytes_acked", 0)}
    run.readers = {pid for inode in received for pid in run.owners.get(inode, ())}
    owners = {pid for pids in run.owners.values() for pid in pids}
    run.pids.extend(sorted(owners | set(run.options.sender_pids) | set(softirq_threads()) | {os.getpid()}))
    for pid in run.pids:
        if described := describe_process(pid):
            run.described[pid] = described


def _busiest_sockets(addresses: tuple[str, ...]) -> list[TcpSocket]:
    """The connections that move most right now; old ones may have moved more in all their life."""
    with contextlib.suppress(OSError):
        before = {s.identity: moved_bytes(s) for s in parse_sockets(dump_sockets())}
        time.sleep(GROWTH_SECONDS)
        sockets = [s for s in parse_sockets(dump_sockets()) if not addresses or s.local in addresses]
        return sorted(sockets, key=lambda s: moved_bytes(s) - before.get(s.identity, 0), reverse=True)[:MOST_OWNERS]
    return []


def _run_phases(run: Run, plan: list[Phase]) -> None:
    total_seconds = sum(phase.seconds for phase in plan)
    done_seconds = 0.0
    run.sampler.sample(BEFORE)
    try:
        for number, phase in enumerate(plan):
            turn = Turn(phase.name, sum(earlier.name == phase.name for earlier in plan[:number]))
            _progress(run, phase.name, done_seconds / total_seconds)
            if run.command_ended():
                run.note(f"phase {phase.name}: the command had ended")
                continue
            try:
                _run_phase(run, phase, turn)
            except KeyboardInterrupt:
                run.note(f"phase {phase.name}: interrupted")
                raise
            _stop_probes(run, {name for later in plan[number + 1 :] for name in later.probes})
            done_seconds += phase.seconds
    finally:
        _stop_probes(run, set())
    run.sampler.sample(AFTER)
    _progress(run, "done", 1.0)


def _progress(run: Run, name: str, share: float) -> None:
    if run.options.on_progress is not None:
        run.options.on_progress(name, share)


def _run_phase(run: Run, phase: Phase, turn: Turn) -> None:
    """Let the probes look, open the window, close it, hold the probes back."""
    window: dict[str, Any] = {"name": turn.phase, "repeat": turn.repeat, "from_ns": 0, "to_ns": 0}
    settle_seconds = _settle_seconds(run, phase)
    try:
        for name in phase.probes:
            _begin_probe(run, name, turn)
        read_driver(run, turn)
        read_distance(run, turn)
        time.sleep(settle_seconds)
        _sample_window(run, phase, turn, window)
        read_driver(run, turn)
    except HostError as error:
        run.note(f"phase {phase.name}: {error}")
    finally:
        with contextlib.ExitStack() as pausing:
            for probe in (run.probing[name] for name in phase.probes if name in run.probing):
                pausing.callback(probe.pause, window["from_ns"], window["to_ns"])
        if window["to_ns"]:
            run.windows.append(window)
            if TCPDUMP in phase.probes:
                _shorten_to_capture(run, window)


def _settle_seconds(run: Run, phase: Phase) -> float:
    """How long the transfer may recover; events of packets begin at once: nobody reads a rate from them."""
    if PACKETS in phase.probes:
        return 0
    return SHORT_SETTLE_SECONDS if run.windows and set(phase.probes) <= set(run.probing) else SETTLE_SECONDS


def _begin_probe(run: Run, name: str, turn: Turn) -> None:
    """Let a probe look, started first where it is not there yet; it is known, to be stopped, once it exists."""
    if name not in run.probing:
        with interruptions_held_back():
            run.probing[name] = _spawned(run, name)
    probe = run.probing[name]
    try:
        probe.begin()
    except HostError:
        _stop_probes(run, set(run.probing) - {name})
        raise
    if not isinstance(probe, TraceProbe) and probe.pid not in run.pids:
        run.pids.append(probe.pid)
        run.probe.setdefault(name, []).append({"pid": probe.pid, "comm": comm_of(probe.pid), "phase": turn.phase})


def _spawned(run: Run, name: str) -> Probe:
    longest_seconds = sum(phase.seconds + SETTLE_SECONDS for phase in run.options.plan)
    if name == TCPDUMP:
        return probes.TcpdumpProbe.spawned(run.directory, run.facts["device"], longest_seconds)
    if name == TRACE:
        return TraceProbe.spawned(run.directory / "trace.txt", batch_filters())
    if name == PACKETS:
        return TraceProbe.spawned(run.directory / "packets.txt", packet_filters(run.facts["device"]))
    return probes.PerfProbe.spawned(run.directory / "perf.data", run.options.sampling_hz, longest_seconds)


def _stop_probes(run: Run, still_needed: set[str]) -> None:
    """End the probes that no later phase needs, each even when stopping another is interrupted."""
    with contextlib.ExitStack() as stopping:
        for name in set(run.probing) - still_needed:
            probe = run.probing.pop(name)
            stopping.callback(_account_probe, run, name, probe)
            stopping.callback(probe.stop)


def _sample_window(run: Run, phase: Phase, turn: Turn, window: dict[str, Any]) -> None:
    """Read counters at the start, at 10 Hz, and at the end, also of an interrupted phase; all inside the window."""
    cpu_ns, from_ns = time.process_time_ns(), run.clock.now_ns()
    run.sampler.sample(turn)
    try:
        run.sampler.keep_sampling(turn, from_ns + int(phase.seconds * 1e9), run.command_ended)
        if run.command_ended():
            run.note(f"phase {phase.name}: the command ended before the phase did")
    finally:
        run.sampler.sample(turn)
        window |= {"from_ns": from_ns, "to_ns": run.clock.now_ns()}
        run.sampler_cpu_ns += time.process_time_ns() - cpu_ns
        run.sampler_wall_ns += window["to_ns"] - from_ns


def _account_probe(run: Run, name: str, probe: Probe) -> None:
    if isinstance(probe, TraceProbe):
        run.lost |= {"packet_events" if name == PACKETS else "trace_events": probe.lost_events}
        return
    if probe.pid in run.pids:
        run.pids.remove(probe.pid)
    if isinstance(probe, probes.TcpdumpProbe):
        received, dropped = probes.lost_packets(probes.probe_log(probe))
        run.lost |= {"capture_received_packets": received, "capture_dropped_packets": dropped}
    probe.log.close()
    Path(probe.log.name).unlink(missing_ok=True)


def _shorten_to_capture(run: Run, window: dict[str, Any]) -> None:
    """End the phase where its capture ended, if that was early."""
    probe = run.probing.get(TCPDUMP)
    if isinstance(probe, probes.TcpdumpProbe) and probe.ended_early:
        last_ns = max(probe.progress.last_ns, window["from_ns"])
        short_ms = (window["to_ns"] - last_ns) / 1e6
        window["to_ns"] = min(window["to_ns"], last_ns)
        run.note(f"phase {window['name']}: the capture ended {short_ms:.0f} ms early (packet cap)")


def _finish(run: Run) -> None:
    """Write what there is; conversions come last, so that an interruption costs only them."""
    run.last = read_clock_pair()
    if run.netlink is not None:
        run.netlink.close()
    run.counters = counters_table(run.sampler.readings)
    run.counters.write_parquet(
        run.directory / "counters.parquet", compression="zstd", metadata=parquet_metadata("counters", COUNTERS)
    )
    write_host(run)
    try:
        _convert_probe_files(run)
    finally:
        write_host(run)


def _convert_probe_files(run: Run) -> None:
    for leftover in run.directory.glob("*.log"):
        leftover.unlink()
    capture = run.directory / "capture.pcap"
    if capture.exists() and capture.stat().st_size <= FILE_HEADER_BYTES:
        capture.unlink()
        run.note("no capture.pcap.zst: tcpdump caught no packet")
    for file in (capture, run.directory / "trace.txt", run.directory / "packets.txt"):
        if file.exists():
            probes.compress_file(file)
    if (run.directory / "perf.data").exists():
        _convert_samples(run, run.directory / "perf.data")


def _convert_samples(run: Run, data: Path) -> None:
    text = run.directory / "perf.txt.zst"
    if not data.stat().st_size:
        data.unlink()
        run.note(f"no {text.name}: perf record wrote nothing")
        return
    try:
        counts = probes.write_perf_text(data, text)
    except HostError as error:
        run.note(str(error))
        return
    except KeyboardInterrupt:
        run.note(f"no {text.name}: its making was interrupted; {data.name} remains")
        raise
    run.lost |= {"perf_events": counts.events, "perf_chunks": counts.chunks}
    run.probe["idle_sampled_cpus"] = sorted(counts.idle_samples)
    note = probes.hidden_symbols_note()
    if note and counts.hidden_symbols:
        run.note(note)


def _stop_command(command: probes.Child | None) -> None:
    if command is not None:
        probes.end_child(command)


def _await_command(run: Run) -> None:
    """Let the command end by itself, for a while; the recording is already written."""
    if run.command is None:
        return
    name, grace_seconds = run.options.command[0], run.options.command_grace_seconds
    if not run.command_ended():
        _progress(run, f"recording finished, waiting for {name}", 1.0)
    try:
        status = run.command.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        _stop_command(run.command)
        run.note(f"{name} had not ended {grace_seconds:g} s after the last phase: we ended it")
        write_host(run)
        return
    if status != 0:
        raise HostError(f"{name}: failed with status {status}; recording kept in {run.directory}")
