"""Pings and copies in a process of their own, which may be killed: `python -m zcanalysis.lab.micro CPU CPU`.

Writes one JSON object: ``pings``, a `PingRound` each, and ``copies``, a `CopyRound` each.
"""

import json
import sys
from typing import Any, Final

from zcanalysis.lab.copies import copy_rounds
from zcanalysis.lab.pings import GAPS_NS, ping_round

ROUNDS: Final = 12


def main() -> None:
    """Rounds in both directions, every gap in each, then the copies."""
    one, other = map(int, sys.argv[1:])
    ways = ((one, other), (other, one))
    ping_round(one, other, GAPS_NS[0])  # compiles, and is thrown away
    pings: list[dict[str, Any]] = []
    for at in range(ROUNDS):
        made = ping_round(*ways[at % 2], GAPS_NS[at // 2 % len(GAPS_NS)])
        pings.append(made._asdict() | {"to_idle": made.to_idle._asdict(), "to_busy": made.to_busy._asdict()})
    copies = [made._asdict() for made in copy_rounds(other)]
    sys.stdout.write(json.dumps({"pings": pings, "copies": copies}))


if __name__ == "__main__":
    main()
