"""Numbers out of bytes, for the compiled loops: always signed 64 bits, so that no sum or comparison turns to floats."""

import numpy as np
import numpy.typing as npt

from zcanalysis.io.packet_compile import compiled

Bytes = npt.NDArray[np.uint8]


@compiled
def signed(number: int | np.integer) -> int:
    """Any integer as a signed one of 64 bits."""
    return np.int64(number)  # type: ignore[return-value]


@compiled
def u8(block: Bytes, at: int) -> int:
    """One byte."""
    return signed(block[np.uint64(at)])


@compiled
def u16(block: Bytes, at: int) -> int:
    """Two bytes, most significant first."""
    return (u8(block, at) << 8) | u8(block, at + 1)


@compiled
def u32(block: Bytes, at: int) -> int:
    """Four bytes, most significant first."""
    return (u16(block, at) << 16) | u16(block, at + 2)


@compiled
def u64(block: Bytes, at: int) -> np.uint64:
    """Eight bytes, most significant first."""
    return (np.uint64(u32(block, at)) << np.uint64(32)) | np.uint64(u32(block, at + 4))


@compiled
def u32_in_order(block: Bytes, at: int, big: bool) -> int:
    """Four bytes, most significant first if `big`, else last."""
    if big:
        return u32(block, at)
    return u8(block, at) | (u8(block, at + 1) << 8) | (u8(block, at + 2) << 16) | (u8(block, at + 3) << 24)
