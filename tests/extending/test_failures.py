"""Extensions that are wrong, hostile or twice there: one line that names them, and everything else goes on."""

import json
from pathlib import Path

import pytest

from tests.extending.installing import PATCHES, READERS, STAGE_MAPS, install, run, told

TRACE = Path(__file__).parents[2] / "traces/veth-1500"
GOOD = """
from zcanalysis.patches import Entry
from zcanalysis.patches.patch import imagined
from zcanalysis.patches.values import whole
print("said at import")
def on(patch, host):
    print("said when called")
    return imagined("fine")
def entry(name, **other):
    return Entry(**{"name": name, "value": whole(1, 9, "apples"), "what": "w", "source": "s", "unless": "u",
                    "on": on, **other})
PRINTS, TWICE, MTU, OTHER = entry("prints"), entry("twice"), entry("mtu"), entry("other-than-that")
NO_KIND, NO_TEXT, BAD_TRIES = entry("no-kind", value=int), entry("no-text", what=7), entry("tries", tries=(10,))
RAISES = entry("raises", on=lambda patch, host: {}["nothing"], tries=(1,))
WRECKS = entry("wrecks", effect=lambda host, patch: 1 / 0, tries=(2,))
GIVES = entry("gives", on=lambda patch, host: "a text", effect=lambda host, patch: None)
GENERATIONS = entry("generations", generations=frozenset({"linux-9"}))
SEVEN = 7
"""
MAPS = """
from zcanalysis.cpu.stage_maps import StageMap
UNKNOWN, LIST = StageMap({"acme_rx": "engine"}), StageMap(["acme_rx"])
PATTERN, BYTES = StageMap({}, kernel="("), StageMap({b"acme": "gro"})
"""
READ = """
import polars as pl
from zcanalysis.io.readers import Reader
from zcanalysis.tables import PACKETS, SAMPLES, empty, filled
def packets(file):
    kind = file.stem
    if kind == "raises": raise RuntimeError("no such thing")
    if kind == "later":
        yield empty(PACKETS)
        raise RuntimeError("half way")
    if kind == "lacks": yield pl.DataFrame({"ts_ns": [1]})
    if kind == "text": yield filled(pl.DataFrame({"ts_ns": ["soon"]}), PACKETS)
    if kind == "null": yield filled(pl.DataFrame({"ts_ns": [1]}), PACKETS)
    if kind == "list": yield [1, 2]
def number(file): return 5
def samples(file):
    chain = "tcp_v4_rcv without tabs" if file.stem == "any" else "tcp_v4_rcv\\t[k]\\tk"
    yield filled(pl.DataFrame({"ts_ns": [1], "callchain": [chain]}), SAMPLES)
ODD = Reader(lambda file, start: file.suffix == ".odd", packets=packets)
NUMBER = Reader(lambda file, start: file.suffix == ".number", packets=number)
CHAIN = Reader(lambda file, start: file.suffix == ".chain", samples=samples)
FAILS = Reader(lambda file, start: 1 / 0, packets=packets)
NOTHING, TEXTS = Reader(lambda file, start: True), Reader("*.odd", packets=packets)
"""
STATES = {
    "gone": "ModuleNotFoundError: No module named 'zc_no_such_module'",
    "absent": "AttributeError: module 'zc_good' has no attribute 'ABSENT'",
    "exits": "SystemExit: 3",
    "prints": "ok",
    "mtu": "zcanalysis itself has a patch of that name",
    "renamed": "the name of the entry must be that of the entry point, got 'other-than-that'",
    "seven": "zc_good:SEVEN must be a Entry, got a int",
    "no-kind": "value must be a Kind",
    "no-text": "what must be a text, got a int",
    "tries": "tries must be a tuple of values that it can have (apples, 1 to 9)",
    "generations": "generations must be a frozenset of linux-2.4 and linux-6",
    "twice": "first 1.0 and second 1.0 both bring this name; none of them is used",
    "UPPER": "a name has at most 26 lower-case letters, digits and single dashes",
    "<img src>": "a name has at most 26",
    "\x1b[31mred": "a name has at most 26",
    "a" * 300: "a name has at most 26",
    "raises": "ok",
    "wrecks": "ok",
    "gives": "ok",
    "unknown": "there is no stage 'engine' (of 'acme_rx')",
    "list": "stages must be a mapping",
    "pattern": "kernel must be a regular expression",
    "bytes": "there is no stage 'gro' (of \"b'acme'\")",
    "odd": "ok",
    "number": "ok",
    "chain": "ok",
    "fails": "ok",
    "nothing": "gives neither packets nor samples",
    "texts": "reads must be a function",
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Everything that can be wrong, in two distributions."""
    patches = {
        "gone": "zc_no_such_module:X", "absent": "zc_good:ABSENT", "exits": "zc_exits:X", "renamed": "zc_good:OTHER",
        "seven": "zc_good:SEVEN", "\x1b[31mred": "zc_good:PRINTS", "UPPER": "zc_good:PRINTS", "a" * 300: "zc_good:MTU",
        "<img src>": "zc_good:PRINTS", "tries": "zc_good:BAD_TRIES",
    }  # fmt: skip
    same = ("prints", "mtu", "twice", "raises", "wrecks", "gives", "no-kind", "no-text", "generations")
    patches |= {name: f"zc_good:{name.upper().replace('-', '_')}" for name in same}
    maps = {name: f"zc_maps:{name.upper()}" for name in ("unknown", "list", "pattern", "bytes")}
    readers = {name: f"zc_read:{name.upper()}" for name in ("odd", "number", "chain", "fails", "nothing", "texts")}
    site = tmp_path_factory.mktemp("broken") / "site"
    install(
        site, "first", {PATCHES: patches, STAGE_MAPS: maps, READERS: readers},
        zc_good=GOOD, zc_maps=MAPS, zc_read=READ, zc_exits="import sys\nsys.exit(3)\n",
    )  # fmt: skip
    return install(site, "second", {PATCHES: {"twice": "zc_good:TWICE"}})


def warnings_in(stderr):
    lines = stderr.splitlines()
    said = [line for line in lines if line.startswith("zcanalysis: warning: ")]
    assert {line for line in lines if line not in said} <= {"said at import", "said when called"}
    return said


def test_every_state_is_told_and_what_is_printed_stays_off_standard_output(broken):
    done = run(broken, "extensions", "--json")
    assert done.returncode == 0
    assert done.stderr == "said at import\n"
    states = {row["name"]: row["state"] for row in json.loads(done.stdout)["extensions"]}
    assert states.keys() == STATES.keys()
    for name, expected in STATES.items():
        assert states[name].startswith(expected), name
    assert "\x1b" not in run(broken, "extensions").stdout
    asked = run(broken, "predict", TRACE, "--patch", "prints=1", "--json")
    assert "said when called" in asked.stderr
    (patch,) = json.loads(asked.stdout)["patches"]
    assert patch["why"] == "fine"


def test_the_catalogue_goes_on_without_those_that_cannot_be_used(broken):
    done = run(broken, "patches", "--json")
    assert done.returncode == 0
    assert '"speedup:STAGE"' in done.stdout
    assert '"prints"' in done.stdout
    said = warnings_in(done.stderr)
    unusable = [name for name in list(STATES)[:19] if STATES[name] != "ok"]
    assert len(said) == len(unusable) + 1  # twice, of two distributions
    assert "\x1b" not in done.stderr
    assert any("first 1.0: gone (zcanalysis.patches): ModuleNotFoundError" in line for line in said)


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("gone", "first 1.0: gone (zcanalysis.patches): ModuleNotFoundError: No module named 'zc_no_such_module'"),
        ("exits", "first 1.0: exits (zcanalysis.patches): SystemExit: 3"),
        ("twice=3", "first 1.0 and second 1.0 both bring this name; none of them is used"),
        ("prints=10", "patch prints: expected apples, 1 to 9, got 10"),
        ("print=1", "no patch 'print'; did you mean prints?"),
        ("raises=1", "first 1.0: raises (zcanalysis.patches): KeyError: 'nothing'"),
        ("gives=1", "first 1.0: gives (zcanalysis.patches): must give a Setting, gave a str"),
    ],
)
def test_a_patch_asked_for_by_name_fails_in_one_line_that_names_it(broken, patch, words):
    done = run(broken, "predict", TRACE, "--patch", patch)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line != "said at import" and ": warning: " not in line]
    assert len(said) == 1
    assert words in said[0]
    assert done.stdout == ""


def test_advice_goes_on_without_patches_that_fail(broken):
    done = run(broken, "advise", TRACE, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["changes"][0]["patch"].startswith("mtu=")
    said = warnings_in(done.stderr)
    assert any("first 1.0: raises (zcanalysis.patches): KeyError" in line for line in said)
    assert any("first 1.0: wrecks (zcanalysis.patches): ZeroDivisionError" in line for line in said)


EXPLORED = """
import zcanalysis as zc
from zcanalysis.answer import answered
from zcanalysis.exploring import subject_of
from zcanalysis.widgets.patch_controls import PatchControls
import sys
controls = PatchControls(subject_of(answered(zc.read_recording(sys.argv[1]))), print)
print(controls.rows["raises"].reason, bool(controls.rows["mtu"].reason), sep="|")
"""


def test_the_explorer_greys_a_patch_that_fails(broken):
    done = run(broken, EXPLORED, TRACE, python=True)
    assert done.stdout == "first 1.0: raises (zcanalysis.patches): KeyError: 'nothing'|False\n"


NOT_ASKED = """
import sys
from zcanalysis.cli import main
from zcanalysis.patches import parse_patch
print(parse_patch("mtu=9000"))
from zcanalysis.extensions import installed
print(installed.cache_info().misses, [name for name in sys.modules if name.startswith("zc_")])
"""


def test_nothing_is_read_or_imported_that_was_not_asked_for(broken):
    assert run(broken, NOT_ASKED, python=True).stdout == "mtu=9000\n0 []\n"
    code = (
        "import sys\nsys.argv=['z', '--help']\nfrom zcanalysis.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    )
    done = run(broken, f"{code}print('zcanalysis.extensions' in sys.modules, file=sys.stderr)", python=True)
    assert done.stderr == "False\n"


OPENED = """
import sys
from pathlib import Path
import zcanalysis as zc
from zcanalysis.errors import ZcError
for name in sys.argv[1:]:
    try:
        recording = zc.read_recording(name)
        table = (recording.packets if recording.samples is None else recording.samples).collect()
        print(Path(name).name, table.height)
    except ZcError as error:
        print(Path(name).name, str(error).replace(str(Path(name).parent), "."))
"""


def test_tables_that_do_not_conform_are_refused_by_the_readers_name(broken, tmp_path):
    names = [f"{kind}.odd" for kind in ("raises", "later", "lacks", "text", "null", "list")]
    files = [tmp_path / name for name in (*names, "any.number", "any.chain")]
    for file in files:
        file.write_text("something\n")
    done = run(broken, OPENED, *files, python=True)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    odd = "first 1.0: odd (zcanalysis.readers): "
    assert said["raises.odd"] == f"{odd}RuntimeError: no such thing"
    assert said["later.odd"] == f"{odd}RuntimeError: half way"
    assert said["lacks.odd"].startswith(f"{odd}./lacks.odd: packets: table lacks column(s) captured_bytes, ")
    assert said["text.odd"].startswith(f"{odd}./text.odd: packets: table does not fit its schema: ")
    assert said["null.odd"] == f"{odd}./null.odd: packets: captured_bytes is null in a row that has no error"
    assert said["list.odd"] == f"{odd}./list.odd: packets: must be polars data frames, got a list"
    assert said["any.number"].startswith("first 1.0: number (zcanalysis.readers): TypeError: 'int' object is not")
    assert "callchain must be frames leaf first" in said["any.chain"]
    assert "Traceback" not in done.stderr


def test_a_reader_that_fails_when_asked_is_passed_by_and_ours_are_not_disturbed(broken, tmp_path):
    unknown = tmp_path / "unknown.bin"
    unknown.write_text("something else\n")
    done = run(broken, "flows", unknown)
    assert done.returncode == 2
    assert any("first 1.0: fails (zcanalysis.readers): ZeroDivisionError" in line for line in done.stderr.splitlines())
    assert "Traceback" not in done.stderr
    perf = tmp_path / "renamed.odd"  # asked last: what we read ourselves is never another's, whatever its name
    perf.write_text("iperf3 7/7 [001] 7.000000001: 1 cpu-clock:\n\tff tcp_v4_rcv ([k])\n\n")
    assert run(broken, OPENED, perf, python=True).stdout == "renamed.odd 1\n"


BESIDE = """
import sys, zcanalysis as zc
for place in sys.argv[2:]:
    recording = zc.read_recording(place, sys.argv[1])
    print(recording.samples.collect().height, recording.reader)
"""


def test_samples_that_a_reader_gives_are_used_beside_a_capture_or_in_a_folder(broken, tmp_path):
    beside = tmp_path / "beside.chain"
    beside.write_text("something\n")
    done = run(broken, BESIDE, beside, TRACE, TRACE / "capture.pcap.zst", python=True)
    assert done.stdout == "1 chain (first 1.0)\n" * 2


RANKED = """
from zcanalysis.cpu.stage_maps import StageMap
OURS = StageMap({"tcp_v4_rcv": "gro", "acme_rx": "driver_rx"}, kernel=r"5\\.4\\..*acme")
LATER = StageMap({"acme_rx": "gro", "memcpy": "driver_rx", "acme_more": "ip_rx"})
OLD = StageMap({"acme_old": "backlog"}, generation="linux-2.4")
"""
CHARGED = """
from zcanalysis.cpu.callchains import charge
def of(function, *kernel): return charge(f"{function}\\t[k]\\tk\\nip_rcv\\t[k]\\tk", *kernel).stage
acme = ("linux-6", "5.4.7-acme")
print(of("tcp_v4_rcv"), of("tcp_v4_rcv", *acme), of("acme_rx"), of("acme_rx", *acme), of("memcpy"), of("acme_more"))
print(of("acme_old"), of("acme_old", "linux-2.4"), of("acme_more", "linux-2.4"))
"""


def test_a_stage_map_goes_before_our_table_on_its_kernels_only_and_before_later_maps(tmp_path):
    maps = {"a": "zc_ranked:OURS", "b": "zc_ranked:LATER", "c": "zc_ranked:OLD"}
    site = install(tmp_path / "site", "ranked", {STAGE_MAPS: maps}, zc_ranked=RANKED)
    first, second = run(site, CHARGED, python=True).stdout.splitlines()
    assert first.split() == ["tcp_rx", "gro", "gro", "driver_rx", "driver_rx", "ip_rx"]
    assert second.split() == ["ip_rx", "backlog", "ip_rx"]


def test_a_damaged_distribution_leaves_everything_of_ours_usable(tmp_path):
    site = install(tmp_path / "site", "fine", {PATCHES: {"prints": "zc_good:PRINTS"}}, zc_good=GOOD)
    (site / "damaged-1.0.dist-info").mkdir()
    (site / "damaged-1.0.dist-info/entry_points.txt").write_text("[zcanalysis.patches]\nno equals sign\n")
    done = run(site, "patches")
    assert done.returncode == 0
    assert "kernel-bypass" in done.stdout
    assert "Traceback" not in done.stderr


def test_no_extension_is_nothing_to_tell(tmp_path):
    empty = tmp_path / "site"
    empty.mkdir()
    rows = told(empty, "extensions")["extensions"]
    assert [row for row in rows if row["distribution"].startswith(("first", "zcanalysis-acme"))] == []
