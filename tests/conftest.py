"""What many tests look at: the answer of one shipped recording, worked out once."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # the first example compiles; timing decides no test
settings.load_profile("house")

TRACES = Path(__file__).parent.parent / "traces"


@pytest.fixture(scope="session")
def shipped_answer():
    """Of traces/veth-1500; whoever changes it changes it for all."""
    from zcanalysis.answer import answered
    from zcanalysis.io.recording import read_recording

    return answered(read_recording(TRACES / "veth-1500"))
