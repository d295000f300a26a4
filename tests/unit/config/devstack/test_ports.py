import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from config.devstack import ports
from config.devstack.home import StackError


def busy(*taken: int) -> Callable[[int], bool]:
    return lambda port: port not in taken


def test_web_takes_8000_when_nothing_was_asked_and_it_is_free() -> None:
    assert ports.choose_web_port(None, busy()) == 8000
    assert ports.choose_web_port("", busy()) == 8000


def test_web_goes_elsewhere_when_8000_is_busy_and_nothing_was_asked() -> None:
    assert ports.choose_web_port(None, busy(8000)) != 8000


def test_an_asked_port_is_taken_even_if_8000_is_free() -> None:
    assert ports.choose_web_port("9123", busy()) == 9123


def test_a_busy_asked_port_is_refused_by_name() -> None:
    with pytest.raises(ports.PortBusyError, match=r"port 9123 \(from PORT\) is in use"):
        ports.choose_web_port("9123", busy(9123))


@pytest.mark.parametrize("asked", ["http", "0", "65536", "-1", "80.5"])
def test_what_is_no_port_is_refused(asked: str) -> None:
    with pytest.raises(StackError, match="not a port number"):
        ports.choose_web_port(asked, busy())


def test_remembered_ports_are_kept_when_free() -> None:
    assert ports.choose_ports(["a", "b"], {"a": 4001, "b": 4002}, free=busy()) == {"a": 4001, "b": 4002}


def test_a_busy_or_taken_remembered_port_is_replaced() -> None:
    chosen = ports.choose_ports(
        ["a", "b", "c"], {"a": 4001, "b": 4002, "c": 4003}, taken={4001}, free=busy(4002)
    )
    assert chosen["a"] != 4001
    assert chosen["b"] != 4002
    assert chosen["c"] == 4003


def test_two_names_never_share_a_port() -> None:
    chosen = ports.choose_ports(["a", "b"], {"a": 4001, "b": 4001}, free=busy())
    assert chosen["a"] != chosen["b"]


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind((ports.LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"a": "no"}'])
def test_a_damaged_file_of_ports_counts_as_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ports.json"
    file.write_text(content)
    assert ports.read_ports(file) == {}


def test_written_ports_are_read_back(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    assert ports.read_ports(file) == {}
    ports.write_ports(file, {"web": 8000})
    assert ports.read_ports(file) == {"web": 8000}
