"""The copies of NFS over UDP, counted and priced by hand."""

import numpy as np
import pytest

from zcanalysis.model.nfs import BUFFERS, CLIENT, SENDING, SERVER, Prices, Walk, walk_cost, walk_crossings, walk_gbps


def prices(kept: float = 0.0, **given: float) -> Prices:
    plain = {
        "miss_ns_per_byte": 2, "pass_ns_per_byte": 0.5, "fused_share": 0.2, "packet_ns": 2960, "packet_bytes": 1480,
        "request_ns": 8192, "request_bytes": 8192, "memory_gbps": 4,
    }  # fmt: skip
    shares = {name: np.array([kept]) for name in BUFFERS}
    return Prices(**{name: np.array([float(value)]) for name, value in (plain | given).items()}, kept=shares)


@pytest.mark.parametrize(
    ("walk", "memory", "missed"),
    [
        # in, read; fetch, back, read; fetch, back, read; fetch, back, read: 2 + 3 x 3
        (CLIENT["copied together (2.4.0)"], 11, 7),
        (CLIENT["chained (2.4.17)"], 8, 5),
        (CLIENT["chained, page cache mapped"], 5, 3),
        (CLIENT["hypothetical: card fills page cache"], 2, 1),
        # in, read; fetch, back, read to sum, read to copy; fetch, back
        (SERVER["copied together (2.4.0)"], 8, 5),
        (SERVER["chained, made one piece (2.4.17)"], 8, 5),
        (SERVER["the same, card sums any data"], 7, 4),
        (SERVER["chain walked, sum meanwhile"], 4, 2),
        # read; fetch, back, read; fetch, back, out
        (SENDING["read and write"], 7, 4),
        (SENDING["sendfile, card cannot sum"], 4, 2),
        (SENDING["sendfile or TUX, card sums"], 1, 0),
    ],
)
def test_crossings_where_nothing_stays_in_the_cache(walk, memory, missed):
    crossed = walk_crossings(walk, prices())
    assert (crossed["memory"].item(), crossed["missed"].item()) == (memory, missed)


@pytest.mark.parametrize("kept", [0.0, 0.4, 1.0])
def test_each_step_at_the_client_and_on_the_way_out_crosses_no_more(kept):
    for walks in (CLIENT, SENDING):
        crossed = [walk_crossings(walk, prices(kept))["memory"].item() for walk in walks.values()]
        assert crossed == sorted(crossed, reverse=True)


def test_chaining_saves_a_server_nothing_that_makes_one_piece_of_it():
    before, after = list(SERVER.values())[:2]
    assert walk_cost(before, prices()) == walk_cost(after, prices())


def test_what_a_byte_costs_by_hand():
    # 5 lines x 2 ns; 2 copies x 0.5; a sum meanwhile, a fifth of 0.5; 2960 / 1480; 8192 / 8192
    cost = walk_cost(CLIENT["chained (2.4.17)"], prices())
    assert [part.item() for part in cost] == pytest.approx([10, 1, 0.1, 2, 1])
    # CPU 8 / 14.1 = 0.567; memory 4 / 8 = 0.5: the memory is slower
    assert walk_gbps(CLIENT["chained (2.4.17)"], prices()) == pytest.approx([0.5])
    assert walk_gbps(CLIENT["chained (2.4.17)"], prices(memory_gbps=40)) == pytest.approx([8 / 14.1])


def test_a_sum_apart_costs_a_whole_pass():
    apart, card = SERVER["chained, made one piece (2.4.17)"], SERVER["the same, card sums any data"]
    # one pass of 0.5 and one line of 2 ns more
    saved = walk_cost(apart, prices()).ns_per_byte() - walk_cost(card, prices()).ns_per_byte()
    assert saved == pytest.approx([2.5])


def test_more_copies_than_buffers_are_refused():
    with pytest.raises(ValueError, match="2 copies must write as many buffers, got 1"):
        Walk(buffers={"packets": CLIENT["chained, page cache mapped"].buffers["page cache"]}, copies=2)


def test_a_negative_price_is_refused():
    with pytest.raises(ValueError, match="packet_ns must be >= 0"):
        prices(packet_ns=-1)
