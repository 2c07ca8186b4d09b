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


class ImpossibleHostError(ZcError, ValueError):
    """A described host cannot be, or its description cannot be read."""
