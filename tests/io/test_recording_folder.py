"""Which files belong to a recording, and what an empty file is told to be."""

import pytest

from zcanalysis.errors import TraceError
from zcanalysis.io.recording import read_recording
from zcanalysis.io.recording_folder import is_part_of


def test_a_link_that_leads_nowhere_is_no_file_of_ours(tmp_path):
    recording, page = tmp_path / "recording", tmp_path / "page.html"
    recording.mkdir()
    (recording / "gone").symlink_to(tmp_path / "nowhere")
    (recording / "host.json").write_text("{}")
    page.write_text("mine")
    assert not is_part_of(recording, page)
    assert is_part_of(recording, recording / "host.json")


def test_only_an_empty_file_is_said_to_be_empty(tmp_path):
    for name, content, said in (("none.pcap", b"", "is empty"), ("cut.zst", b"\x28\xb5\x2f\xfd\x04", "cut.zst")):
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(TraceError, match=said) as refused:
            read_recording(file).samples.collect()
        assert ("is empty" in str(refused.value)) == (not content)
