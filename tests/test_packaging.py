"""What users install: the wheel holds all that commands, notebooks and cases read, and nothing of the workshop."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

import zcanalysis

ROOT = Path(__file__).parent.parent
RUBBISH = ("__pycache__", ".ipynb", ".pyc", ".DS_Store")


class Built(NamedTuple):
    """The two files, and the names in each."""

    wheel: Path
    in_wheel: set[str]
    in_sdist: set[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    """The source distribution of this checkout, and the wheel built from that, with what is installed here."""
    place = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", place, ROOT]
    subprocess.run(command, cwd=place, capture_output=True, text=True, check=True, timeout=120)
    (wheel,), (sdist,) = place.glob("*.whl"), place.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        in_sdist = {member.name.partition("/")[2] for member in packed.getmembers() if member.isfile()}
    return Built(wheel, set(zipfile.ZipFile(wheel).namelist()), in_sdist)


def files(folder: str) -> set[str]:
    """Files of a folder of the checkout, as names relative to its top, without what running leaves there."""
    found = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path) for path in found if not any(word in str(path) for word in RUBBISH)}


def test_the_wheel_holds_the_package_whole_with_its_data_recordings_and_notebooks(built):
    read = {name for name in files("notebooks") if not name.startswith("notebooks/images/draw")}
    along = {f"zcanalysis/shipped/{name}" for name in files("traces") | read}
    assert {name for name in built.in_wheel if ".dist-info/" not in name} == files("zcanalysis") | along
    assert {"zcanalysis/py.typed", "zcanalysis/report.html.j2"} <= built.in_wheel
    assert "zcanalysis/shipped/traces/veth-1500/counters.parquet" in built.in_wheel
    assert "zcanalysis/shipped/notebooks/01_quickstart.py" in built.in_wheel


def test_the_source_distribution_is_all_that_make_needs(built):
    wanted = {"pyproject.toml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    wanted |= files("zcanalysis") | files("traces") | files("notebooks") | files("tests") | files(".ci")
    assert built.in_sdist - {"PKG-INFO", ".gitignore"} == wanted


def test_the_version_is_the_same_everywhere(built):
    assert built.wheel.name.startswith(f"zcanalysis-{zcanalysis.__version__}-py3-")


def test_what_is_installed_finds_what_is_shipped_in_it(built, tmp_path):
    installed, elsewhere = tmp_path / "site-packages", tmp_path / "empty"
    elsewhere.mkdir()
    zipfile.ZipFile(built.wheel).extractall(installed)
    code = """
from pathlib import Path
import zcanalysis as zc
from zcanalysis.notebook_copies import copy_notebooks
kernel = zc.read_recording(zc.shipped_trace("veth-1500")).host.kernel
print(zc.__file__, kernel, len(copy_notebooks(Path("copies")).new))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=elsewhere, env={"PYTHONPATH": str(installed)},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    where, kernel, copied = done.stdout.split()
    assert Path(where).is_relative_to(installed)
    assert kernel == zcanalysis.read_recording(ROOT / "traces" / "veth-1500").host.kernel
    assert int(copied) == len(list((ROOT / "notebooks").glob("[0-9]*.py")))
