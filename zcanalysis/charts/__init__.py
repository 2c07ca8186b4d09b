"""Tables in, altair charts out: one question a file, nothing is computed here.

Each function takes a documented table and returns a chart that works in a notebook, in the report and as a still
picture. The only room, with the report, that knows altair.
"""

from zcanalysis.charts.cost_bars import stage_cost
from zcanalysis.charts.cpu_time import cpu_over_time
from zcanalysis.charts.flames import flame_graph
from zcanalysis.charts.loss import waterfall
from zcanalysis.charts.rate_over_time import rate_over_time

__all__ = ["cpu_over_time", "flame_graph", "rate_over_time", "stage_cost", "waterfall"]
