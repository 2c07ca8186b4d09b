"""JupyterLab for this machine alone: on 127.0.0.1, with a token, until Ctrl-C.

It runs in this process, so no argument list shows the token, and nothing is left behind when this process ends.
"""

import os
import secrets
import signal
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from zcanalysis.errors import ZcError
from zcanalysis.own_code import PLACE, our_environment
from zcanalysis.shipped import NOTEBOOKS

HERE_ONLY: Final = "127.0.0.1"


def check_jupyter(port: int | None) -> None:
    """Raise a `ZcError` where JupyterLab is missing or the port is taken.

    Parameters
    ----------
    port
        To listen on; None where any will do.
    """
    if find_spec("jupyterlab") is None:
        raise ZcError("JupyterLab is not installed: pip install jupyterlab")
    if port is None:
        return
    try:
        socket.create_server((HERE_ONLY, port)).close()
    except OSError as error:
        raise ZcError(f"port {port} of {HERE_ONLY} cannot be had: {error.strerror}; another --port?") from None


def serve(folder: Path, opened: str, port: int | None, *, browser: bool, on_ready: Callable[[str], None]) -> None:
    """Run JupyterLab on a folder until it is told to stop, then end its kernels.

    Parameters
    ----------
    folder
        What the file browser shows.
    opened
        The notebook to open first, as a path inside the folder; empty for none.
    port
        None: 8888, or another where that is taken.
    browser
        Whether to open a browser.
    on_ready
        Called once with the address, token included, when it can be opened.
    """
    from jupyterlab.labapp import LabApp

    _let_kernels_import_this_code()
    os.environ.setdefault(
        "JUPYTERLAB_WORKSPACES_DIR", str(folder.resolve() / ".workspaces")
    )  # no tabs of other folders
    page = f"/lab/tree/{opened}" if opened else "/lab"
    token = secrets.token_hex(24)
    app = LabApp.initialize_server(_arguments(folder, page, token, port, browser=browser))
    for told in (signal.SIGINT, signal.SIGTERM):  # Jupyter would ask first, or leave its kernels, as stdin may be
        signal.signal(told, lambda *_: app.stop(from_signal=True))
    app.io_loop.add_callback(on_ready, f"{app.connection_url.rstrip('/')}{page}?token={token}")  # after it listens
    app.start()


def _arguments(folder: Path, page: str, token: str, port: int | None, *, browser: bool) -> list[str]:
    """These go before what the user's own configuration says."""
    chosen = [] if port is None else [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    return [
        f"--ServerApp.root_dir={folder.resolve()}", f"--ServerApp.ip={HERE_ONLY}", "--ServerApp.sock=",
        "--ServerApp.allow_remote_access=False", "--IdentityProvider.auth_enabled=True",
        f"--IdentityProvider.token={token}", f"--LabApp.default_url={page}", f"--ServerApp.open_browser={browser}",
        "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--ServerApp.allow_root=True", "--Application.log_level=ERROR", *chosen,
    ]  # fmt: skip


def _let_kernels_import_this_code() -> None:
    """Kernels start in the notebook's folder: from there a checkout that is not installed would not be found."""
    if NOTEBOOKS.parent == PLACE:  # a checkout
        os.environ |= our_environment()
