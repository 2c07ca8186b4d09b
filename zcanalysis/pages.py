"""HTML pages from our templates, in which every text is escaped, written so that nobody sees half of one."""

from pathlib import Path
from typing import Any

from zcanalysis.errors import TraceError
from zcanalysis.whole_file import appearing_whole


def rendered(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever a template shows
    """A page from one of our templates; text is escaped.

    Parameters
    ----------
    template
        Name of the file.
    values
        What it shows.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(
        loader=PackageLoader("zcanalysis", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
    )
    return environment.get_template(template).render(values)


def write_text(file: Path, page: str) -> None:
    """Write a page; whoever looks meanwhile sees what was there before.

    Parameters
    ----------
    file
        Where.
    page
        HTML.

    Raises
    ------
    TraceError
        If the file cannot be written.
    """
    try:
        with appearing_whole(file) as part:
            part.write_text(page, encoding="utf-8")
    except OSError as error:
        raise TraceError(f"{file}: cannot be written: {error.strerror or error}") from error
