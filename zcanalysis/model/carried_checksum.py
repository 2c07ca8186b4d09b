"""A checksum carried through a relay: the old pseudo header and header are reversed out of it, new ones added."""

import numpy as np

from zcanalysis.model.arrays import Codes


def ones_complement_sum(words: Codes) -> Codes:
    """The Internet's sum of 16-bit words, its carries added back in (RFC 1071); shape (...) of words (..., n).

    Examples
    --------
    >>> hex(int(ones_complement_sum(np.array([0x0001, 0xF203, 0xF4F5, 0xF6F7]))))
    '0xddf2'
    """
    return _folded(words.sum(axis=-1))


def checksum(words: Codes) -> Codes:
    """What a header's field says of pseudo header, header (its field 0) and payload; shape (...) of words (..., n)."""
    return 0xFFFF - ones_complement_sum(words)


def carried_checksum(received: Codes, old_words: Codes, new_words: Codes) -> Codes:
    """The checksum of the same payload behind another header, without a look at the payload.

    Parameters
    ----------
    received
        Shape (...). The field as it arrived.
    old_words, new_words
        Shape (..., n). Pseudo header and header as they were and as they will be, the field itself 0.

    Returns
    -------
    Codes
        Shape (...). Right if the received one was right, wrong if it was wrong: corruption stays visible.

    Notes
    -----
    RFC 1624, equation 3: ``~(~C + ~m + m')``. It holds for a segment that is sent on as it came: where the sender cuts
    other segments (another MSS, what is left of a window) a payload's sum is not known.
    """
    payload = (0xFFFF - received) + (0xFFFF - ones_complement_sum(old_words))
    return 0xFFFF - _folded(payload + ones_complement_sum(new_words))


def _folded(total: Codes) -> Codes:
    """Carries added back in until none is left: three times is enough for 2**32 words."""
    folded = np.asarray(total, dtype=np.int64)
    for _ in range(3):
        folded = (folded & 0xFFFF) + (folded >> 16)
    return folded
