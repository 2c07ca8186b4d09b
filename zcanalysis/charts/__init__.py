"""Tables in, altair charts out: one question a file, nothing is computed here.

Each function takes a documented table and returns a chart that works in a notebook, in the report and as a still
picture. The only room, with the report, that knows altair.
"""

from zcanalysis.charts import quick_altair  # noqa: F401 - before all that import altair
from zcanalysis.charts.ack_delay_shares import ack_delays
from zcanalysis.charts.before_after import ladders, outcomes, transfer_time
from zcanalysis.charts.blast_curves import blasts
from zcanalysis.charts.bus_crossings import bus_crossings
from zcanalysis.charts.change_controls import combinations
from zcanalysis.charts.change_ratios import ratios
from zcanalysis.charts.climb import ladder
from zcanalysis.charts.comparison_rows import compared
from zcanalysis.charts.cost_bars import stage_cost
from zcanalysis.charts.cpu_time import cpu_over_time
from zcanalysis.charts.critical_work import critical_path
from zcanalysis.charts.flame_changes import flame_changes
from zcanalysis.charts.flames import flame_graph
from zcanalysis.charts.forecasts import forecast
from zcanalysis.charts.foretold_measured import validation
from zcanalysis.charts.foretold_published import foretold_errors, ladder_categories
from zcanalysis.charts.hypothesis_shares import believed, share_steps
from zcanalysis.charts.hypothesis_volumes import volumes
from zcanalysis.charts.kernel_beside_model import kernel_beside_model
from zcanalysis.charts.latency_stages import latency
from zcanalysis.charts.latency_tails import latency_tails
from zcanalysis.charts.limit_bands import limits_band
from zcanalysis.charts.loss import waterfall
from zcanalysis.charts.odds_matrix import odds_matrix
from zcanalysis.charts.offered_rate import livelock
from zcanalysis.charts.one_packet import packet_way
from zcanalysis.charts.patch_effect import patch_effect
from zcanalysis.charts.piece_costs import piece_costs
from zcanalysis.charts.price_swings import tornado
from zcanalysis.charts.rate_over_time import rate_over_time
from zcanalysis.charts.relay_gain import relay_gain
from zcanalysis.charts.relay_messages import relay_messages
from zcanalysis.charts.remedy_ranges import remedy_ranges
from zcanalysis.charts.round_trip_times import round_trips
from zcanalysis.charts.sequence_steps import time_sequence
from zcanalysis.charts.stall_cost import stall_cost
from zcanalysis.charts.suspect_bars import cheaper_suspects, suspects
from zcanalysis.charts.sweep_cells import sweep_map
from zcanalysis.charts.sweep_lines import sweep_curve
from zcanalysis.charts.telling_measurements import telling
from zcanalysis.charts.transfer_rate import transfer_rate
from zcanalysis.charts.virtual_speedup import speedup_curves
from zcanalysis.charts.walk_costs import walk_costs
from zcanalysis.charts.walk_gains import walk_gains

__all__ = [
    "ack_delays", "believed", "blasts", "bus_crossings", "cheaper_suspects", "combinations", "compared",
    "cpu_over_time", "critical_path", "flame_changes", "flame_graph", "forecast", "foretold_errors",
    "kernel_beside_model", "ladder", "ladder_categories", "ladders", "latency", "latency_tails", "limits_band",
    "livelock", "odds_matrix", "outcomes", "packet_way", "patch_effect", "piece_costs", "rate_over_time",
    "ratios", "relay_gain", "relay_messages", "remedy_ranges", "round_trips", "share_steps", "speedup_curves",
    "stage_cost", "stall_cost", "suspects", "sweep_curve", "sweep_map", "telling", "time_sequence", "tornado",
    "transfer_rate", "transfer_time", "validation", "volumes", "walk_costs", "walk_gains", "waterfall",
]  # fmt: skip
