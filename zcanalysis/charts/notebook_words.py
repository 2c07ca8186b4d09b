"""What a notebook's page says in words: an answer with its conclusion first."""

import re
from typing import Final

SENTENCE_END: Final = re.compile(r"(?<=[.!?]) (?=[A-Z`])")


def conclusion_first(text: str) -> str:
    """The first sentence bold, each of the others a bullet; a sentence begins with a capital or with code.

    Parameters
    ----------
    text
        Sentences, as a case says them.

    Examples
    --------
    >>> print(conclusion_first("It does. By 1.5 at most. Of veth only."))
    **It does.**
    <BLANKLINE>
    - By 1.5 at most.
    - Of veth only.
    """
    first, *others = SENTENCE_END.split(text)
    return "\n".join([f"**{first}**", "", *(f"- {other}" for other in others)])
