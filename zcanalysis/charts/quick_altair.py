"""altair, imported without what takes most of the time and nothing here needs.

altair asks jsonschema, and jsonschema imports rfc3987_syntax where it is installed (JupyterLab brings it), which
compiles 39 grammars of international addresses: 1.4 of 1.9 seconds. A process that imports altair from here does not
check the formats "iri" and "iri-reference"; vega-lite's schema has none, and one that imported jsonschema before keeps
them.
"""

import sys
from typing import Final

GRAMMARS: Final = "rfc3987_syntax"

if "jsonschema" not in sys.modules and GRAMMARS not in sys.modules:
    sys.modules[GRAMMARS] = None  # type: ignore[assignment]  # to import it is an ImportError, which jsonschema expects
    try:
        import altair  # noqa: F401 - whoever comes later has it from here
    finally:
        del sys.modules[GRAMMARS]
