"""Distributions put into a folder as an installer does, without network: a module and its dist-info."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLE = Path(__file__).parent / "example_project"
PATCHES, STAGE_MAPS, READERS = "zcanalysis.patches", "zcanalysis.stage_maps", "zcanalysis.readers"


def install_example(folder: Path) -> Path:
    """The example project, as its pyproject.toml describes it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    module = (EXAMPLE / "zcanalysis_acme.py").read_text()
    return install(folder, project["name"], project["entry-points"], zcanalysis_acme=module, version=project["version"])


def install(
    folder: Path, name: str, points: Mapping[str, Mapping[str, str]], *, version: str = "1.0", **modules: str
) -> Path:
    """A distribution with entry points (group, name, object) and the text of its modules; where it lies."""
    for module, text in modules.items():
        folder.mkdir(exist_ok=True)
        (folder / f"{module}.py").write_text(text)
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = (
        "\n".join([f"[{group}]", *(f"{one} = {of}" for one, of in some.items())]) for group, some in points.items()
    )
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    return folder


def run(site: Path | None, *words: object, python: bool = False) -> subprocess.CompletedProcess[str]:
    """The command (or Python code) in a process of its own, with what lies in that folder installed."""
    start = ["-c"] if python else ["-m", "zcanalysis"]
    environment = os.environ | ({} if site is None else {"PYTHONPATH": str(site)})
    return subprocess.run(
        [sys.executable, *start, *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300, env=environment,
    )  # fmt: skip


def told(site: Path | None, *words: object) -> dict:
    """The JSON that a command prints; nothing went wrong."""
    done = run(site, *words, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)
