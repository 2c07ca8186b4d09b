"""`zcanalysis notebook` without a browser: what it refuses, and a server that only this machine's user can reach."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from zcanalysis.cli import main

CODE = Path(__file__).parent.parent
CARELESS = {
    "ServerApp": {"token": "", "ip": "0.0.0.0", "open_browser": True, "allow_remote_access": True},
    "IdentityProvider": {"token": ""},
}
ADDRESS = re.compile(r"^open +(\S+)$", re.MULTILINE)


def refusal(monkeypatch, capsys, *words: object) -> str:
    """The one line on standard error of a command that ends with status 2."""
    monkeypatch.setattr(sys, "argv", ["zcanalysis", "notebook", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    return said.err


def test_an_unknown_notebook_is_refused_with_those_there_are(monkeypatch, capsys, tmp_path):
    assert "there are 01_quickstart, " in refusal(monkeypatch, capsys, "nothing", "-o", tmp_path / "copies")
    assert not (tmp_path / "copies").exists()


def test_a_taken_port_is_refused(monkeypatch, capsys, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(monkeypatch, capsys, "--port", port, "-o", tmp_path / "copies")
    assert f"port {port} of 127.0.0.1 cannot be had" in said
    assert not (tmp_path / "copies").exists()


def test_a_missing_jupyterlab_is_said(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    assert "JupyterLab is not installed" in refusal(monkeypatch, capsys, "-o", tmp_path / "copies")


def test_a_folder_that_is_a_file_is_refused(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refusal(monkeypatch, capsys, "-o", tmp_path / "file")


def test_the_list_tells_names_and_questions(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["zcanalysis", "notebook", "--list"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert re.search(r"^01_quickstart +Where does the receiver's time go\?$", capsys.readouterr().out, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def started(place: Path):
    """The command, ended whatever happens; the user's configuration is as careless as can be."""
    (place / "cfg").mkdir()
    (place / "cfg" / "jupyter_server_config.json").write_text(json.dumps(CARELESS))
    folders = {f"JUPYTER_{kind.upper()}_DIR": str(place / kind) for kind in ("data", "runtime")}
    environment = os.environ | folders | {"JUPYTER_CONFIG_DIR": str(place / "cfg"), "PYTHONPATH": str(CODE)}
    command = [sys.executable, "-m", "zcanalysis", "notebook", "quickstart", "--no-browser", "-o", "copies"]
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True) as running:  # fmt: skip
        try:
            yield running
        finally:
            running.kill()


def answer_of(url: str, token: str | None) -> tuple[int, object]:
    request = urllib.request.Request(url)
    if token is not None:
        request.add_header("Authorization", f"token {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answered:
            return answered.status, json.load(answered)
    except urllib.error.HTTPError as error:
        return error.code, None


def listening(pid: int) -> set[str]:
    """Local addresses of the process's listening TCP sockets."""
    import psutil

    return {one.laddr.ip for one in psutil.Process(pid).net_connections("tcp") if one.status == "LISTEN"}


def test_it_serves_this_machine_only_with_its_token_and_ends_cleanly(tmp_path):
    import psutil

    with started(tmp_path) as running:
        said = ""
        while "stop       Ctrl-C" not in said:  # the last line: what stands behind it in the buffer would be lost
            line = running.stdout.readline()
            assert line, running.stderr.read()
            said += line
        address = ADDRESS.search(said)
        parts = urlsplit(address[1])
        assert (parts.hostname, parts.path) == ("127.0.0.1", "/lab/tree/notebooks/01_quickstart.ipynb")
        assert listening(running.pid) == {"127.0.0.1"}
        (token,) = parse_qs(parts.query)["token"]
        assert len(token) >= 32
        assert token not in " ".join(psutil.Process(running.pid).cmdline())
        api = f"http://{parts.netloc}/api"
        assert answer_of(f"{api}/contents", None)[0] == 403
        assert answer_of(f"{api}/contents", "guessed")[0] == 403
        status, contents = answer_of(f"{api}/contents", token)
        assert (status, {one["name"] for one in contents["content"]}) == (200, {"notebooks", "traces"})
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
        assert (running.returncode, out, err) == (0, "", "")
