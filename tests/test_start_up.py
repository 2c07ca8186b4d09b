"""Starting is quick because nothing heavy is imported before it is used; public names survive submodules."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import zcanalysis

HEAVY = ("altair", "scipy", "numba", "pyshark", "polars", "jsonschema", "IPython", "ipywidgets")


def modules_after(code: str) -> set[str]:
    """Names in sys.modules after running code in a fresh interpreter."""
    program = f"import sys\n{code}\nprint(*sorted(name.split('.')[0] for name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


def test_import_brings_nothing_heavy():
    assert not modules_after("import zcanalysis") & set(HEAVY)


def test_help_brings_nothing_heavy():
    lines = ["from zcanalysis.cli import main", "sys.argv = ['zcanalysis', '--help']"]
    lines += ["try:", "    main()", "except SystemExit:", "    pass"]
    assert not modules_after("\n".join(lines)) & set(HEAVY)


def test_every_public_name_can_be_had_twice_after_importing_every_submodule():
    for found in pkgutil.walk_packages(zcanalysis.__path__, "zcanalysis."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in zcanalysis.__all__:
        first, second = getattr(zcanalysis, name), getattr(zcanalysis, name)
        assert first is second
        if name not in ("charts", "hosts", "patches", "widgets"):
            assert callable(first), f"{name} is hidden by a submodule"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        zcanalysis.nothing  # noqa: B018 - reading it is the test


@pytest.mark.parametrize("room", ["charts", "widgets", "document"])
def test_charts_do_not_wait_for_grammars_of_addresses(room):
    assert "altair" in (brought := modules_after(f"import zcanalysis.{room}; zcanalysis.charts"))
    assert not brought & {"lark", "rfc3987_syntax"}


def test_who_wants_these_grammars_can_still_have_them():
    assert "lark" in modules_after("import zcanalysis.charts, rfc3987_syntax")
    assert "lark" in modules_after("import jsonschema, zcanalysis.charts")
