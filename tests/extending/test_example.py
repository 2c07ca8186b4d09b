"""What another project brings works everywhere: in commands, functions, widgets and worker processes."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from tests.extending.installing import EXAMPLE, install_example, run, told
from zcanalysis.addresses import address_texts
from zcanalysis.io.pcap import scan_pcap

TRACES = Path(__file__).parents[2] / "traces"
CAPTURE = TRACES / "limits/window.first.pcap.zst"
COLUMNS = (
    "ts_ns", "wire_bytes", "ip_version", "src", "dst", "protocol", "src_port", "dst_port", "tcp_flags", "seq", "ack",
    "window_raw", "payload_bytes", "mss", "window_scale", "sack_permitted", "tsval", "tsecr",
)  # fmt: skip
SAMPLE = "swapper 0/0 [000] {second}.{tick}: 2000000 cpu-clock:\n{frames}\n"
POLL = ("{leaf}", "__napi_poll", "net_rx_action", "handle_softirqs", "asm_common_interrupt")


@pytest.fixture(scope="module")
def acme(tmp_path_factory):
    return install_example(tmp_path_factory.mktemp("site") / "packages")


@pytest.fixture(scope="module")
def tap(tmp_path_factory):
    """A shipped capture as ACME's tap would have written it."""
    packets = scan_pcap(CAPTURE).select(COLUMNS).collect()
    text = packets.with_columns(address_texts(packets["src"]), address_texts(packets["dst"])).write_csv()
    file = tmp_path_factory.mktemp("tap") / "run.tap"
    file.write_text(f"#acme-tap 1\n{text}")
    return file


@pytest.fixture(scope="module")
def vendor_perf(tmp_path_factory):
    """Samples of a driver that only ACME knows."""
    file = tmp_path_factory.mktemp("perf") / "perf.txt"
    leaves = ["acme_clean_rx"] * 300 + ["acme_merge"] * 200 + ["tcp_v4_rcv"] * 500
    file.write_text("".join(map(_sample, range(len(leaves)), leaves)))
    return file


def _sample(number, leaf):
    frames = [f"\tffffffff8162f410 {name.format(leaf=leaf)}+0x10 ([kernel.kallsyms])\n" for name in POLL]
    second, tick = divmod(number * 2, 1000)
    return SAMPLE.format(second=100 + second, tick=f"{tick:03d}000000", frames="".join(frames))


def test_the_guide_shows_the_example_itself():
    guide = (EXAMPLE.parents[2] / "CONTRIBUTING.md").read_text()
    shown = re.findall(r"```(?:toml|python)\n(.*?)```", guide, flags=re.DOTALL)
    texts = [(EXAMPLE / name).read_text() for name in ("pyproject.toml", "zcanalysis_acme.py")]
    assert len(shown) == 4
    assert all(any(block in text for text in texts) for block in shown)


def test_what_is_installed_is_listed_and_usable(acme):
    rows = told(acme, "extensions")["extensions"]
    assert [(row["group"], row["name"], row["state"]) for row in rows] == [
        ("patches", "acme-copy", "ok"), ("stage_maps", "acme-driver", "ok"), ("readers", "acme-tap", "ok"),
    ]  # fmt: skip
    assert {(row["distribution"], row["version"]) for row in rows} == {("zcanalysis-acme", "1.0")}
    assert rows[0]["object"] == "zcanalysis_acme:COPY"


def test_the_catalogue_says_who_brings_a_patch(acme):
    rows = {row["patch"]: row for row in told(acme, "patches")["patches"]}
    assert rows["acme-copy"]["origin"] == "zcanalysis-acme 1.0"
    assert rows["mtu"]["origin"] == "zcanalysis"
    assert "brought by zcanalysis-acme 1.0\n  acme-copy" in run(acme, "patches").stdout


def test_a_patch_is_predicted_swept_and_advised(acme):
    made = told(acme, "predict", TRACES / "veth-1500", "--patch", "acme-copy=50")
    assert made["command"] == "sysctl -w net.acme.copy_percent=50"
    assert made["undo"] == "sysctl -w net.acme.copy_percent=100"
    assert made["tier"] == "recording"
    assert made["predicted_gbps"] > made["baseline_gbps"]
    rows = told(acme, "sweep", TRACES / "veth-1500", "--patch", "acme-copy=25,100")["sweep"]
    assert rows[0]["predicted_gbps"] > made["predicted_gbps"] > rows[1]["predicted_gbps"]
    advice = told(acme, "advise", TRACES / "veth-1500")
    weighed = {row["patch"]: row for row in [*advice["changes"], *advice["left_out"]]}
    assert weighed["acme-copy=50"]["predicted_gbps"] == pytest.approx(made["predicted_gbps"])


ASKED_OF_FUNCTIONS = """
import json, zcanalysis as zc
from zcanalysis.exploring import subject_of
from zcanalysis.scenarios import Scenario, parse_scenarios, scenarios_text
from zcanalysis.widgets.patch_controls import PatchControls
host = zc.hosts.preset("modern")
patch = zc.patches.parse_patch("acme-copy=50")
table = zc.what_if(host, [patch, zc.patches.parse_patch("acme-copy=100")])
controls = PatchControls(subject_of(host), print)
row = controls.rows["acme-copy"]
row.control.value = True
kept = (Scenario(name="half", patches=(patch,)),)
print(json.dumps({
    "gbps": table["predicted_gbps"].to_list(), "group": [name for name, rows in controls.groups.items() if row in rows],
    "asked": [str(one) for one in controls.patches], "kept": parse_scenarios(scenarios_text(kept)) == kept,
}))
"""


def test_functions_and_the_explorer_know_the_patch(acme):
    done = run(acme, ASKED_OF_FUNCTIONS, python=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    half, whole = said["gbps"]
    assert half > whole
    assert said["group"] == ["brought by zcanalysis-acme 1.0"]
    assert said["asked"] == ["acme-copy=50"]
    assert said["kept"]


ASKED_OF_A_WORKER = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from zcanalysis import patches
from zcanalysis.io.host_facts import HostFacts
with ProcessPoolExecutor(1, get_context("spawn")) as pool:
    print(pool.submit(patches.command, patches.parse_patch("acme-copy=50"), HostFacts()).result())
"""


def test_a_patch_travels_to_another_process_as_data(acme):
    assert run(acme, ASKED_OF_A_WORKER, python=True).stdout == "sysctl -w net.acme.copy_percent=50\n"


def test_the_audit_says_which_functions_a_stage_map_named(acme, vendor_perf):
    def stages(site):
        return {row["stage"]: row["cpu_share"] for row in told(site, "costs", vendor_perf)["costs"]}

    without, known = stages(None), stages(acme)
    assert "driver_rx" not in without
    # 300, 200 and 500 of 1000 samples
    assert known["driver_rx"] == pytest.approx(known["tcp_rx"] * 3 / 5)
    assert known["gro"] == pytest.approx(known["tcp_rx"] * 2 / 5)
    assert known["tcp_rx"] == pytest.approx(without["tcp_rx"])
    (row,) = (row for row in told(acme, "audit", vendor_perf)["audit"] if row["check"] == "stage map acme-driver")
    assert row["value"] == "named 2 functions, 50.0% of kernel samples"
    assert "zcanalysis-acme 1.0" in row["why"]


def test_a_recording_of_a_known_kernel_is_charged_as_without_the_map(acme):
    recording = TRACES / "veth-1500"
    assert told(acme, "costs", recording) == told(None, "costs", recording)


def test_a_file_of_the_reader_is_read_as_the_capture_it_was(acme, tap):
    assert told(acme, "flows", tap) == told(None, "flows", CAPTURE)
    checks = {row["check"]: row["value"] for row in told(acme, "audit", tap)["audit"]}
    assert checks["reader"] == "acme-tap (zcanalysis-acme 1.0)"
    assert len(told(acme, "report", tap)["flows"]) == 4


def test_a_packed_file_of_the_reader_is_converted(acme, tap, tmp_path):
    import zstandard

    packed = tmp_path / "run.tap.zst"
    packed.write_bytes(zstandard.compress(tap.read_bytes()))
    done = run(acme, "convert", packed, tmp_path / "out.parquet")
    assert done.returncode == 0, done.stderr
    rows = pl.read_parquet(tmp_path / "out.parquet")
    assert rows.height == 7000
    whole = scan_pcap(CAPTURE).select("flow_id", "direction").collect()
    assert rows.select("flow_id", "direction").equals(whole)


def test_without_the_reader_its_file_is_refused(tap):
    done = run(None, "flows", tap)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_batch_finds_the_readers_files_and_begins_anew_when_an_extension_changes(acme, tap, vendor_perf, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "one.tap").write_bytes(tap.read_bytes())
    (folder / "perf.txt").write_bytes(vendor_perf.read_bytes())
    (folder / "notes.txt").write_text("nobody reads this\n")
    out = tmp_path / "out"
    made = told(acme, "batch", folder, "-o", out)
    assert (made["done"], made["failed"]) == (2, 0)
    assert {Path(row["path"]).name for row in made["recordings"]} == {"one.tap", "perf.txt"}
    assert told(acme, "batch", folder, "-o", out)["kept"] == 2
    newer = install_example(tmp_path / "newer")
    (newer / "zcanalysis_acme-1.0.dist-info").rename(newer / "zcanalysis_acme-2.0.dist-info")
    metadata = newer / "zcanalysis_acme-2.0.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 2.0"))
    assert told(newer, "batch", folder, "-o", out)["done"] == 2


def test_workers_of_a_batch_have_the_extensions_too(acme, tap, vendor_perf, tmp_path):
    pytest.importorskip("distributed")
    done = run(acme, "batch", tap, vendor_perf, "-o", tmp_path / "out", "--scheduler", "local", "--json")
    made = json.loads(done.stdout)
    assert (made["done"], made["failures"]) == (2, [])
    costs = pl.read_parquet(tmp_path / "out/costs/**/*.parquet")
    assert "driver_rx" in costs.get_column("stage")
