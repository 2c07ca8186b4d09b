"""How the stages of a replayed host are drawn: their colour, their order, and time since a moment in microseconds."""

from typing import Final

import polars as pl

from zcanalysis.tables import PIECES_OF_WORK

GROUP_OF_REPLAYED: Final = {
    "interrupt": "interrupts and softirq",
    "softirq": "interrupts and softirq",
    "send interrupt": "interrupts and softirq",
    "driver": "driver and backlog",
    "hand-over": "driver and backlog",
    "gro": "GRO",
    "ip": "IP, netfilter, TCP, UDP",
    "tcp": "IP, netfilter, TCP, UDP",
    "checksum": "checksum",
    "ack": "ACKs",
    "wake-up": "socket, lock, wake-ups",
    "schedule": "socket, lock, wake-ups",
    "copy": "copy to user",
    "syscall": "system calls and reader",
}
OWN_COLOUR: Final = "scale('color', datum.group)"
"""Outline of a bar that is filled faintly, in Vega's words."""
WAITING: Final = "waiting, unexplained"
PATH_ORDER: Final = tuple(dict.fromkeys(stage for stages in PIECES_OF_WORK.values() for stage in stages))
NS_PER_US: Final = 1000


def in_microseconds(table: pl.DataFrame) -> list[pl.Expr]:
    """Begin and end of each row of WORK or WAY, since the first begin, and how long it took."""
    first_ns = table.get_column("from_ns").min() or 0
    return [
        ((pl.col("from_ns") - first_ns) / NS_PER_US).alias("from_us"),
        ((pl.col("to_ns") - first_ns) / NS_PER_US).alias("to_us"),
        ((pl.col("to_ns") - pl.col("from_ns")) / NS_PER_US).alias("took_us"),
    ]


def stage_group() -> pl.Expr:
    """The group of stages whose colour a row has; a wait, which has no stage, is in that of waiting."""
    return pl.col("stage").replace_strict(GROUP_OF_REPLAYED, default=WAITING).alias("group")
