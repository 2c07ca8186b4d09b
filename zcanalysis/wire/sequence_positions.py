"""Where in one direction's sequence space each packet of a connection stands: bytes from the first number seen."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

RST, ACK = 4, 16
HALF: Final = 1 << 31

Ints = npt.NDArray[np.int64]


class SequencePositions:
    """Fed batch by batch, in file order; 32-bit numbers become positions, each the one nearest to the one before."""

    def __init__(self) -> None:
        self.origin: int | None = None
        """The sequence number from which bytes are counted; None before one was seen."""
        self._near = 0

    def take(self, rows: pl.DataFrame) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Positions of a batch, and which rows have one: those of the sender, and the other side's ACKs, but no RST.

        Parameters
        ----------
        rows
            ``sent`` (by the sender), ``tcp_flags``, ``seq``, ``ack``. A sender's packet stands at its sequence number,
            one of the other side at what it acknowledges.
        """
        sent = rows.get_column("sent").to_numpy()
        flags = rows.get_column("tcp_flags").to_numpy()
        numbers = np.where(sent, rows.get_column("seq").to_numpy(), rows.get_column("ack").to_numpy()).astype(np.int64)
        tells = (sent | ((flags & ACK) != 0)) & ((flags & RST) == 0)
        at = np.zeros(numbers.size, np.int64)
        if tells.any():
            at[tells] = self._unwrapped(numbers[tells])
        return at, tells

    def _unwrapped(self, numbers: Ints) -> Ints:
        if self.origin is None:
            self.origin = int(numbers[0])
        wrapped = np.concatenate([[self._near], numbers - self.origin])
        steps = np.diff(wrapped) & 0xFFFFFFFF
        steps = np.where(steps >= HALF, steps - (1 << 32), steps)
        at: Ints = self._near + np.cumsum(steps)
        self._near = int(at[-1])
        return at
