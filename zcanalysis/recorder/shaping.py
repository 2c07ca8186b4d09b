"""The rate to which a device's received packets are shaped on this machine, if they are: an ifb with a token bucket."""

import json
from typing import Any, Final

from zcanalysis.rates import BITS_PER_BYTE

EVERYTHING: Final[dict[str, str | None]] = {"matchall": None, "u32": "0"}  # mask of what a filter matches


def redirected_to(filters: str) -> str | None:
    """The device to which an ingress filter sends every packet; None unless exactly that is configured.

    Parameters
    ----------
    filters
        Output of ``tc -j filter show dev DEVICE ingress``.
    """
    acting = [entry for entry in _entries(filters) if entry.get("options", {}).get("actions")]
    if len(acting) != 1 or acting[0].get("protocol") != "all":
        return None
    options, first = acting[0]["options"], acting[0]["options"]["actions"][0]
    chooses_all = options.get("match", {}).get("mask") == EVERYTHING.get(str(acting[0].get("kind")), "none")
    redirects = (first.get("mirred_action"), first.get("direction")) == ("redirect", "egress")
    target: str | None = first.get("to_dev")
    return target if chooses_all and redirects else None


def token_bucket_gbps(qdiscs: str) -> float | None:
    """Rate of a root tbf in the output of ``tc -j qdisc show dev DEVICE``, 1e9 bits per second; None without."""
    for qdisc in _entries(qdiscs):
        rate = qdisc.get("options", {}).get("rate")
        if qdisc.get("kind") == "tbf" and qdisc.get("root") and isinstance(rate, int):
            return rate * BITS_PER_BYTE / 1e9
    return None


def _entries(text: str) -> list[dict[str, Any]]:
    """What `tc -j` printed; empty when it is absent or prints no JSON, which it does for odd names."""
    try:
        entries = json.loads(text)
    except ValueError:
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
