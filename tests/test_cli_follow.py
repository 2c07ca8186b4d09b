"""`flows --follow` on a capture that grows."""

import json
import signal
import subprocess
import sys
import time

from tests import builders as make
from zcanalysis.io.pcap import scan_pcap
from zcanalysis.wire.connections import FOLLOWED, flows, flows_so_far

PACKETS = [make.ethernet(make.ipv4(make.tcp(seq=1 + 10 * n, payload=b"x" * 10))) for n in range(200)]
COMMAND = [sys.executable, "-m", "zcanalysis", "flows", "--follow"]


def following(path, *options):
    return subprocess.Popen([*COMMAND, str(path), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_table_comes_anew_and_ends_when_the_writer_is_done(tmp_path):
    content = make.pcap(PACKETS)
    path = make.saved(tmp_path, content[:1000])
    with following(path, "--idle", "6") as process:
        first = [process.stdout.readline() for _ in range(3)]
        with path.open("ab") as file:
            file.write(content[1000:])
        rest, complaints = process.communicate(timeout=120)
    assert "from -> to" in first[0]
    assert "10.0.0.1:40000 -> 10.0.0.2:5201" in first[1]
    assert "200 packets" in rest
    assert " 2,000 " in rest
    assert (process.returncode, complaints) == (0, "")


def test_ctrl_c_ends_it_with_the_last_table(tmp_path):
    path = make.saved(tmp_path, make.pcap(PACKETS)[:-5])
    with following(path) as process:
        assert "from -> to" in process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=60)
    assert "1,990" in rest
    assert (process.returncode, complaints) == (0, "")


def test_json_is_one_document_at_the_end(tmp_path):
    path = make.saved(tmp_path, make.pcap(PACKETS))
    with following(path, "--idle", "0.3", "--json") as process:
        shown, complaints = process.communicate(timeout=120)
    assert json.loads(shown)["flows"] == flows(scan_pcap(path)).to_dicts()
    assert (process.returncode, complaints) == (0, "")


def test_what_cannot_be_followed_is_one_line(tmp_path):
    for options, said in ([], "can be followed"), (["--json", "--csv"], "exclude each other"):
        with following(tmp_path, *options) as process:
            shown, complaints = process.communicate(timeout=60)
        assert (shown, complaints.count("\n"), process.returncode) == ("", 1, 2)
        assert said in complaints


def test_flows_so_far_are_those_of_the_packets_until_then(tmp_path):
    table = scan_pcap(make.saved(tmp_path, make.pcap(PACKETS))).select(FOLLOWED).collect()
    seen = list(flows_so_far([None, table[:50], None, None, table[50:], None]))
    assert [rows.equals(flows(table[:count])) for rows, count in zip(seen, (0, 50, 200), strict=True)] == [True] * 3
