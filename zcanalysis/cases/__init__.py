"""The systems this house was asked about: each a question of record, answered by the model and by recordings.

A case is a module of this room with a function ``answer()``; `CASES` names it. Its model parts live in `model`, its
hosts in `hosts`, its pictures in `charts`, its argument in the notebook of the same name.
"""

from importlib import import_module
from typing import Final

from zcanalysis.cases.case_answer import CaseAnswer
from zcanalysis.errors import ZcError

CASES: Final[dict[str, str]] = {
    "quadrics": "IP over Quadrics, 2002: sends 1.4 Gbit/s, receives 0.9. Where is the rest, is zero-copy the answer?",
    "kleen_patch": "When does Andi Kleen's patch of June 2002 help, when does it do nothing, and when does it hurt?",
    "pinned_buffers": "A relay stopped copying and gained 60 %: where does that figure come out, and where not?",
    "defragmentation": "NFS over UDP copied every byte three times: what does removing each copy give, and where not?",
    "modern": "The suspects of 2002 on today's kernel, by our own recordings: which costs what, is it the copy?",
    "published": "How near does the arithmetic come to what others published, each row from other rows alone?",
}
"""Name, and the question in one line."""


def case(name: str) -> CaseAnswer:
    """The answer of one of `CASES`, worked out anew.

    Parameters
    ----------
    name
        Its name.

    Raises
    ------
    ZcError
        If there is none of that name.
    """
    if name not in CASES:
        raise ZcError(f"no case {name!r}, there are {', '.join(CASES)}")
    answered: CaseAnswer = import_module(f"zcanalysis.cases.{name}").answer()
    return answered
