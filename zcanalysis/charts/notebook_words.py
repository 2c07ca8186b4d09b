"""What a notebook's page says in words: an answer with its conclusion first, and what of the headline was checked."""

import re
from collections.abc import Mapping
from typing import Final

from IPython.display import Markdown

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


def holding(checks: Mapping[str, bool]) -> Markdown:
    """The claims of a headline as a list, each of which holds.

    Parameters
    ----------
    checks
        By the claim, whether it does.

    Raises
    ------
    AssertionError
        If one does not; it names those.
    """
    failed = [claim for claim, holds in checks.items() if not holds]
    assert not failed, failed
    return Markdown("\n".join(f"- {claim}: holds" for claim in checks))  # type: ignore[no-untyped-call]
