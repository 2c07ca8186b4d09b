"""Which kernel a host runs, as far as its recording says."""

import re
from typing import Final

from zcanalysis.io.host_facts import HostFacts

VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", re.ASCII)
NO_KERNEL: Final = "the recording does not say which kernel runs"


def at_least(host: HostFacts, *version: int) -> bool | None:
    """Whether the host's kernel is that release or a later one; None when its release is not recorded.

    Examples
    --------
    >>> [at_least(HostFacts(kernel="6.18.44-fc"), *version) for version in ((4, 14), (6, 18, 44), (6, 19))]
    [True, True, False]
    """
    found = VERSION.match(host.kernel or "")
    return None if found is None else tuple(int(part or 0) for part in found.groups()) >= version
