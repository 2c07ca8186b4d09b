"""The file of a calibrated machine: JSON in the user's cache, or where it is told. Anybody may have written it."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from zcanalysis.errors import HostError, ImpossibleHostError, TraceError
from zcanalysis.hosts import Price
from zcanalysis.hosts.price import MOST
from zcanalysis.io.json_file import read_json
from zcanalysis.prices.machine import UNITS, CopyRate, LoadStep, MachinePrice, MachinePrices

SCHEMA: Final = "zcanalysis machine prices"
VERSION: Final = 1
MOST_ROWS: Final = 1000
LONGEST_TEXT: Final = 500
SMALLEST_MTU, LARGEST_MTU = 68, 65_535
MOST_RING_BYTES: Final = 1 << 40
MOST_CPU: Final = 1 << 16
KINDS: Final = ("user", "kernel")
ROWS: Final = ("prices", "checks")


def machine_document(machine: MachinePrices) -> dict[str, Any]:
    """What is written, and what `lab calibrate --json` prints.

    Parameters
    ----------
    machine
        What was found.
    """
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "kernel": machine.kernel,
        "cpu_model": machine.cpu_model,
        "made": machine.made,
        "prices": [_row(one) for one in machine.prices],
        "checks": [_row(one) for one in machine.checks],
        "copies": [rate._asdict() for rate in machine.copies],
        "loads": [_load_row(step) for step in machine.loads],
        "notes": list(machine.notes),
    }


def _row(one: MachinePrice) -> dict[str, Any]:
    price = one.price
    return {
        "price": one.name, "mtu": one.mtu, "value": price.value, "low": price.low, "high": price.high,
        "per": UNITS[one.name], "origin": price.origin, "source": price.source,
    }  # fmt: skip


def write_machine_prices(machine: MachinePrices, file: Path) -> None:
    """Write the file in one step, its folder too.

    Parameters
    ----------
    machine, file
        What, and where; what was there is replaced.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(json.dumps(machine_document(machine), indent=1, allow_nan=False) + "\n")
        Path(unfinished).replace(file)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def read_machine_prices(file: Path) -> MachinePrices:
    """What a file says of its machine.

    Parameters
    ----------
    file
        As `write_machine_prices` leaves it.

    Raises
    ------
    TraceError
        If it is unreadable, of another kind or version, or a value cannot be.
    """
    document = read_json(file)
    try:
        return _machine(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, ImpossibleHostError) as error:
        said = f"has no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
        raise TraceError(f"{file}: is no calibration of a machine: {said}") from error


def _machine(document: Mapping[str, Any]) -> MachinePrices:
    if document.get("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA!r}; make one with: zcanalysis lab calibrate")
    if document["version"] != VERSION:
        raise ValueError(f"it is of version {str(document['version'])[:20]}, this reads {VERSION}")
    prices, checks = (tuple(map(_price, _rows(document, name))) for name in ROWS)
    if not prices:
        raise ValueError("it holds no price")
    return MachinePrices(
        kernel=_text(document["kernel"]),
        cpu_model=_text(document["cpu_model"]),
        made=_text(document["made"]),
        prices=prices,
        checks=checks,
        copies=tuple(map(_copy, _rows(document, "copies"))),
        loads=tuple(map(_load, _rows(document, "loads"))),
        notes=tuple(map(_text, _rows(document, "notes"))),
    )


def _rows(document: Mapping[str, Any], name: str) -> list[Any]:
    rows = document[name]
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        raise ValueError(f"{name} must be a list of at most {MOST_ROWS} rows")
    return rows


def _price(row: Mapping[str, Any]) -> MachinePrice:
    name = _text(row["price"])
    if name not in UNITS:
        raise ValueError(f"{name[:40]!r} is no price that can be calibrated")
    price = Price(row["value"], row["low"], row["high"], "calibrated", _text(row["source"]))
    return MachinePrice(name, price, None if row["mtu"] is None else _whole(row["mtu"], SMALLEST_MTU, LARGEST_MTU))


def _copy(row: Mapping[str, Any]) -> CopyRate:
    price = Price(row["ns_per_byte"], row["low"], row["high"], "calibrated")
    if row["kind"] not in KINDS:
        raise ValueError(f"kind of a copy must be {' or '.join(KINDS)}, got {str(row['kind'])[:40]!r}")
    return CopyRate(row["kind"], _whole(row["ring_bytes"], 1, MOST_RING_BYTES), price.value, price.low, price.high)


def _load_row(step: LoadStep) -> dict[str, Any]:
    return step._asdict() | {"busy": {str(cpu): share for cpu, share in step.busy.items()}}


def _load(row: Mapping[str, Any]) -> LoadStep:
    if len(row["busy"]) > MOST_ROWS:
        raise ValueError(f"busy must name at most {MOST_ROWS} CPUs")
    busy = {_whole(int(cpu), 0, MOST_CPU): _number(share) for cpu, share in row["busy"].items()}
    return LoadStep(
        configuration=_text(row["configuration"]),
        mtu=_whole(row["mtu"], SMALLEST_MTU, LARGEST_MTU),
        gbps=_number(row["gbps"]),
        packets_per_s=_number(row["packets_per_s"]),
        interrupts_per_s=_number(row["interrupts_per_s"]),
        busy=busy,
    )


def _number(value: Any) -> float:  # noqa: ANN401 - whatever JSON held
    if type(value) not in (int, float) or not 0 <= value <= MOST:
        raise ValueError(f"{str(value)[:40]} is no number of 0 to {MOST:g}")
    return float(value)


def _whole(value: Any, least: int, most: int) -> int:  # noqa: ANN401 - whatever JSON held
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{str(value)[:40]} is no whole number of {least} to {most}")
    return value


def _text(value: Any) -> str:  # noqa: ANN401 - whatever JSON held
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError(f"{str(value)[:40]!r} is no text of at most {LONGEST_TEXT} characters")
    return value.encode("utf-8", "replace").decode("utf-8")  # JSON may hold halves of surrogate pairs


def cache_file(kernel: str, cpu_model: str) -> Path:
    """Where the prices of a kernel and a CPU are kept, by the XDG base directory specification.

    Parameters
    ----------
    kernel, cpu_model
        As host.json names them.

    Raises
    ------
    HostError
        If neither XDG_CACHE_HOME nor a home directory is known.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        place = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise HostError("no directory to keep prices in: set HOME or XDG_CACHE_HOME, or name a file with -o") from error
    key = hashlib.sha256(f"{kernel}\n{cpu_model}".encode("utf-8", "replace")).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", kernel)[:60]
    return place / "zcanalysis" / f"machine-{readable}-{key}.json"


def kept_machine_prices(kernel: str | None, cpu_model: str | None) -> MachinePrices:
    """What is kept of a machine.

    Parameters
    ----------
    kernel, cpu_model
        As a recording names them.

    Raises
    ------
    TraceError
        If the recording does not name them, nothing is kept, or what is kept is damaged.
    HostError
        If no directory is known.
    """
    if kernel is None or cpu_model is None:
        raise TraceError("the recording does not say its kernel and CPU: name a calibration with --calibration FILE")
    file = cache_file(kernel, cpu_model)
    if not file.exists():
        raise TraceError(
            f"no prices of kernel {kernel[:60]!r} on {cpu_model[:60]!r} are kept; on that machine run: "
            "zcanalysis lab calibrate"
        )
    return read_machine_prices(file)
