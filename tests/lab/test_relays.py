"""The relays that are measured forward what they get, whole and in order."""

import hashlib
import threading

import pytest

from zcanalysis.lab.relays import CHUNK_BYTES, RELAYS, _joined, relayed


@pytest.mark.parametrize("design", RELAYS)
def test_a_relay_forwards_what_it_gets(design):
    source, inward = _joined()
    outward, sink = _joined()
    sent = hashlib.sha256(b"zc").digest() * 40_000
    got = bytearray()

    def drain() -> None:
        while piece := sink.recv(1 << 16):
            got.extend(piece)

    def feed() -> None:
        source.sendall(sent)
        source.close()

    threads = [threading.Thread(target=job) for job in (drain, feed)]
    for thread in threads:
        thread.start()
    assert RELAYS[design](inward, outward) == len(sent)
    outward.close()
    for thread in threads:
        thread.join()
    inward.close()
    sink.close()
    assert bytes(got) == sent


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("design", RELAYS)
def test_a_run_counts_bytes_and_cpu_time(design):
    run = relayed(design, 16 * CHUNK_BYTES)
    assert run["bytes"] == 16 * CHUNK_BYTES
    assert run["cpu_s"] >= 0
    assert run["elapsed_s"] > 0
