"""A full packet's payload, what it takes of a link besides, and what is left of the link's rate."""

import math

import pytest

from zcanalysis.framing import framing_bytes, payload_gbps, segment_bytes


def test_a_full_packet_on_a_wire_takes_90_bytes_besides_its_payload():
    # IPv4 20 + TCP 20 + time stamps 12 + Ethernet 14; preamble 8 + frame check 4 + gap 12
    assert (segment_bytes(1500), framing_bytes(physical=False), framing_bytes(physical=True)) == (1448, 66, 90)


def test_a_link_without_a_rate_carries_any_payload():
    assert payload_gbps(math.inf, 1448, 66) == math.inf


def test_a_link_carries_the_payloads_part_of_every_packet():
    assert payload_gbps(4.0, 100, 0) == 4.0
    assert payload_gbps(4.0, 75, 25) == pytest.approx(3.0)
