"""Names that are hostile, commands that a shell must not take apart, and failures in one line."""

import shlex

import pytest

from zcanalysis.errors import HostError
from zcanalysis.lab.remote.ssh import Machine, complaint, machine_named


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch /tmp/owned", "-l", "", "a b", "a;b", "$(id)", "root@-x", "a\nb", "root@", "a,b", "é"]
)
def test_a_host_that_is_no_name_is_refused(host):
    with pytest.raises(HostError, match="is no host name"):
        machine_named(host)


@pytest.mark.parametrize("host", ["a", "root@10.0.0.1", "fe80::1%eth0", "lab-1.example.org", "user.name@host_1"])
def test_a_host_that_is_a_name_is_taken(host):
    assert machine_named(host).host == host


@pytest.mark.parametrize("python", ["-c", ""])
def test_an_interpreter_that_could_be_an_option_is_refused(python):
    with pytest.raises(HostError, match="is no interpreter"):
        machine_named("a", python)


def test_a_configuration_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(HostError, match="no such file"):
        machine_named("a", config=tmp_path / "absent")


def test_the_shell_there_sees_the_very_arguments():
    arguments = ["echo", "a b", "$(id)", "'; rm -rf /", '{"a": "b"}', "-x"]
    *options, dashes, host, text = Machine("a").command(arguments)
    assert (dashes, host, shlex.split(text)) == ("--", "a", arguments)
    assert options[0] == "ssh"


def test_nobody_is_asked_anything_and_nothing_is_forwarded():
    command = Machine("a").command(["true"])
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ForwardAgent=no", "ClearAllForwardings=yes"} <= set(command)


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (255, "@@@\nWARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.\n", "has changed"),
        (255, "No ED25519 host key is known for a and …\nHost key verification failed.\n", "is not known"),
        (255, "root@a: Permission denied (publickey).\n", "Permission denied"),
        (127, "bash: line 1: /no/python: No such file or directory\n", "--remote-python"),
        (1, "/no/python: Error while finding … No module named 'zcanalysis'\n", "has no complete zcanalysis"),
        (3, "", "failed with status 3"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(status, said, expected):
    line = str(complaint(Machine("a", "/no/python"), status, said))
    assert line.startswith("a: ")
    assert expected in line
    assert "\n" not in line
