"""The file of a machine's prices: what is written is read again, and what nobody sane wrote is one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.prices.machines import CPU, KERNEL, machine
from tests.test_cli import TRACE, run
from zcanalysis.errors import HostError, TraceError
from zcanalysis.hosts import Price
from zcanalysis.io.json_file import JSON_LIMIT_BYTES
from zcanalysis.prices.machine import UNITS, CopyRate, LoadStep, MachinePrice, MachinePrices
from zcanalysis.prices.machine_file import (
    cache_file,
    kept_machine_prices,
    machine_document,
    read_machine_prices,
    write_machine_prices,
)

values = st.lists(st.floats(0, 1e10), min_size=3, max_size=3).map(sorted)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@st.composite
def machine_prices(draw):
    def one():
        low, value, high = draw(values)
        mtu = draw(st.none() | st.integers(68, 65_535))
        return MachinePrice(
            draw(st.sampled_from(sorted(UNITS))), Price(value, low, high, "calibrated", draw(texts)), mtu
        )

    def rate():
        low, value, high = draw(values)
        return CopyRate(draw(st.sampled_from(["user", "kernel"])), draw(st.integers(1, 1 << 40)), value, low, high)

    def load():
        numbers = [draw(st.floats(0, 1e10)) for _ in range(3)]
        return LoadStep(draw(texts), draw(st.integers(68, 65_535)), *numbers, {draw(st.integers(0, 99)): numbers[0]})

    return MachinePrices(
        kernel=draw(texts), cpu_model=draw(texts), made=draw(texts),
        prices=tuple(one() for _ in range(draw(st.integers(1, 4)))),
        checks=tuple(one() for _ in range(draw(st.integers(0, 2)))),
        copies=tuple(rate() for _ in range(draw(st.integers(0, 3)))),
        loads=tuple(load() for _ in range(draw(st.integers(0, 2)))),
        notes=tuple(draw(st.lists(texts, max_size=2))),
    )  # fmt: skip


@given(machine_prices())
def test_what_is_written_is_read_again(tmp_path_factory, made):
    file = tmp_path_factory.mktemp("machine") / "deep" / "machine.json"
    write_machine_prices(made, file)
    assert read_machine_prices(file) == made
    assert [left.name for left in file.parent.iterdir()] == ["machine.json"]


def document(**other):
    return machine_document(machine()) | other


def row(**other):
    return document()["prices"][0] | other


BAD = {
    "empty": b"",
    "half": json.dumps(document()).encode()[:200],
    "noise": bytes(range(256)) * 40,
    "list": b"[]",
    "deep": b"[" * 100_000,
    "another schema": json.dumps({"schema": "zcanalysis host"}).encode(),
    "another version": json.dumps(document(version=2)).encode(),
    "no prices": json.dumps(document(prices=[])).encode(),
    "no kernel": json.dumps({key: value for key, value in document().items() if key != "kernel"}).encode(),
    "no list": json.dumps(document(checks={"a": 1})).encode(),
    "many": json.dumps(document(prices=[row()] * 1001)).encode(),
    "unknown price": json.dumps(document(prices=[row(price="ip.skb_ns")])).encode(),
    "below": json.dumps(document(prices=[row(value=-1.0)])).encode(),
    "outside": json.dumps(document(prices=[row(value=1.0, low=2.0)])).encode(),
    "not a number": json.dumps(document(prices=[row(value="NaN")])).encode(),
    "NaN": json.dumps(document(prices=[row(high=float("nan"))])).encode(),
    "no mtu": json.dumps(document(prices=[row(mtu=10**400)])).encode(),
    "loads": json.dumps(document(loads=[document()["loads"][0] | {"busy": {"one": 1}}])).encode(),
    "a load": json.dumps(document(loads=[document()["loads"][0] | {"gbps": True}])).encode(),
    "true mtu": json.dumps(document(prices=[row(mtu=True)])).encode(),
    "long": json.dumps(document(kernel="k" * 501)).encode(),
    "hostile": json.dumps(document(prices=[row(price="\x1b[2J\nrm -rf \ud800")])).encode(),
    "copies": json.dumps(document(copies=[document()["copies"][0] | {"kind": "\x1b]0;"}])).encode(),
    "null": json.dumps(document(notes=[None])).encode(),
    "row": json.dumps(document(prices=[3])).encode(),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_calibration_is_refused(tmp_path, what):
    file = tmp_path / "machine.json"
    file.write_bytes(BAD[what])
    with pytest.raises(TraceError, match=r"machine\.json"):
        read_machine_prices(file)


def test_a_huge_file_is_not_read(tmp_path):
    file = tmp_path / "machine.json"
    with file.open("wb") as stream:
        stream.truncate(JSON_LIMIT_BYTES * 1000)
    with pytest.raises(TraceError, match="is larger than 64 MB"):
        read_machine_prices(file)


def test_halves_of_surrogate_pairs_can_be_printed(tmp_path):
    file = tmp_path / "machine.json"
    file.write_text(json.dumps(document(kernel="6.1\ud800")))
    read_machine_prices(file).kernel.encode()


def test_each_kernel_and_cpu_has_a_file_of_its_own_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    files = {cache_file(*names) for names in ((KERNEL, CPU), (KERNEL, "Xeon"), ("6.1", CPU), ("../../x", CPU))}
    assert len(files) == 4
    assert {file.parent for file in files} == {tmp_path / "zcanalysis"}
    with pytest.raises(TraceError, match="zcanalysis lab calibrate"):
        kept_machine_prices(KERNEL, CPU)
    write_machine_prices(machine(), cache_file(KERNEL, CPU))
    assert kept_machine_prices(KERNEL, CPU) == machine()
    with pytest.raises(TraceError, match="--calibration"):
        kept_machine_prices(None, CPU)


def test_a_relative_cache_is_passed_over_and_none_at_all_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file(KERNEL, CPU).parent == tmp_path / ".cache/zcanalysis"
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(HostError, match="XDG_CACHE_HOME"):
        cache_file(KERNEL, CPU)


def test_predict_takes_a_file_and_says_what_it_rests_on(tmp_path):
    write_machine_prices(machine(), tmp_path / "m.json")
    done = run("predict", TRACE, "--patch", "gro=on", "--calibration", tmp_path / "m.json", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tier"] == "calibrated"


def test_sweep_and_report_take_a_file_as_well(tmp_path):
    write_machine_prices(machine(), tmp_path / "m.json")
    words = ("--calibration", tmp_path / "m.json", "--json")
    swept = run("sweep", TRACE, "--patch", "mtu=3000,9000", *words)
    assert swept.returncode == 0, swept.stderr
    assert {row["tier"] for row in json.loads(swept.stdout)["sweep"]} == {"calibrated"}
    reported = run("report", TRACE, *words)
    assert reported.returncode == 0, reported.stderr
    assert "calibrated" in {price["origin"] for price in json.loads(reported.stdout)["prices"]}


@pytest.mark.parametrize("command", [("report",), ("sweep", "--patch", "mtu=3000")])
def test_what_is_not_kept_is_one_line(tmp_path, monkeypatch, command):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = run(*command, TRACE, "--calibrated")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("zcanalysis lab calibrate\n")


@pytest.mark.parametrize("what", ["empty", "hostile", "another kernel", "missing", "not kept"])
def test_predict_refuses_bad_calibrations_in_one_line_with_status_2(tmp_path, monkeypatch, what):
    file = tmp_path / "m.json"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if what == "another kernel":
        write_machine_prices(machine(kernel="6.1\x1b[2J"), file)
    elif what in BAD:
        file.write_bytes(BAD[what])
    words = ["--calibrated"] if what == "not kept" else ["--calibration", file]
    done = run("predict", TRACE, "--patch", "gro=on", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("zcanalysis: ")
    assert "\x1b" not in done.stderr
