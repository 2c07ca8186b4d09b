import contextlib
import math
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.lab.test_lab_run import namespaces_of, why_not
from zcanalysis.errors import HostError
from zcanalysis.lab.draw import cases_of
from zcanalysis.lab.namespaces import OURS
from zcanalysis.lab.pairs import Measured, Pair, PairOptions, both_hosts, marks_of, measure
from zcanalysis.lab.readings import Window, foreign_seconds


def window(gbps=10.0, **changed) -> Window:
    quiet = {"busy": {0: 0.5, 1: 1.0}, "steal": 0.0, "foreign": 0.0, "dropped": 0, "retransmitted": 0}
    return Window(gbps, **(quiet | changed))


def pair(baseline=10.0, patched=20.0, **changed) -> Pair:
    return Pair(window(baseline), window(patched, **changed))


def placed(*distances_ns: int, recorded_ns: int | None = 260) -> Pair:
    """A pair whose CPUs were so far apart, one figure for each of its windows."""
    baseline, patched = (window(distances_ns=(each, each)) for each in distances_ns)
    return Pair(baseline, patched, recorded_ns)


def runs_of(baselines, patched):
    """Runs that give these one after the other, and the order in which they were asked for."""
    asked = []
    left, right = iter(baselines), iter(patched)

    def one(name, given):
        asked.append(name)
        found = next(given)
        return found if isinstance(found, Window) else window(found)

    return (lambda: one("baseline", left), lambda: one("patched", right)), asked


def test_the_ratio_is_the_geometric_mean_of_the_pairs():
    measured = Measured((pair(10, 10), pair(10, 40)), 2)  # ratios 1 and 4: the square root of 4
    assert measured.ratio == pytest.approx(2)
    assert measured.range == pytest.approx((1, 4))
    # logs 0 and ln 4: standard deviation ln 4 / sqrt 2, over sqrt 2
    assert measured.standard_error == pytest.approx(math.log(4) / 2)
    assert measured.gbps == pytest.approx((10, 20))


def test_noise_is_what_neighbouring_baselines_differ_by_over_the_root_of_their_number():
    measured = Measured((pair(10), pair(20), pair(10), pair(20)), 4)  # steps ln 2, -ln 2, ln 2; four pairs
    assert measured.noise == pytest.approx(math.log(2) / 2)
    assert Measured((pair(10), pair(20)), 2).noise is None


def test_loads_are_the_means_of_the_pairs_used():
    measured = Measured((pair(busy={0: 0.2, 1: 1.0}), pair(busy={0: 0.4, 1: 0.9})), 2)
    assert measured.busy[0] == pytest.approx({0: 0.5, 1: 1.0})
    assert measured.busy[1] == pytest.approx({0: 0.3, 1: 0.95})


@pytest.mark.parametrize(
    ("disturbed", "said"),
    [
        ({"foreign": 0.051}, "other processes took 5% of a CPU"),
        ({"steal": 0.03}, "the hypervisor took 3% of a CPU"),
        ({"dropped": 1}, "full backlogs dropped 1 packets"),
    ],
)
def test_a_disturbed_window_says_by_what(disturbed, said):
    assert list(marks_of(window(**disturbed))) == [said]
    assert pair(**disturbed).marks == (f"patched: {said}",)


def test_a_quiet_window_has_no_marks():
    assert list(marks_of(window(foreign=0.05, steal=0.02, retransmitted=9))) == []


def test_marked_pairs_stay_out_while_enough_are_clean():
    loud = pair(10, 80, foreign=0.5)
    measured = Measured((*[pair()] * 4, loud), 4)
    assert measured.ratio == pytest.approx(2)
    assert (len(measured.pairs), len(measured.clean), measured.used) == (5, 4, measured.clean)
    too_few = Measured((*[pair()] * 3, loud), 4)
    assert too_few.used == too_few.pairs
    assert too_few.ratio == pytest.approx(2 * 4 ** (1 / 4))


def test_the_first_of_a_pair_takes_turns():
    runs, asked = runs_of([10] * 4, [20] * 4)
    measure(runs, PairOptions())
    assert asked == ["baseline", "patched", "patched", "baseline"] * 2


def test_pairs_that_agree_end_at_the_least_number():
    runs, _ = runs_of([10] * 9, [20] * 9)
    assert len(measure(runs, PairOptions()).pairs) == 4


def test_pairs_that_differ_are_repeated_until_the_ratio_is_known():
    # the first doubles, the others triple: the error falls below 10 % at the fifth
    runs, _ = runs_of([10] * 15, [20, 30, 30, 30, 30, 30, 30, 30])
    measured = measure(runs, PairOptions(standard_error=0.1))
    assert len(measured.pairs) == 5
    assert measured.standard_error <= 0.1
    assert Measured(measured.pairs[:4], 4).standard_error > 0.1


def test_there_are_never_more_pairs_than_asked_for():
    runs, _ = runs_of([10, 20] * 8, [20] * 16)
    told = []
    measured = measure(runs, PairOptions(), is_over=lambda so_far: told.append(so_far) or False)
    assert len(measured.pairs) == 15
    assert [len(so_far.pairs) for so_far in told] == list(range(1, 16))


def test_marked_pairs_are_made_up_for():
    loud = window(20, foreign=0.2)
    runs, _ = runs_of([10] * 15, [loud, loud, *[20] * 9])
    measured = measure(runs, PairOptions())
    assert (len(measured.pairs), len(measured.clean)) == (6, 4)


def test_a_window_in_which_nothing_arrives_is_a_failure():
    runs, _ = runs_of([10], [0.0])
    with pytest.raises(HostError, match="nothing arrived in a window of the patched hosts"):
        measure(runs, PairOptions())


def disturbed_here() -> Pair:
    return placed(260, 270)._replace(patched=window(distances_ns=(260, 260), foreign=0.5))


PLACED_HERE, PLACED_AFAR, PLACED_BOTH = placed(260, 270), placed(460, 480), placed(260, 470)


@pytest.mark.parametrize(
    ("pairs", "found_ns"),
    [
        ([PLACED_AFAR], None),  # one pair may be chance
        ([PLACED_AFAR] * 2, 470),
        ([PLACED_HERE] * 2, None),
        ([PLACED_HERE, PLACED_AFAR, PLACED_AFAR], 470),
        ([PLACED_HERE, PLACED_HERE, PLACED_AFAR, PLACED_AFAR], None),  # as many stayed
        ([*[disturbed_here()] * 3, PLACED_AFAR, PLACED_AFAR], None),  # disturbed by something else, but not moved
        ([PLACED_HERE, PLACED_HERE, *[PLACED_AFAR] * 3], 470),
        ([*[PLACED_HERE] * 4, *[PLACED_AFAR] * 9], None),  # four clean ones suffice
        ([PLACED_AFAR, PLACED_AFAR, PLACED_BOTH], None),  # nobody knows where they are now
        ([PLACED_AFAR, PLACED_AFAR, PLACED_HERE], None),
        ([placed(150, 140), placed(150, 160)], 150),  # nearer is elsewhere as well
        ([placed(300, 370), placed(290, 310)], None),  # marked, but not elsewhere on the whole
        ([placed(460, 480, recorded_ns=None)] * 4, None),
        ([pair()] * 4, None),
        ([], None),
    ],
)
def test_where_the_cpus_are_now_is_said_once_it_is_known_to_be_elsewhere(pairs, found_ns):
    assert Measured(tuple(pairs), 4).elsewhere_ns == found_ns


def test_where_too_few_are_clean_pairs_of_another_place_stay_out_all_the_same():
    disturbed = [disturbed_here()] * 4
    measured = Measured((PLACED_HERE, *disturbed, *[PLACED_AFAR] * 6), 4)
    assert measured.clean == (PLACED_HERE,)
    assert measured.used == measured.stayed == (PLACED_HERE, *disturbed)
    too_few = Measured((PLACED_HERE, *disturbed[:2], *[PLACED_AFAR] * 6), 4)
    assert too_few.used == too_few.pairs


def test_whoever_asked_may_end_it_after_any_pair():
    runs, asked = runs_of([10] * 9, [20] * 9)
    measured = measure(runs, PairOptions(), 260, lambda so_far: len(so_far.pairs) == 2)
    assert len(asked) == 4
    assert [each.recorded_ns for each in measured.pairs] == [260, 260]


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"least": 1}, {"least": 16}, {"standard_error": 0.0}])
def test_options_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        PairOptions(**wrong)


def process(pid: int, parent: int, *ticks: int, flags: int = 0, name: str = "x") -> str:
    user, system, awaited_user, awaited_system = ticks or (0, 0, 0, 0)
    return f"{pid} ({name}) S {parent} 1 1 0 -1 {flags} 0 0 0 0 {user} {system} {awaited_user} {awaited_system} 20 0 1"


def test_foreign_time_is_of_processes_outside_our_tree():
    tree = [
        process(1, 0, 100, 0, 0, 0),
        process(2, 0, 0, 0, 0, 0, flags=0x00200000),
        process(3, 2, 500, 0, 0, 0, flags=0x00200000),  # the kernel's
        process(50, 1, 300, 0, 0, 0),  # ours
        process(51, 50, 700, 0, 0, 0, name="a) b (c"),  # our child
        process(60, 1, 20, 30, 0, 0),
    ]
    assert foreign_seconds(tree, 50) * os.sysconf("SC_CLK_TCK") == pytest.approx(150)


def test_a_foreign_process_that_ends_hands_its_time_to_its_parent():
    before = [process(60, 1, 10, 0, 0, 0), process(61, 60, 40, 0, 0, 0)]
    after = [process(60, 1, 10, 0, 45, 0)]  # it ran 5 ticks more, then ended
    assert (foreign_seconds(after, 50) - foreign_seconds(before, 50)) * os.sysconf("SC_CLK_TCK") == pytest.approx(5)


def test_both_pairs_of_hosts_have_names_of_ours():
    assert OURS.match("zc-12-s")
    assert OURS.match("zc-12-p-r")[1] == "12"
    assert not OURS.match("zc-12-p")


@pytest.mark.root
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_a_real_pair_moves_data_and_leaves_nothing_behind():
    (case,) = cases_of("mtu-1500", ["link-gbps=1"])
    options = PairOptions(seconds=0.5, warmup_seconds=0.5, least=2, most=2)
    with both_hosts(case.configuration, case.patched, options) as runs:
        assert len(namespaces_of(os.getpid())) == 4
        measured = measure(runs, options)
    assert len(measured.pairs) == 2
    # a token bucket of 1 Gbit/s and half a second of burst at most
    assert all(0 < pair.patched.gbps < 1.2 for pair in measured.pairs)
    assert all(0 <= share <= 1 for pair in measured.pairs for share in pair.baseline.busy.values())
    deadline = time.monotonic() + 5
    while namespaces_of(os.getpid()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert namespaces_of(os.getpid()) == []


def pids_of(namespace: str, name: str) -> list[int]:
    """Processes of that name inside a namespace."""
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False).stdout
    found = []
    for word in listed.split():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{word}/comm").read_text().startswith(name):
                found.append(int(word))
    return found


@pytest.mark.root
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize(("end", "name"), [("s", "iperf3"), ("r", "iperf3"), ("r", "python")])
def test_a_child_that_is_killed_is_one_line_and_leaves_nothing_behind(end, name):
    (case,) = cases_of("mtu-1500", ["link-gbps=1"])
    options = PairOptions(seconds=1.0, warmup_seconds=1.0, least=2, most=2)
    killed = []

    def kill() -> None:
        for pid in pids_of(f"zc-{os.getpid()}-{end}", name):
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(1.5, kill)
    with both_hosts(case.configuration, case.patched, options) as runs:
        timer.start()
        with pytest.raises(HostError, match=r"iperf3|ended before|is gone"):
            measure(runs, options)
        timer.join()
    assert killed
    assert namespaces_of(os.getpid()) == []
    assert all(not Path(f"/proc/{pid}").exists() for pid in killed)
