"""Tables in, altair charts out: one question a file, nothing is computed here.

Each function takes a documented table and returns a chart that works in a notebook, in the report and as a still
picture. The only room, with the report, that knows altair.
"""

from zcanalysis.charts.climb import ladder
from zcanalysis.charts.cost_bars import stage_cost
from zcanalysis.charts.cpu_time import cpu_over_time
from zcanalysis.charts.flames import flame_graph
from zcanalysis.charts.forecasts import forecast
from zcanalysis.charts.foretold_measured import validation
from zcanalysis.charts.foretold_published import foretold_errors, foretold_published, ladder_categories
from zcanalysis.charts.kernel_beside_model import kernel_beside_model
from zcanalysis.charts.latency_stages import latency
from zcanalysis.charts.limit_bands import limits_band
from zcanalysis.charts.loss import waterfall
from zcanalysis.charts.offered_rate import livelock
from zcanalysis.charts.patch_effect import patch_effect
from zcanalysis.charts.price_swings import tornado
from zcanalysis.charts.rate_over_time import rate_over_time
from zcanalysis.charts.sequence_steps import time_sequence
from zcanalysis.charts.stall_cost import stall_cost
from zcanalysis.charts.sweep_lines import sweep_curve
from zcanalysis.charts.virtual_speedup import speedup_curves

__all__ = [
    "cpu_over_time", "flame_graph", "forecast", "foretold_errors", "foretold_published", "kernel_beside_model",
    "ladder", "ladder_categories", "latency", "limits_band", "livelock", "patch_effect", "rate_over_time",
    "speedup_curves", "stage_cost", "stall_cost", "sweep_curve", "time_sequence", "tornado", "validation", "waterfall",
]  # fmt: skip
