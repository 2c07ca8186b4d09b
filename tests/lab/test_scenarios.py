import subprocess
import sys
import tomllib
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from zcanalysis.cli import app
from zcanalysis.cli_lab import SCENARIO_NAMES
from zcanalysis.errors import HostError
from zcanalysis.lab import SCENARIOS, Scenario
from zcanalysis.lab.applied import APPLIED, patched
from zcanalysis.lab.scenario_text import chosen_scenario, parse_scenario, read_scenario, scenario_text
from zcanalysis.lab.scenarios import scenario_named
from zcanalysis.patches import CATALOGUE

BASELINE = Scenario(name="mtu-1500")


def changed(patch: str, scenario: Scenario = BASELINE) -> dict[str, object]:
    """The fields that a patch gives another value, but for the name."""
    before, after = asdict(scenario), asdict(patched(scenario, patch))
    return {name: after[name] for name in before if name != "name" and after[name] != before[name]}


@pytest.mark.parametrize(
    ("patch", "fields"),
    [
        ("hw-checksum=on", {}),
        ("mtu=9000", {"mtu": 9000}),
        ("gro=on", {"receiver_gro": True}),
        ("rps=off", {"rps_cpu": None}),
        ("rps=0", {"rps_cpu": 0}),
        ("rps=on", {}),
        ("rcvbuf=65536", {"rcvbuf_bytes": 65_536}),
        ("competing-load=1", {"hog_cpu": 1}),
        ("link-gbps=4", {"link_rate_gbps": 4.0}),
        ("hw-checksum=off", {"sender_checksum_offload": False, "receiver_checksum_offload": False}),
        ("gso=on", {"sender_gso": True}),
        ("cpu=shared", {}),
        ("cpu=split", {"reader_cpu": 0}),
        ("autotuning=off", {"autotuning": False}),
        ("quickack", {"quickack": True}),
        ("delack-ms=4", {"delack_ms": 4}),
        ("competing-load=3", {"hog_cpu": 1, "hogs": 3}),
        ("reader-bytes=4096", {"reader_bytes": 4096}),
        ("flows=4", {"flows": 4}),
    ],
)
def test_a_patch_changes_only_what_it_says(patch, fields):
    assert changed(patch) == fields
    assert patched(BASELINE, patch).name == f"mtu-1500+{patch}"


def test_patches_that_need_a_scenario_of_their_own_change_only_what_they_say():
    assert changed("busy-poll=50", scenario_named("gro")) == {"busy_poll_us": 50}
    assert changed("zero-copy-rx", scenario_named("whole-pages")) == {"zero_copy": True}
    assert changed("zero-copy-rx", Scenario(name="x", mtu=8244)) == {"zero_copy": True, "sender_pages": True}
    # packets are handled where they are sent, so a reader that shares that CPU moves there
    assert changed("cpu=shared", scenario_named("no-rps")) == {"reader_cpu": 0}
    assert changed("cpu=split", scenario_named("no-rps")) == {}


def test_patches_are_applied_one_after_the_other():
    both = patched(patched(BASELINE, "mtu=4148"), "zero-copy-rx=on")
    assert (both.name, both.mtu, both.zero_copy) == ("mtu-1500+mtu=4148+zero-copy-rx=on", 4148, True)


def test_what_a_patch_did_another_undoes():
    assert changed("rps=on", scenario_named("no-rps")) == {"rps_cpu": 1}
    assert changed("gro=off", scenario_named("gro")) == {"receiver_gro": False}
    assert changed("competing-load=0", scenario_named("cpu-hog")) == {"hog_cpu": None}
    assert changed("zero-copy-rx=off", patched(scenario_named("whole-pages"), "zero-copy-rx")) == {"zero_copy": False}


def test_the_hog_computes_where_the_reader_reads():
    assert patched(Scenario(name="x", reader_cpu=3), "competing-load=1").hog_cpu == 3


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ("sse-copy", "the lab cannot apply this; it can apply hw-checksum, mtu"),
        ("rfs=on", "the lab cannot apply this: its table is of all hosts"),
        ("zero-copy-rx", "mtu must be 4096 k"),
        ("busy-poll=50", "must be 0 without receiver_gro"),
        ("cpu=apart", "expected split or shared"),
        ("flows=0", "flows must be 1 to 128"),
        ("mtu=many", "'many' is no value of mtu"),
        ("mtu", "'nothing' is no value of mtu"),
        ("mtu=12", "mtu must be 68"),
        ("gro=perhaps", "is no value of gro"),
        ("hw-checksum=perhaps", "is no value of hw-checksum"),
        ("competing-load=-1", "hogs must be 1"),
        ("rcvbuf=1", "rcvbuf_bytes must be at least"),
    ],
)
def test_a_patch_the_lab_cannot_apply_is_one_line(patch, why):
    with pytest.raises(HostError, match=why):
        patched(BASELINE, patch)


def test_a_scenario_names_all_its_cpus():
    assert Scenario(name="x", sender_cpu=0, reader_cpu=2, rps_cpu=None, hog_cpu=5).cpus == {0, 2, 5}


def test_the_command_line_lists_every_scenario():
    assert SCENARIO_NAMES.split(", ") == [scenario.name for scenario in SCENARIOS]


def test_every_patch_of_the_lab_is_in_the_catalogue():
    assert set(APPLIED) <= set(CATALOGUE)


def test_a_scenario_file_may_name_nothing_but_what_differs(tmp_path):
    (tmp_path / "mine.toml").write_text("mtu = 3000\nlink_rate_gbps = 4\n")
    assert chosen_scenario(str(tmp_path / "mine.toml")) == Scenario(name="mine", mtu=3000, link_rate_gbps=4)
    assert chosen_scenario("gro") == scenario_named("gro")


@pytest.mark.parametrize("scenario", [*SCENARIOS, Scenario(name='a "b"\n', reader_bytes=1, delack_ms=4, rps_cpu=None)])
def test_a_scenario_is_read_as_it_was_written(scenario, tmp_path):
    (tmp_path / "x.toml").write_text(scenario_text(scenario))
    assert read_scenario(tmp_path / "x.toml") == scenario


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mtuu = 1500", "'mtuu' is unknown: name, mtu"),
        ("mtu = '1500'", "mtu must be a whole number, got '1500'"),
        ("mtu = 1500.0", "mtu must be a whole number"),
        ("mtu = true", "mtu must be a whole number"),
        ("rps_cpu = 'none'", 'rps_cpu must be a whole number or "off"'),
        ("zero_copy = 1", "zero_copy must be true or false"),
        ("protocol = 'sctp'", "protocol must be tcp or udp"),
        ("mtu = 12", "mtu must be 68"),
        ("link_rate_gbps = nan", "link_rate_gbps must be > 0"),
        ("zero_copy = true", "sender_pages must be true"),
        ("link_queue_bytes = 9000", "link_queue_bytes must be left alone without link_rate_gbps"),
        ("reader_pause_us = 1\nflows = 2", "reader_pause_us needs one TCP connection"),
        ("request_bytes = 9\nprotocol = 'udp'", "request_bytes needs one TCP connection"),
        ("request_bytes = 9\nreader_pause_us = 1", "reader_pause_us must be 0 with request_bytes"),
        ("request_bytes = 1", "request_bytes must be 2 to"),
        ("mtu = [", "is no TOML"),
        ("name = ''", "name must not be empty"),
    ],
)
def test_a_file_that_is_no_scenario_is_one_line(text, why, tmp_path):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(HostError, match=why) as failed:
        read_scenario(tmp_path / "x.toml")
    assert str(failed.value).startswith(f"{tmp_path}/x.toml: ")
    assert "\n" not in str(failed.value)


def test_a_file_that_is_not_there_or_too_much_is_one_line(tmp_path):
    with pytest.raises(HostError, match="No such file"):
        chosen_scenario(str(tmp_path / "absent.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff")
    with pytest.raises(HostError, match="is no TOML"):
        read_scenario(tmp_path / "binary.toml")
    (tmp_path / "large.toml").write_text("# " * (1 << 16))
    with pytest.raises(HostError, match="larger than 64 KiB"):
        read_scenario(tmp_path / "large.toml")


def test_the_command_prints_a_scenario_to_begin_with():
    done = CliRunner().invoke(app, ["lab", "run", "--print-scenario", "gro", "--patch", "mtu=9000"])
    assert done.exit_code == 0
    assert parse_scenario(tomllib.loads(done.stdout)) == replace(scenario_named("gro"), name="gro+mtu=9000", mtu=9000)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--scenario", "./absent.toml"), "absent.toml: No such file"),
        (("--scenario", "nothing"), "nothing: no such scenario"),
        (("--patch", "mtu=12"), "mtu must be 68"),
        ((), "needs -o DIRECTORY"),
    ],
)
def test_what_the_command_cannot_run_is_one_line_and_status_2(options, why):
    done = subprocess.run(
        [sys.executable, "-m", "zcanalysis", "lab", "run", *options], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"hogs": 0}, "hogs must be 1"),
        ({"reader_cpu": -1}, "reader_cpu must be 0 or above"),
        ({"protocol": "udp", "quickack": True}, "quickack must be left alone with udp"),
        ({"protocol": "udp", "reader_bytes": 100}, "must hold a datagram of 1472"),
        ({"sender_pages": True, "flows": 2}, "flows must be 1"),
        ({"busy_poll_us": 50, "receiver_gro": True, "flows": 2}, "must be 0 with several flows"),
        ({"zero_copy": True, "sender_pages": True, "mtu": 4148, "reader_bytes": 5000}, "must be whole pages"),
    ],
)
def test_values_that_exclude_each_other_are_refused(fields, why):
    with pytest.raises(ValueError, match=why):
        Scenario(name="x", **fields)
