"""Commands of the lab as a stranger meets them; nothing is measured."""

import json

import pytest

from tests.test_cli import called
from zcanalysis.cli_lab import _check_writable


@pytest.fixture
def measured(monkeypatch):
    """What `lab probe-effects` measured; nothing really is."""
    scenarios: list[str] = []
    module = "zcanalysis.lab.probe_effect"
    monkeypatch.setattr(f"{module}.probe_effect", lambda scenario, _: scenarios.append(scenario.name))
    monkeypatch.setattr(f"{module}.markdown", lambda _: "| the table |\n")
    monkeypatch.setattr(f"{module}.effects_document", lambda *_: {"all": "figures"})
    return scenarios


def test_probe_effects_refuses_a_file_it_cannot_write_before_it_measures(tmp_path, monkeypatch, capsys, measured):
    for file in (tmp_path / "absent/out.json", tmp_path):
        called(monkeypatch, "lab", "probe-effects", "--scenario", "mtu-1500", "-o", file)
        assert measured == []
        assert capsys.readouterr().err.startswith(f"zcanalysis: {file}: ")


def test_probe_effects_prints_its_table_though_the_file_went_away(tmp_path, monkeypatch, capsys, measured):
    (tmp_path / "gone").mkdir()
    module = "zcanalysis.lab.probe_effect"
    monkeypatch.setattr(f"{module}.markdown", lambda _: (tmp_path / "gone").rmdir() or "| the table |\n")
    called(monkeypatch, "lab", "probe-effects", "--scenario", "mtu-1500", "-o", tmp_path / "gone/out.json")
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("| the table |\n", 1)


def test_probe_effects_writes_its_file_and_keeps_none_when_it_fails(tmp_path, monkeypatch, measured):
    file = tmp_path / "out.json"
    called(monkeypatch, "lab", "probe-effects", "--scenario", "mtu-1500", "-o", file)
    assert json.loads(file.read_text()) == {"all": "figures"}
    _check_writable(file)
    assert json.loads(file.read_text()) == {"all": "figures"}
    _check_writable(tmp_path / "other.json")
    assert not (tmp_path / "other.json").exists()
