"""`flows --follow`: the table of a capture that grows, printed anew until its writer is done or we are told to end."""

import time
from pathlib import Path
from typing import Final

import polars as pl

from zcanalysis.io.growing import growing_pcap
from zcanalysis.terminal import print_flows_anew
from zcanalysis.wire.connections import FOLLOWED, flows_so_far

REFRESH_S: Final = 1.0


def followed_flows(capture: Path, idle_s: float | None, *, shown: bool) -> pl.DataFrame:
    """FLOWS at the end of it: when nothing was added for `idle_s` seconds, or at Ctrl-C.

    Parameters
    ----------
    capture
        The file that grows.
    idle_s
        None: only Ctrl-C ends it.
    shown
        Whether to print the table, about once a second, while it goes on.
    """
    from zcanalysis.tables import FLOWS, empty

    table = empty(FLOWS)
    try:
        for table in flows_so_far(growing_pcap(capture, list(FOLLOWED), idle_s=idle_s, poll_s=REFRESH_S / 5)):
            if shown:
                print_flows_anew(table, f"{capture.name}: {table['packets'].sum():,} packets; Ctrl-C ends")
                time.sleep(REFRESH_S)
    except KeyboardInterrupt:
        pass
    return table
