"""Prices: from a recording's samples and counters to a `Host`, every price with its interval and its origin.

Evidence comes in (who spent CPU time on what, how often each thing happened), a `Calibration` goes out. CPU time is
charged to prices by function (`charges`), divided by what it was used for (`uses`) with non-negative least squares
(`fit`), and completed by what the recording says of sizes and places (`settings`, `places`). What it can only assume,
prices measured once on its machine replace (`machine`, `machine_file`).
"""

from zcanalysis.prices.calibration import Calibration, calibration

__all__ = ["Calibration", "calibration"]
