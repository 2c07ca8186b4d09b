"""One scenario on two machines from start to end, as `lab.trial` does it on one."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from zcanalysis.errors import HostError
from zcanalysis.lab.children import ending_with_us
from zcanalysis.lab.remote import wanted
from zcanalysis.lab.remote.ssh import FarProcess, Machine, answer, complaint, far_process, kept, machine_named
from zcanalysis.lab.scenarios import Scenario
from zcanalysis.lab.transfer import IPERF, OURS, PORT, Ends, Transfer, await_begin, hog_program, programs
from zcanalysis.lab.trial import LabOptions, await_recorder, complete, patience_seconds, recorder_document, tell
from zcanalysis.recorder.interruption import terminated_like_interrupted
from zcanalysis.recorder.recording import claim_directory

SLACK_SECONDS: Final = 60.0
DISMISSED_SECONDS: Final = 60.0
FETCH_SECONDS: Final = 120.0
CONNECT_MS: Final = 5000
MOST_BYTES: Final = 1 << 32
CONFIGURATION: Final = "lab_of_two_machines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Two machines, and the devices between them where somebody names them."""

    receiver: Machine
    sender: Machine
    devices: Sequence[str] = ()


def machines_named(hosts: str, device: str | None, python: str, config: Path | None) -> Machines:
    """Both machines, as the command line names them.

    Raises
    ------
    HostError
        If these are not two, or no names.
    """
    names = hosts.split(",")
    if len(names) != len(("receiver", "sender")):
        raise HostError(f"{hosts[:60]!r}: --hosts takes RECEIVER,SENDER")
    receiver, sender = (machine_named(name.strip(), python, config) for name in names)
    devices = tuple(device.split(",")) if device else ()
    return Machines(receiver=receiver, sender=sender, devices=devices)


class Site(NamedTuple):
    """Where a transfer runs: the machines, what joins them, a folder of ours, and how long it may last."""

    machines: Machines
    joint: wanted.Joined
    scratch: Path
    seconds: float


def run_on_machines(scenario: Scenario, directory: Path, options: LabOptions, machines: Machines) -> Path:
    """Record one scenario with a real transfer from one machine to another.

    Parameters
    ----------
    scenario
        How both are set while it runs.
    directory
        Where the recording goes; made if it does not exist, must be empty.
    options
        Phases and warm-up.
    machines
        Receiver and sender; root, with zcanalysis, joined by one IPv4 network.

    Returns
    -------
    Path
        As `run_scenario`; the configuration is `lab_of_two_machines` in host.json.

    Raises
    ------
    HostError
        If a machine cannot be reached, has not what the scenario needs, or a setting could not be put back.
    """
    wanted.refuse(scenario)
    tell(options, "asking both machines", 0.0)
    facts = {machine: answer(machine, "facts") for machine in (machines.receiver, machines.sender)}
    joint = required(scenario, machines, facts)
    claim_directory(directory)
    with terminated_like_interrupted(), tempfile.TemporaryDirectory(prefix="zc-lab-") as scratch:
        site = Site(machines, joint, Path(scratch), options.warmup_seconds + patience_seconds(options))
        tell(options, f"setting both machines as {scenario.name}", 0.1)
        with _set(site, scenario, facts[machines.receiver]) as folder, _transfer(site, scenario) as transfer:
            _recorded(site, (folder, directory), (scenario, options), transfer)
    tell(options, "done", 1.0)
    return directory


def required(scenario: Scenario, machines: Machines, facts: dict[Machine, dict[str, Any]]) -> wanted.Joined:
    """How both are joined; a `HostError` where they have not what the scenario needs."""
    reading = {cpu for cpu in (scenario.reader_cpu, scenario.rps_cpu, scenario.hog_cpu) if cpu is not None}
    wanted.require_machine(machines.receiver, facts[machines.receiver], reading)
    wanted.require_machine(machines.sender, facts[machines.sender], {scenario.sender_cpu})
    wanted.require_free_port(machines.receiver, facts[machines.receiver])
    return wanted.joined(facts[machines.receiver], facts[machines.sender], machines.devices)


@contextlib.contextmanager
def _set(site: Site, scenario: Scenario, facts: dict[str, Any]) -> Iterator[str]:
    """Both machines as the scenario says; the receiver's folder for the recording."""
    seconds = site.seconds + SLACK_SECONDS
    receiving = {
        "changes": wanted.receiver_settings(scenario, site.joint.receiver_device, facts),
        "devices": [site.joint.receiver_device], "seconds": seconds, "folder": True,
    }  # fmt: skip
    sending = {
        "changes": wanted.sender_settings(scenario, site.joint.sender_device),
        "devices": [site.joint.sender_device], "seconds": seconds,
    }  # fmt: skip
    with (
        kept(site.machines.receiver, receiving, site.scratch) as answered,
        kept(site.machines.sender, sending, site.scratch),
    ):
        yield str(answered["folder"])


@contextlib.contextmanager
def _transfer(site: Site, scenario: Scenario) -> Iterator[Transfer]:
    """Server and client, each on its machine and CPU, and the scenario's hogs."""
    far = site.machines
    ends = Ends(site.joint.address, (far.receiver.python, far.sender.python), parent=0)
    receiver, sender = programs(scenario, site.seconds, ends)
    own = scenario.has_own_traffic
    if not own:
        sender += ["--connect-timeout", str(CONNECT_MS)]
    with contextlib.ExitStack() as cleanup:
        sent, received = (
            cleanup.enter_context((site.scratch / f"{name}.json").open("w+b")) for name in ("client", "server")
        )

        def started(machine: Machine, arguments: list[str], output: Any, port: int | None = None) -> FarProcess:  # noqa: ANN401
            path = site.scratch / f"stderr-{len(list(site.scratch.iterdir()))}"
            orders = {"arguments": arguments, "seconds": site.seconds + SLACK_SECONDS, "listening": port}
            return cleanup.enter_context(far_process(machine, orders, output, path))

        server = started(far.receiver, receiver, received, None if own else PORT)
        client = started(far.sender, sender, sent)
        if own:
            await_begin((server, received), (client, sent))
        hogs: tuple[FarProcess, ...] = ()
        if scenario.hog_cpu is not None:
            program = hog_program(scenario.hog_cpu, far.receiver.python, 0)
            hogs = tuple(started(far.receiver, program, subprocess.DEVNULL) for _ in range(scenario.hogs))
        yield Transfer(server, client, sent, received, OURS if own else IPERF, hogs)


def _recorded(site: Site, folders: tuple[str, Path], how: tuple[Scenario, LabOptions], transfer: Transfer) -> None:
    """Let the receiver's machine record, bring it here and add what only the lab knows."""
    folder, (scenario, options) = folders[0], how
    time.sleep(options.warmup_seconds)
    tell(options, "recording", 0.2)
    try:
        _record(site, folder, options, transfer)
        tell(options, "ending the transfer", 0.8)
        load = transfer.finish()
    except BaseException:
        with contextlib.suppress(HostError):
            _brought_here(site, folders, (scenario, None), transfer)
        raise
    tell(options, "bringing the recording here", 0.9)
    _brought_here(site, folders, (scenario, load), transfer)


def _brought_here(
    site: Site, folders: tuple[str, Path], what: tuple[Scenario, dict[str, Any] | None], transfer: Transfer
) -> None:
    folder, directory = folders
    fetch(site.machines.receiver, folder, directory)
    complete(directory, *what, transfer)
    _as_seen_from_the_receiver(directory)


def _record(site: Site, folder: str, options: LabOptions, transfer: Transfer) -> None:
    machine = site.machines.receiver
    document = recorder_document(Path(folder, "recording"), options.plan, transfer) | {
        "device": site.joint.receiver_device, "sender_pids": [], "sampling_hz": options.sampling_hz,
    }  # fmt: skip
    orders = {
        "arguments": [machine.python, "-m", "zcanalysis.recorder"], "input": json.dumps(document),
        "seconds": site.seconds + SLACK_SECONDS, "heard": True,
    }  # fmt: skip
    with far_process(machine, orders, subprocess.DEVNULL, site.scratch / "recorder") as recorder:
        try:
            await_recorder(recorder, transfer, site.scratch, patience_seconds(options))
        except BaseException:
            recorder.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                recorder.wait(DISMISSED_SECONDS)
            raise
        if status := recorder.poll():
            raise complaint(machine, status, recorder.said)


def fetch(machine: Machine, folder: str, directory: Path) -> None:
    """Bring the files of a recording here; whatever else the archive holds is left out.

    Raises
    ------
    HostError
        If they cannot be had, or are more than 4 GiB.
    """
    command = machine.command(["tar", "-C", folder, "-cf", "-", "--", "recording"])
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            ending_with_us(["timeout", f"{FETCH_SECONDS:.0f}", *command]), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            unpack(child.stdout, directory)
        except tarfile.TarError as error:
            if child.wait(FETCH_SECONDS) == 0:
                raise HostError(f"{machine.host}: sends a damaged archive: {error}") from error
        finally:
            if child.stdout is not None:
                child.stdout.close()
            status = child.wait(FETCH_SECONDS)
        if status != 0:
            said.seek(0)
            raise complaint(machine, status, said.read().decode(errors="replace"))


def unpack(stream: Any, directory: Path) -> None:  # noqa: ANN401 - any binary stream
    """Write the regular files of an archive into a folder, by their last name alone."""
    total_bytes = 0
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            name = Path(member.name).name
            content = archive.extractfile(member) if member.isfile() and name not in ("", ".", "..") else None
            if content is None:
                continue
            total_bytes += member.size
            if total_bytes > MOST_BYTES:
                raise HostError(f"the recording is larger than {MOST_BYTES >> 30} GiB")
            with os.fdopen(os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as copy:
                shutil.copyfileobj(content, copy)
    for _ in iter(lambda: stream.read(1 << 16), b""):  # padding: ssh must not find nobody to give it to
        pass


def _as_seen_from_the_receiver(directory: Path) -> None:
    """The sender is no process of the recorded machine, and `lab` would say that it is."""
    path = directory / "host.json"
    if path.exists():
        host = json.loads(path.read_text())
        host["roles"]["sender"] = []
        host[CONFIGURATION] = host.pop("lab")
        path.write_text(json.dumps(host, indent=1, sort_keys=True) + "\n")
