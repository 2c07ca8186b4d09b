"""What a batch is made of: what counts as a source, and when it is another than before."""

import gzip
import os
from pathlib import Path

import pytest

from tests import builders as make
from zcanalysis.errors import TraceError
from zcanalysis.fleet.sources import Source, found, looks, manifest

CAPTURE = make.pcap([make.ethernet(make.ipv4(make.tcp()))])


def names(root: Path, *paths: str | Path) -> list[str]:
    return [str(source.path.relative_to(root)) for source in found(paths)]


@pytest.fixture
def tree(tmp_path):
    for folder in ("night/one", "night/two", "night/.hidden", "out/recordings", "links"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "night/one/counters.parquet").write_bytes(b"")
    (tmp_path / "night/one/capture.pcap").write_bytes(CAPTURE)
    (tmp_path / "night/two/host.json").write_text("{}")
    (tmp_path / "night/.hidden/a.pcap").write_bytes(CAPTURE)
    (tmp_path / "night/readme.txt").write_text("no capture")
    (tmp_path / "night/empty.pcap").write_bytes(b"")
    (tmp_path / "night/packed").write_bytes(gzip.compress(CAPTURE))
    (tmp_path / "night/perf.txt.gz").write_bytes(gzip.compress(b"x"))
    (tmp_path / "night/.a.pcap").write_bytes(CAPTURE)
    (tmp_path / "out/dataset.json").write_text("{}")
    (tmp_path / "out/a.pcap").write_bytes(CAPTURE)
    (tmp_path / "links/recording").symlink_to(tmp_path / "night/one")
    (tmp_path / "links/round").symlink_to(tmp_path)
    return tmp_path


def test_a_tree_gives_recordings_as_folders_and_captures_and_traces_as_files(tree):
    expected = ["links/recording", "night/one", "night/two", "night/empty.pcap", "night/packed", "night/perf.txt.gz"]
    assert sorted(names(tree, tree)) == sorted(expected)


def test_a_file_that_is_named_is_a_source_whatever_it_holds(tree):
    assert names(tree, tree / "night/readme.txt") == ["night/readme.txt"]


def test_patterns_are_expanded_and_every_source_is_taken_once(tree):
    assert names(tree, tree / "night/*", tree / "night/one") == [
        "night/empty.pcap", "night/one", "night/packed", "night/perf.txt.gz", "night/two",
    ]  # fmt: skip
    assert names(tree, tree / "**/one") == ["night/one"]


def test_what_stands_for_nothing_is_a_source_that_will_say_so(tree):
    (tree / "nothing").mkdir()
    paths = (tree / "no/such.pcap", tree / "none*", tree / "nothing")
    assert names(tree, *paths) == ["no/such.pcap", "none*", "nothing"]


def test_a_name_that_looks_like_a_pattern_is_a_name_if_there_is_such_a_file(tmp_path):
    (tmp_path / "a[1].pcap").write_bytes(CAPTURE)
    assert names(tmp_path, tmp_path / "a[1].pcap") == ["a[1].pcap"]


def test_a_manifest_lists_paths_relative_to_itself(tmp_path):
    (tmp_path / "list").write_bytes(b"# nightly\none\n\n  two*\n/abs\xff\n")
    assert manifest(tmp_path / "list") == [tmp_path / "one", tmp_path / "two*", Path(os.fsdecode(b"/abs\xff"))]
    with pytest.raises(TraceError, match="No such file"):
        manifest(tmp_path / "other")


def test_a_source_looks_different_when_a_file_of_it_changes_and_only_then(tree):
    source = Source(tree / "night/one")
    before = looks(source)
    (tree / "night/one/report.html").write_text("of ours")
    assert looks(source) == before
    os.utime(tree / "night/one/capture.pcap", ns=(1, 1))
    assert looks(source).digest != before.digest


def test_a_log_of_ss_does_not_hide_the_captures_beside_it(tmp_path):
    for name in ("a.pcap", "b.pcap.gz"):
        (tmp_path / name).write_bytes(gzip.compress(CAPTURE) if name.endswith("gz") else CAPTURE)
    (tmp_path / "ss.txt").write_text("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n")
    assert names(tmp_path, tmp_path) == ["a.pcap", "b.pcap.gz"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run/capture.pcap").write_bytes(CAPTURE)
    (tmp_path / "run/ss.txt").write_text("as the guide says")
    assert names(tmp_path, tmp_path / "run") == ["run"]
