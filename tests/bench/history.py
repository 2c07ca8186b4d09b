"""How the key figures moved: a line in history.jsonl for each whole run of `make bench`; `make bench-history` shows it.

Kept are ratios only, ours over a peer's in the same run: times alone tell of the machine and of what else it did. A
benchmark gives its figures to `note`, from whatever process it is; run alone, it leaves no line.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

FILE: Final = Path(__file__).with_name("history.jsonl")
NOTES: Final = "ZCANALYSIS_BENCH_NOTES"
SHOWN: Final = 6
DIGITS: Final = 3
BUSY: Final = 2.0
"""Load for each CPU: the benchmarks alone keep all of them busy."""


def note(figure: str, ratio: float) -> None:
    """Keep a figure of this run, where a whole run asks for it.

    Parameters
    ----------
    figure
        What over what, the same words every time.
    ratio
        Without unit; whether more is better, the words say.
    """
    if place := os.environ.get(NOTES):
        with Path(place).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps([figure, ratio]) + "\n")


@contextmanager
def one_run(file: Path = FILE) -> Iterator[None]:
    """What is noted inside becomes one line of the file, if nothing fails."""
    with TemporaryDirectory() as folder:
        notes = Path(folder) / "notes.jsonl"
        os.environ[NOTES] = str(notes)
        run = {"commit": commit(), "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
        before = os.getloadavg()[0]
        try:
            yield
        finally:
            del os.environ[NOTES]
        ratios = {figure: float(f"{ratio:.{DIGITS}g}") for figure, ratio in _lines(notes)}
    load = round(max(before, os.getloadavg()[0]), 1)
    with file.open("a", encoding="utf-8") as history:
        history.write(json.dumps(run | {"load": load, "ratios": ratios}) + "\n")


def commit() -> str:
    """The commit that was measured, with a plus where files differ from it; unknown outside git."""
    asked = ["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+"]
    said = subprocess.run(asked, cwd=FILE.parent, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def machine() -> dict[str, str | int]:
    """What the ratios may depend on; no name of a host or user."""
    facts = (line.partition(": ") for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines())
    models = (value for name, _, value in facts if name.startswith("model name"))
    libraries = {name: version(name) for name in ("numpy", "polars", "numba")}
    return {
        "cpu": next(models, platform.machine()),
        "cpus": os.cpu_count() or 1,
        "kernel": platform.release(),
        "python": platform.python_version(),
    } | libraries


def shown(runs: Sequence[Mapping[str, Any]]) -> str:
    """The last runs beside each other, a line a figure, and how far the last is from the one before."""
    last = runs[-SHOWN:]
    lines = [f"{'run':>4}  date        commit       load  machine"]
    for number, run in enumerate(last, len(runs) - len(last) + 1):
        had = run["machine"]
        where = f"{had['cpu']}, {had['cpus']} CPUs, Linux {had['kernel']}, Python {had['python']}"
        lines.append(f"{number:4}  {run['date']}  {run['commit']:11} {run['load']:5.1f}  {where}")
    figures = dict.fromkeys(figure for run in reversed(last) for figure in run["ratios"])
    width = max(map(len, figures), default=0)
    for figure in figures:
        ratios = [run["ratios"].get(figure) for run in last]
        columns = "".join(f"{'-' if ratio is None else format(ratio, ',.4g'):>9}" for ratio in ratios)
        lines.append(f"{figure:{width}} {columns} {_moved(ratios)}".rstrip())
    if any(run["load"] > BUSY * run["machine"]["cpus"] for run in last):
        lines.append("a load above the CPUs: other work took part, what uses several CPUs comes out too low")
    return "\n".join(lines)


def _moved(ratios: Sequence[float | None]) -> str:
    before, now = (*[None, None], *ratios)[-2:]
    return "" if not before or now is None else f"{now / before - 1:+8.0%}"


def _lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def main() -> None:
    """Print what is known."""
    print(shown(_lines(FILE)))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
