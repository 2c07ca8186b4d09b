"""What answers in a notebook while a slider moves: tables and charts of the rooms below, in ipywidgets.

Recordings and answers enter, widgets leave; nothing is computed here that a function of the library does not give.
"""

from zcanalysis.widgets.compare_view import compare_view
from zcanalysis.widgets.explorer_widget import explorer
from zcanalysis.widgets.journey_view import journey_view
from zcanalysis.widgets.packet_explorer import packet_explorer
from zcanalysis.widgets.recording_progress import recording_progress
from zcanalysis.widgets.sweep_map import sweep_map

__all__ = ["compare_view", "explorer", "journey_view", "packet_explorer", "recording_progress", "sweep_map"]
