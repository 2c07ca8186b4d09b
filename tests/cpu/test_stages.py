"""Samples get a stage by chain and role, and stand for one sampling interval of busy time."""

import polars as pl
import pytest

from zcanalysis.cpu.stages import Roles, staged
from zcanalysis.tables import SAMPLES, STAGED_SAMPLES, polars_schema

RECV = "tcp_recvmsg_locked\t[k]\tk\ntcp_recvmsg\t[k]\tk\ndo_syscall_64\t[k]\tk"
SEND = "tcp_sendmsg_locked\t[k]\tk\ntcp_sendmsg\t[k]\tk\ndo_syscall_64\t[k]\tk"
SELECT = "do_select\t[k]\tk\ndo_syscall_64\t[k]\tk"
SOFTIRQ = "tcp_v4_rcv\t[k]\tk\nhandle_softirqs\t[k]\tk"
USER = "main\tiperf3\tu"


def samples(*rows: dict) -> pl.DataFrame:
    """SAMPLES rows from what matters."""
    base = {"ts_ns": 0, "cpu": 0, "pid": 1, "tid": 1, "comm": "x", "event": "cpu-clock", "period": 1000, "error": None}
    return pl.DataFrame([base | row for row in rows], schema=polars_schema(SAMPLES))


def stage_of(table: pl.DataFrame, **roles: set[int]) -> list[str]:
    who = Roles(**{name: frozenset(tids) for name, tids in roles.items()})
    return staged(table, who).sort("ts_ns").get_column("stage").to_list()


def test_system_calls_and_user_code_belong_to_the_threads_role():
    table = samples(
        {"ts_ns": 0, "tid": 10, "callchain": USER},
        {"ts_ns": 1, "tid": 10, "callchain": SELECT},
        {"ts_ns": 2, "tid": 20, "callchain": USER},
        {"ts_ns": 3, "tid": 20, "callchain": SELECT},
        {"ts_ns": 4, "tid": 30, "callchain": USER},
        {"ts_ns": 5, "tid": 30, "comm": "perf", "callchain": SELECT},
    )
    found = stage_of(table, reader={10}, sender={20})
    assert found == ["reader", "syscall", "sender", "sender", "foreign", "probe"]


def test_a_page_fault_of_another_program_is_no_work_of_the_receiver():
    fault = "clear_page_erms\t[k]\tk\nasm_exc_page_fault\t[k]\tk\n" + USER
    in_the_copy = "clear_page_erms\t[k]\tk\nasm_exc_page_fault\t[k]\tk\n_copy_to_iter\t[k]\tk\n" + RECV
    table = samples(
        {"ts_ns": 0, "tid": 10, "callchain": fault},
        {"ts_ns": 1, "tid": 20, "callchain": fault},
        {"ts_ns": 2, "tid": 30, "callchain": fault},
        {"ts_ns": 3, "tid": 10, "callchain": in_the_copy},
    )
    assert stage_of(table, reader={10}, sender={20}) == ["page_memory", "sender", "foreign", "copy"]


def test_a_softirq_is_the_receivers_whomever_it_interrupts():
    table = samples({"ts_ns": 0, "tid": 30, "callchain": SOFTIRQ}, {"ts_ns": 1, "tid": 20, "callchain": SOFTIRQ})
    assert stage_of(table, reader={10}, sender={20}) == ["tcp_rx", "tcp_rx"]


def test_without_roles_whoever_receives_reads_and_whoever_sends_sends():
    table = samples(
        {"ts_ns": 0, "tid": 10, "callchain": RECV},
        {"ts_ns": 1, "tid": 10, "callchain": USER},
        {"ts_ns": 2, "tid": 20, "callchain": SEND},
        {"ts_ns": 3, "tid": 20, "callchain": USER},
        {"ts_ns": 4, "tid": 30, "callchain": USER},
    )
    assert stage_of(table) == ["syscall", "reader", "sender", "sender", "foreign"]


def test_where_only_the_reader_is_known_whoever_hands_packets_over_to_this_machine_sends():
    handed_over = "veth_xmit\t[k]\tk\ndev_hard_start_xmit\t[k]\tk\n" + SEND
    table = samples(
        {"ts_ns": 0, "tid": 20, "callchain": handed_over},
        {"ts_ns": 1, "tid": 20, "callchain": USER},
        {"ts_ns": 2, "tid": 30, "callchain": SEND},
        {"ts_ns": 3, "tid": 10, "callchain": SELECT},
    )
    assert stage_of(table, reader={10}) == ["sender", "sender", "foreign", "syscall"]


@pytest.mark.parametrize(
    ("event", "period", "weight"),
    [
        ("cpu-clock", 1000, 1000),
        ("cpu-clock", 2**63 - 1, 50),
        ("cycles", 777_777, 50),
        ("cpu-clock", None, 50),
        ("cpu-clock:k", 1000, 1000),
    ],
)
def test_a_sample_stands_for_one_interval(event, period, weight):
    rows = [{"ts_ns": ts, "event": event, "period": period, "callchain": SOFTIRQ} for ts in (0, 50, 100, 5000)]
    assert staged(samples(*rows)).get_column("weight_ns").to_list() == [weight] * 4


def test_rows_with_error_are_left_to_the_audit():
    table = samples({"callchain": SOFTIRQ}, {"callchain": "", "error": "line 3: no"})
    assert staged(table).height == 1


def test_an_empty_trace_gives_an_empty_table_of_the_same_schema():
    assert staged(samples().clear()).schema == pl.Schema(polars_schema(STAGED_SAMPLES))
