"""Which zcanalysis this is, and where it lies: processes started by it must not import another one."""

import os
from pathlib import Path
from typing import Final

VERSION: Final = "0.1.0"
PLACE: Final = Path(__file__).resolve().parents[1]
"""The folder that holds the package: a checkout, or what pip installs into."""


def our_environment() -> dict[str, str]:
    """The environment in which a new interpreter imports this very zcanalysis."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(PLACE), os.environ.get("PYTHONPATH"))))}
