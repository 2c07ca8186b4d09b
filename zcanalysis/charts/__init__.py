"""Tables in, altair charts out: one question a file, nothing is computed here.

Each function takes a documented table and returns a chart that works in a notebook, in the report and as a still
picture. The only room, with the report, that knows altair.
"""

from zcanalysis.charts.bus_crossings import bus_crossings
from zcanalysis.charts.climb import ladder
from zcanalysis.charts.cost_bars import stage_cost
from zcanalysis.charts.cpu_time import cpu_over_time
from zcanalysis.charts.flames import flame_graph
from zcanalysis.charts.forecasts import forecast
from zcanalysis.charts.foretold_measured import validation
from zcanalysis.charts.latency_stages import latency
from zcanalysis.charts.limit_bands import limits_band
from zcanalysis.charts.loss import waterfall
from zcanalysis.charts.offered_rate import livelock
from zcanalysis.charts.piece_costs import piece_costs
from zcanalysis.charts.price_swings import tornado
from zcanalysis.charts.rate_over_time import rate_over_time
from zcanalysis.charts.relay_gain import relay_gain
from zcanalysis.charts.relay_messages import relay_messages
from zcanalysis.charts.sequence_steps import time_sequence
from zcanalysis.charts.sweep_lines import sweep_curve
from zcanalysis.charts.virtual_speedup import speedup_curves
from zcanalysis.charts.walk_costs import walk_costs
from zcanalysis.charts.walk_gains import walk_gains

__all__ = [
    "bus_crossings", "cpu_over_time", "flame_graph", "forecast", "ladder", "latency", "limits_band", "livelock",
    "piece_costs", "rate_over_time", "relay_gain", "relay_messages", "speedup_curves", "stage_cost", "sweep_curve",
    "time_sequence", "tornado", "validation", "walk_costs", "walk_gains", "waterfall",
]  # fmt: skip
