"""Our own patches, by subject."""

from collections.abc import Mapping
from typing import Final

from zcanalysis.patches import entries_arrival as arrival
from zcanalysis.patches import entries_reading as reading
from zcanalysis.patches.entry import Entry

GROUPS: Final[Mapping[str, tuple[Entry, ...]]] = {
    "packets and checksums": arrival.PACKETS,
    "device and bus": arrival.DEVICE,
    "acknowledgements and window": arrival.ACKS,
    "copies": reading.COPIES,
    "where work runs": reading.PLACES,
    "reader": reading.READER,
    "bounds and virtual changes": reading.BOUNDS,
}
CATALOGUE: Final[Mapping[str, Entry]] = {entry.name: entry for group in GROUPS.values() for entry in group}
