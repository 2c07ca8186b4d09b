"""Where this very zcanalysis lies, for processes started by it that must not import another one."""

import os
from pathlib import Path
from typing import Final

PLACE: Final = Path(__file__).resolve().parents[1]
"""The folder that holds the package: a checkout, or what pip installs into."""


def our_environment() -> dict[str, str]:
    """The environment in which a new interpreter imports this very zcanalysis."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(PLACE), os.environ.get("PYTHONPATH"))))}
