import re

import pytest

from tests.hosts.examples import host_of_linux6, host_of_linux24
from zcanalysis.errors import ImpossibleHostError
from zcanalysis.hosts import Price, host_text, parse_host, read_host, write_host
from zcanalysis.hosts.toml_text import MOST_BYTES

HOSTS = {"linux-6": host_of_linux6(), "linux-2.4": host_of_linux24()}
ODD_TEXT = 'a "quoted" \\ back\nslash\ttab\r\x00\x1b\x7f\x85 é 漢 🦆 \\u0041 #=[]'


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_what_was_written_is_read_again(host, tmp_path):
    write_host(host, tmp_path / "host.toml")
    assert read_host(str(tmp_path / "host.toml")) == host


def test_any_text_survives(tmp_path):
    host = host_of_linux6(name=ODD_TEXT, about=ODD_TEXT * 2)
    host = host.with_price("copy.ns_per_byte", Price(0.1, 0.05, 1e-1, "published", ODD_TEXT))
    write_host(host, tmp_path / "host.toml")
    assert read_host(tmp_path / "host.toml") == host


def test_every_digit_of_a_price_survives():
    host = host_of_linux6().with_price("tcp.ack_ns", Price(1 / 3, 5e-324, 1e10, "calibrated"))
    assert parse_host(host_text(host)) == host


def edited(pattern, replacement, generation="linux-6"):
    text, found = re.subn(pattern, replacement, host_text(HOSTS[generation]), count=1, flags=re.MULTILINE)
    assert found == 1
    return text


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"^\[copy\]", "[copy]\nspeed = 3", "copy.speed is unknown: ns_per_byte, packet_ns, free_packets"),
        (r"^\[copy\]", '[copy]\n"a\\nb" = 3', r"copy.a\nb is unknown: ns_per_byte, packet_ns, free_packets"),
        (r"^\[copy\]", "[copyout]", "copyout is unknown: name, generation, about, sender, link"),
        (r"^\[copy\]\n(.*\n)*?\n", "", "section [copy] is missing"),
        (r"^name.*\n", "", "name is missing"),
        (r"^generation.*\n", "", "generation is missing"),
        (r"^generation.*\n", "generation = 6\n", "generation must be linux-2.4 or linux-6, got 6"),
        (r"^window_bytes.*\n", "", "socket.window_bytes is missing"),
        (r"^window_bytes.*\n", "window_bytes = 1000\n", "socket.window_bytes must hold a segment of 1448 bytes"),
        (r"^window_bytes.*\n", "window_bytes = 2e6\n", "socket.window_bytes must be a whole number, got 2000000.0"),
        (r"^window_bytes.*\n", 'window_bytes = "9"\n', "socket.window_bytes must be a whole number, got '9'"),
        (r"^syscall_ns.*\n", "", "reader.syscall_ns is missing"),
        (r"^syscall_ns.*\n", "syscall_ns = 250.0\n", "reader.syscall_ns must be { value, low, high, origin, source }"),
        (r"^syscall_ns = \{ value = 250.0, ", "syscall_ns = { ", "reader.syscall_ns.value is missing"),
        (r"^syscall_ns = \{ value = 250.0", "syscall_ns = { value = -250", "reader.syscall_ns: value must be 0 to"),
        (r"^syscall_ns = \{ value = 250.0", "syscall_ns = { value = nan", "reader.syscall_ns: value must be 0 to"),
        (r"^syscall_ns = \{ value = 250.0", "syscall_ns = { value = true", "reader.syscall_ns: value must be a number"),
        (r"^syscall_ns = \{ value", "syscall_ns = { unit = 1, value", "reader.syscall_ns.unit is unknown: value, low"),
        (r"^about.*\n(.*\n)*\Z", "sender = 3\n", "sender must be a table, got 3"),
        (r"^cpus = .*", 'cpus = ["a"]', "queues[0].cpus must name CPUs >= 0, got ['a']"),
        (r"^cpus = .*", "cpus = 0", "queues[0].cpus must be a list of CPUs, got 0"),
        (r"^\[\[queues\]\]", "[queues]", "queues must be an array of tables"),
        (r"^generation", "generation = 1\ngeneration", "is no TOML: Cannot overwrite a value (at line 3, column 23)"),
        (r"^name = ", "name = [", "is no TOML: "),
        (r"^name = .*", "name = 1" + "0" * 5000, "is no TOML: "),
        (r"^name = .*", "name = " + "[" * 100_000, "is no TOML: "),
        (r"^name = .*", f"name = {[1] * 10_000}", "name must be a text, got [1, 1, 1, 1, 1, 1, ...]"),
        (r"^name = .*", f"name = 'a'\n{'b' * 10_000} = 1", "bbbbbbbbbbbb...bbbbbbbbbbbbb is unknown: name"),
    ],
)
def test_a_text_that_is_no_host_says_where(tmp_path, pattern, replacement, message):
    file = tmp_path / "host.toml"
    file.write_text(edited(pattern, replacement.replace("\\", "\\\\")))
    with pytest.raises(ImpossibleHostError) as error:
        read_host(file)
    assert str(error.value).startswith(f"{file}: {message}")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_an_optional_section_may_be_left_out():
    assert parse_host(edited(r"^\[scheduler\]\n(.*\n)*?\n", "")) == HOSTS["linux-6"]


def test_a_huge_file_is_not_read_to_its_end(tmp_path):
    with (tmp_path / "huge.toml").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ImpossibleHostError, match="is larger than 1 MB, expected the description of a host"):
        read_host(tmp_path / "huge.toml")
    (tmp_path / "largest.toml").write_text(host_text(HOSTS["linux-6"]).ljust(MOST_BYTES, "\n"))
    assert read_host(tmp_path / "largest.toml") == HOSTS["linux-6"]


def test_what_is_no_file_or_no_text_says_so(tmp_path):
    with pytest.raises(ImpossibleHostError, match=r"none.toml: No such file or directory"):
        read_host(tmp_path / "none.toml")
    with pytest.raises(ImpossibleHostError, match="Is a directory"):
        read_host(tmp_path)
    with pytest.raises(ImpossibleHostError, match="embedded null byte"):
        read_host("a\0b")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(ImpossibleHostError, match=r"latin.toml: is no text \(UTF-8\): byte 8"):
        read_host(tmp_path / "latin.toml")
    with pytest.raises(ImpossibleHostError, match="No such file or directory"):
        write_host(HOSTS["linux-6"], tmp_path / "none" / "host.toml")


def test_a_name_that_is_no_unicode_is_not_written_by_half(tmp_path):
    with pytest.raises(ImpossibleHostError):
        write_host(host_of_linux6(name="\udc80"), tmp_path / "host.toml")
    assert not (tmp_path / "host.toml").exists()
