"""The reference: every public name, from its docstring, as pages that load nothing from elsewhere.

Run as ``python -W error -m tests.reference PLACE`` (`make docs`). Public are the names in `__all__`, the tables, the
errors, and the types that the signatures of all these mention.
"""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import Signature
from pathlib import Path
from typing import Any, Final

import altair as alt
import pdoc
import polars as pl
from pdoc.doc import Class, Doc, Function, Module, Variable

import zcanalysis
from zcanalysis.tables import Column, Schema, unit

BESIDE: Final = ("errors", "tables")
ROOMS: Final = ("charts", *BESIDE, "hosts", "patches", "widgets")
KNOWN_AS: Final = {
    "polars": (pl.DataFrame, pl.LazyFrame, pl.Series, pl.Expr, pl.DataType),
    "altair": (alt.Chart, alt.LayerChart, alt.FacetChart, alt.HConcatChart, alt.VConcatChart),
}
"""Classes that live deeper in their package than anybody knows."""
OF_NAMED_TUPLES: Final = ("Alias for field number", "Create new instance of")
OURS: Final = re.compile(r"zcanalysis(?:\.\w+)+")


def main() -> None:
    """Write the pages."""
    place = Path(sys.argv[1])
    for package, classes in KNOWN_AS.items():
        for known in classes:
            known.__module__ = package
    modules = public_modules()
    for module in modules.values():
        tidy(module)
    pdoc.render.configure(docformat="numpy", footer_text=f"zcanalysis {zcanalysis.__version__}")
    for name, module in modules.items():
        page = place / f"{name.replace('.', '/')}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pdoc.render.html_module(module, modules), encoding="utf-8")
    (place / "index.html").write_text(pdoc.render.html_index(modules), encoding="utf-8")
    (place / "search.js").write_text(pdoc.render.search_index(modules), encoding="utf-8")
    print(f"{place / 'index.html'}: {len(modules)} pages")  # noqa: T201 - a command


def public_modules() -> dict[str, Module]:
    """What is public, by module; of modules that are named by their types alone, only these."""
    zcanalysis.__all__ = [*zcanalysis.__all__, *BESIDE]
    vars(zcanalysis).update({name: getattr(zcanalysis, name) for name in zcanalysis.__all__ if name not in ROOMS})
    modules = {name: Module(import_module(name)) for name in ("zcanalysis", *(f"zcanalysis.{room}" for room in ROOMS))}
    while missing := {name for module in modules.values() for name in mentioned(module)} - set(documented(modules)):
        for module, _, name in sorted(found.rpartition(".") for found in missing):
            home: Any = import_module(module)
            home.__all__ = [*(home.__all__ if module in modules else ()), name]
            modules[module] = Module(home)
    return modules


def documented(modules: dict[str, Module]) -> Iterator[str]:
    """The full names of all members, where they are from and where they are public."""
    for place, module in modules.items():
        for name, member in module.members.items():
            yield f"{place}.{name}"
            yield f"{getattr(getattr(member, 'obj', None), '__module__', place)}.{name}"


def mentioned(module: Module) -> Iterator[str]:
    """Full names of this package in the signatures of a module's members."""
    for member in members(module):
        if isinstance(member, Function):
            yield from OURS.findall(str(member.signature))
        elif isinstance(member, Variable):
            yield from OURS.findall(member.annotation_str)


def members(module: Module) -> Iterator[Doc[Any]]:
    """Functions, variables and classes, and what is public in the latter."""
    for member in module.members.values():
        yield member
        if isinstance(member, Class):
            yield from (own for own in member.own_members if own.name == "__init__" or not own.name.startswith("_"))


def tidy(module: Module) -> None:
    """Say what a reader wants to know, and not what Python says where nobody said anything."""
    if module.fullname != "zcanalysis":
        vars(module)["submodules"] = []
    for member in members(module):
        said: dict[str, Any] = vars(member)
        if member.docstring.startswith(OF_NAMED_TUPLES):
            said["docstring"] = ""
        if isinstance(member, Function):
            said["signature"] = without_lambdas(member.signature)
        elif isinstance(member, Variable) and is_table(member.default_value):
            said["docstring"] = "\n\n".join(filter(None, [member.docstring, columns(member.default_value)]))
            said["default_value_str"] = ""  # the same, written as Python


def without_lambdas(signature: Signature) -> Signature:
    """Where a default is a nameless function, dots."""
    shown = (
        one.replace(default=...) if getattr(one.default, "__name__", "") == "<lambda>" else one
        for one in signature.parameters.values()
    )
    return signature.replace(parameters=list(shown))


def is_table(value: object) -> bool:
    """Whether it is a schema of `zcanalysis.tables`."""
    return isinstance(value, dict) and all(isinstance(column, Column) for column in value.values())


def columns(schema: Schema) -> str:
    """A Markdown table of a table's columns."""
    rows = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    for name, column in schema.items():
        meaning = column.meaning.replace("|", "\\|")
        rows.append(f"| `{name}` | {column.dtype} | {unit(name) or ''} | {meaning} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
