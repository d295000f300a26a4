import signal
from pathlib import Path

import pytest

from config.devstack import keeper
from config.devstack.keeper import Orders

PLAIN = Orders(name="web", run_dir=Path("/run"), argv=("sleep", "1"))
FULL = Orders(
    name="postgres",
    run_dir=Path("/a home/run"),
    argv=("post gres", "--once", "--", "-D", "it's"),
    once=True,
    lock=Path("/a home/lock"),
    gate=Path("/a home/run/gate"),
    after=("web", "worker"),
    after_s=2.5,
    stop_signal=signal.SIGINT,
    grace_s=1.5,
    nice=10,
    user="nobody",
)


@pytest.mark.parametrize("orders", [PLAIN, FULL])
def test_orders_survive_the_command_line(orders: Orders) -> None:
    line = orders.command_line()
    assert keeper.read_orders(line[line.index(keeper.__file__) + 1 :]) == orders


@pytest.mark.parametrize(
    ("lived_s", "last_pause_s", "pause"),
    [(0.1, 0.0, 0.5), (0.1, 0.5, 1.0), (0.1, 1.0, 2.0), (0.1, 4.0, 5.0), (0.1, 5.0, 5.0), (60.0, 5.0, 0.5)],
)
def test_pauses_grow_until_a_process_has_settled(lived_s: float, last_pause_s: float, pause: float) -> None:
    assert keeper.pause_after(lived_s, last_pause_s) == pause


@pytest.mark.parametrize(("code", "words"), [(-9, "SIGKILL"), (1, "exit code 1"), (0, "exit code 0")])
def test_an_exit_is_told_in_words(code: int, words: str) -> None:
    assert keeper.describe_exit(code) == words


def test_a_missing_lock_is_free(tmp_path: Path) -> None:
    assert keeper.lock_is_free(tmp_path / "none")
