"""What the catalogue says of one kind of patch."""

from collections.abc import Callable
from typing import Final, NamedTuple

from zcanalysis.io.host_facts import HostFacts
from zcanalysis.patches.patch import Patch, Setting
from zcanalysis.patches.values import Kind

TODAY: Final = frozenset({"linux-6"})
EVERY: Final = TODAY | {"linux-2.4"}


class Entry(NamedTuple):
    """One kind of patch."""

    name: str
    value: Kind
    what: str
    """What it changes, in one line."""
    source: str
    """Where the kernel does it, or who described it."""
    unless: str
    """When it does not apply."""
    on: Callable[[Patch, HostFacts], Setting]
    generations: frozenset[str] = TODAY
    """Receive paths that it has a meaning on."""
