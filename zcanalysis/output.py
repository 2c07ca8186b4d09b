"""Standard output, which may be a pipe whose reader has gone."""

import os
import sys


def write(text: str) -> None:
    """Write to standard output; when its reader has gone, end quietly: nobody is left to tell, and nothing failed."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
