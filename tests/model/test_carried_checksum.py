"""A checksum carried through a relay is the one that a pass over the payload would give."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zcanalysis.model.carried_checksum import carried_checksum, checksum, ones_complement_sum

WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=40)


def field_of(*parts: list[int]) -> int:
    return int(checksum(np.array([word for part in parts for word in part])))


def test_the_sum_of_rfc_1071():
    # 0001 + f203 + f4f5 + f6f7 = 2ddf0; ddf0 + 2 = ddf2
    assert int(ones_complement_sum(np.array([0x0001, 0xF203, 0xF4F5, 0xF6F7]))) == 0xDDF2


def test_the_update_of_rfc_1624():
    # its example: header checksum DD2F, a field 5555 becomes 3285: 0000, not FFFF
    assert int(carried_checksum(np.array(0xDD2F), np.array([0x5555]), np.array([0x3285]))) == 0x0000


@given(WORDS, WORDS, WORDS)
def test_it_is_what_a_pass_over_the_payload_would_give(payload, old, new):
    received = field_of(old, payload)
    carried = int(carried_checksum(np.array(received), np.array(old), np.array(new)))
    # 0 and ffff are both zero: sums that can be nothing else aside, a field is one or the other by the same rule
    assert carried % 0xFFFF == field_of(new, payload) % 0xFFFF


@given(WORDS, WORDS, st.integers(1, 0xFFFE))
def test_what_was_corrupt_stays_corrupt(payload, headers, damage):
    received = (field_of(headers, payload) + damage) % 0xFFFF
    carried = int(carried_checksum(np.array(received), np.array(headers), np.array(headers)))
    assert carried % 0xFFFF != field_of(headers, payload) % 0xFFFF


def test_many_segments_at_once():
    rng = np.random.default_rng(8)
    old, new, payload = (rng.integers(0, 1 << 16, size=(500, words)) for words in (16, 16, 724))
    received = checksum(np.concatenate([old, payload], axis=1))
    expected = checksum(np.concatenate([new, payload], axis=1))
    assert (carried_checksum(received, old, new) == expected).all()
