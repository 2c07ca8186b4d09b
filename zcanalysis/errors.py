"""What a caller may catch: every failure of ours is a `ZcError`."""


class ZcError(Exception):
    """Something the user gave us cannot be used; the message is one line that says what, where and what to do."""


class TraceError(ZcError):
    """A trace, capture or recording cannot be read."""


class TableError(ZcError):
    """A table does not have the columns its schema promises."""


class HostError(ZcError):
    """The machine lacks a tool, a permission or a device that the command needs."""


class PatchError(ZcError, ValueError):
    """There is no such patch, or it cannot have that value."""


class ExtensionError(ZcError):
    """What another distribution adds cannot be used; the message names it."""


class ExtensionWarning(UserWarning):
    """An extension is left out; everything else goes on without it."""


class ImpossibleHostError(ZcError, ValueError):
    """A described host cannot be, or its description cannot be read."""


def last_words(said: bytes | str, otherwise: str) -> str:
    r"""Why a program failed, for a message of one line: the last that it wrote.

    Parameters
    ----------
    said
        All that it wrote on standard error.
    otherwise
        What is said of one that wrote nothing.

    Examples
    --------
    >>> last_words(b"Traceback (most recent call last):\n  ...\nOSError: no space\n\n", "status 1")
    'OSError: no space'
    """
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else otherwise
