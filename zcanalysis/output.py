"""Standard output, which may be a terminal to protect or a pipe whose reader has gone."""

import os
import sys


def printable(text: str, keep: str = "") -> str:
    """Text from a trace without the control characters that could drive a terminal, but for those to `keep`."""
    return "".join(one if one.isprintable() or one in keep else "\N{REPLACEMENT CHARACTER}" for one in text)


def write(text: str) -> None:
    """Write to standard output; when its reader has gone, end quietly: nobody is left to tell, and nothing failed."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
