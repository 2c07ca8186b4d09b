"""Tables in, altair charts out: one question a file, nothing is computed here.

Each function takes a documented table and returns a chart that works in a notebook, in the report and as a still
picture. The only room, with the report, that knows altair.
"""

from zcanalysis.charts.blast_curves import blasts
from zcanalysis.charts.climb import ladder
from zcanalysis.charts.cost_bars import stage_cost
from zcanalysis.charts.cpu_time import cpu_over_time
from zcanalysis.charts.flames import flame_graph
from zcanalysis.charts.forecasts import forecast
from zcanalysis.charts.foretold_measured import validation
from zcanalysis.charts.latency_stages import latency
from zcanalysis.charts.limit_bands import limits_band
from zcanalysis.charts.loss import waterfall
from zcanalysis.charts.odds_matrix import odds_matrix
from zcanalysis.charts.offered_rate import livelock
from zcanalysis.charts.price_swings import tornado
from zcanalysis.charts.rate_over_time import rate_over_time
from zcanalysis.charts.remedy_ranges import remedy_ranges
from zcanalysis.charts.sequence_steps import time_sequence
from zcanalysis.charts.story_shares import believed, share_steps
from zcanalysis.charts.story_volumes import volumes
from zcanalysis.charts.sweep_lines import sweep_curve
from zcanalysis.charts.telling_measurements import telling
from zcanalysis.charts.virtual_speedup import speedup_curves

__all__ = [
    "believed", "blasts", "cpu_over_time", "flame_graph", "forecast", "ladder", "latency", "limits_band", "livelock",
    "odds_matrix", "rate_over_time", "remedy_ranges", "share_steps", "speedup_curves", "stage_cost", "sweep_curve",
    "telling", "time_sequence", "tornado", "validation", "volumes", "waterfall",
]  # fmt: skip
