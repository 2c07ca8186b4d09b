"""Where the sum is taken and what it costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import ns
from zcanalysis.model.checksum import (
    CELERON_1200,
    Card,
    Checksum,
    Pass,
    Summed,
    checksum_ns,
    pass_of_linux_2_4,
    pass_of_linux_6,
    summed_at_tcp,
    summed_by_card,
)


def of_2_4(ip_summed, tcp_bytes, *, in_process=False, eaten=False, fits=False):
    flags = {"in_process": in_process, "eaten": eaten, "fits": fits}
    arrays = {name: np.array([flag]) for name, flag in flags.items()}
    return Pass(pass_of_linux_2_4(ns(ip_summed), ns(tcp_bytes), **arrays)[0])


def test_the_table_of_2_4():
    big = 1480
    assert of_2_4(Summed.NONE, big, in_process=True, eaten=True, fits=True) is Pass.FUSED
    assert of_2_4(Summed.NONE, big, in_process=True, eaten=True) is Pass.READER
    assert of_2_4(Summed.NONE, big, in_process=True, fits=True) is Pass.READER  # payload > ucopy.len
    assert of_2_4(Summed.NONE, big) is Pass.SOFTIRQ
    assert of_2_4(Summed.UNNECESSARY, big, in_process=True, eaten=True, fits=True) is Pass.NEVER
    assert of_2_4(Summed.COMPLETE, big) is Pass.NEVER


def test_76_bytes_are_summed_at_once_and_77_later():
    assert of_2_4(Summed.NONE, 76, in_process=True, eaten=True, fits=True) is Pass.AT_ONCE
    assert of_2_4(Summed.NONE, 77, in_process=True, eaten=True, fits=True) is Pass.FUSED
    assert pass_of_linux_6(ns(0, 0), ns(76, 77)).tolist() == [Pass.AT_ONCE, Pass.SOFTIRQ]


def test_linux_6_trusts_the_card_in_three_ways():
    verdicts = ns(Summed.UNNECESSARY, Summed.COMPLETE, Summed.PARTIAL)
    assert pass_of_linux_6(verdicts, ns(1480, 1480, 1480)).tolist() == [Pass.NEVER] * 3


def test_padding_and_netfilter_spoil_a_hardware_sum_only():
    verdicts = ns(Summed.COMPLETE, Summed.COMPLETE, Summed.COMPLETE, Summed.UNNECESSARY)
    padded, hooked = np.array([True, False, False, True]), np.array([False, True, False, True])
    assert summed_at_tcp(verdicts, padded, hooked).tolist() == [0, 0, Summed.COMPLETE, Summed.UNNECESSARY]


def test_each_pays_for_its_own_pass():
    # 1000 bytes at 2 GB/s: 500, + 10; fused a fifth of it: 102
    price = Checksum(gbytes_per_s=2, packet_ns=10, fused_share=0.2)
    softirq_ns, reader_ns = checksum_ns(ns(*Pass), ns(*[1000] * 5), price)
    assert softirq_ns.tolist() == [0, 510, 510, 0, 0]
    assert reader_ns.tolist() == [0, 0, 0, 510, 102]


def test_a_celeron_of_2002_sums_a_kilobyte_in_704_cycles():
    assert checksum_ns(ns(Pass.SOFTIRQ), ns(1024), CELERON_1200).softirq_ns.tolist() == [round(704 / 1.2)]


@pytest.mark.parametrize(("field", "value"), [("gbytes_per_s", 0), ("packet_ns", -1), ("fused_share", -1)])
def test_an_impossible_price_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        Checksum(**{"gbytes_per_s": 1.0, field: value})


ROWS = st.lists(
    st.tuples(st.sampled_from([0, 1, 2]), st.integers(20, 200), st.booleans(), st.booleans(), st.booleans()), min_size=1
)


@given(ROWS)
def test_the_decision_is_the_kernels_chain_of_ifs(rows):
    def slow(ip_summed, size, in_process, eaten, fits):
        if ip_summed == Summed.NONE:  # tcp_v4_checksum_init
            if size <= 76:
                return Pass.AT_ONCE
            if not in_process:
                return Pass.SOFTIRQ
            if eaten:  # tcp_copy_to_iovec
                return Pass.FUSED if fits else Pass.READER
            return Pass.READER  # tcp_checksum_complete_user
        return Pass.NEVER

    summed, size, in_process, eaten, fits = (np.array(column) for column in zip(*rows, strict=True))
    found = pass_of_linux_2_4(summed, size, in_process=in_process, eaten=eaten, fits=fits)
    assert found.tolist() == [slow(*row) for row in rows]


@given(st.lists(st.tuples(st.sampled_from(list(Pass)), st.integers(20, 9000)), min_size=1))
def test_a_verified_sum_costs_nothing_and_a_faster_routine_never_more(rows):
    where, size = (np.array(column) for column in zip(*rows, strict=True))
    slow, fast = (checksum_ns(where, size, Checksum(gbytes_per_s=speed, fused_share=0.5)) for speed in (1, 2))
    for slower, faster in zip(slow, fast, strict=True):
        assert np.all(np.cumsum(faster) <= np.cumsum(slower))
        assert slower[where == Pass.NEVER].sum() == 0
    nothing = checksum_ns(0 * where, size, Checksum(gbytes_per_s=1))
    assert nothing.softirq_ns.sum() + nothing.reader_ns.sum() == 0


@pytest.mark.parametrize(
    ("card", "whole4", "whole6", "piece4", "piece6"),
    [
        (Card.NONE, Summed.NONE, Summed.NONE, Summed.NONE, Summed.NONE),
        (Card.IPV4, Summed.UNNECESSARY, Summed.NONE, Summed.NONE, Summed.NONE),
        (Card.IPV4_IPV6, Summed.UNNECESSARY, Summed.UNNECESSARY, Summed.NONE, Summed.NONE),
        (Card.ANY_DATA, Summed.COMPLETE, Summed.COMPLETE, Summed.COMPLETE, Summed.COMPLETE),
    ],
)
def test_only_a_card_that_sums_any_data_says_something_of_a_piece(card, whole4, whole6, piece4, piece6):
    ipv6, fragment = np.array([False, True, False, True]), np.array([False, False, True, True])
    assert summed_by_card(card, ipv6, fragment).tolist() == [whole4, whole6, piece4, piece6]
