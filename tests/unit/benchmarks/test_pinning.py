from benchmarks.pinning import Cores


def test_the_server_has_one_core_and_everything_else_the_rest() -> None:
    assert Cores.split({0, 1}) == Cores(serving=frozenset({1}), others=frozenset({0}))
    assert Cores.split({4, 2, 7}) == Cores(serving=frozenset({7}), others=frozenset({2, 4}))


def test_one_core_cannot_be_split() -> None:
    assert Cores.split({3}) is None
