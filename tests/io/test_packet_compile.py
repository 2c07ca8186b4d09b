"""Machine code that is kept is never stale, and nothing fails where it cannot be kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zcanalysis
from tests import builders as make

PROBE = """
import numpy as np
from zcanalysis.io.packet_bytes import Bytes, u16
from zcanalysis.io.packet_compile import compiled

@compiled
def probe(block: Bytes) -> int:
    return u16(block, 0)
"""
CALL = (
    "from zcanalysis.io.packet_probe import probe; import numpy as np; "
    "print(probe(np.array([1, 2], np.uint8)), sum(probe.stats.cache_hits.values()))"
)
READ = (
    "from zcanalysis.io.pcap import scan_pcap; from zcanalysis.io.packet_decode import decode; "
    "print(scan_pcap('capture.pcap').select('seq').collect().item(), decode.stats.cache_path)"
)


@pytest.fixture
def package(tmp_path) -> Path:
    """A copy of the sources, without anything compiled."""
    place = tmp_path / "zcanalysis"
    shutil.copytree(Path(zcanalysis.__file__).parent, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def run(script: str, folder: Path, cache: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(cache)}
    environment |= {"NUMBA_CACHE_DIR": str(cache), "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_an_edit_of_a_called_function_in_another_file_reaches_the_caller(package):
    (package / "io" / "packet_probe.py").write_text(PROBE)
    folder, cache, callee = package.parent, package.parent / "kept", package / "io" / "packet_bytes.py"
    assert [run(CALL, folder, cache) for _ in range(2)] == ["258 0", "258 1"]
    text = callee.read_text()
    callee.write_text(
        text.replace("(u8(block, at) << 8) | u8(block, at + 1)", "u8(block, at) | u8(block, at + 1) << 8")
    )
    assert callee.read_text() != text
    assert [run(CALL, folder, cache) for _ in range(2)] == ["513 0", "513 1"]


def test_a_file_that_is_not_imported_changes_nothing(package):
    from zcanalysis import machine_code
    from zcanalysis.io import packet_compile

    digest = machine_code.sources_digest(Path(packet_compile.__file__).with_name("packet_decode.py"))
    assert digest != machine_code.sources_digest(Path(packet_compile.__file__).with_name("packet_link.py"))
    script = (
        "from pathlib import Path; from zcanalysis.machine_code import sources_digest; "
        f"print(sources_digest(Path({str(package / 'io' / 'packet_decode.py')!r})))"
    )
    (package / "io" / "perf.py").write_text("")
    assert run(script, package.parent, package.parent / "kept") == digest
    (package / "io" / "packet_faults.py").write_text("")
    assert run(script, package.parent, package.parent / "kept") != digest


def test_reading_works_where_neither_package_nor_cache_can_be_written(package):
    # regular files stand where the folders would be made, which stops even root
    cache = package.parent / "kept"
    cache.write_text("")
    (package / "io" / "__pycache__").write_text("")
    make.saved(package.parent, make.pcap([make.ethernet(make.ipv4(make.tcp(seq=77)))]))
    assert run(READ, package.parent, cache) == "77 None"
