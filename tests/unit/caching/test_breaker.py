from caching.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _opened(clock: Clock) -> Breaker:
    breaker = Breaker(failures_to_open=2, open_seconds=5.0, clock=clock)
    breaker.failed()
    breaker.failed()
    return breaker


def test_it_stays_closed_below_its_number_of_failures() -> None:
    breaker = Breaker(failures_to_open=2, clock=Clock())
    breaker.failed()
    assert breaker.allows()
    assert breaker.state == "closed"


def test_a_success_forgets_the_failures_before_it() -> None:
    breaker = Breaker(failures_to_open=2, clock=Clock())
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state == "closed"


def test_open_it_lets_nothing_pass() -> None:
    breaker = _opened(Clock())
    assert breaker.state == "open"
    assert not breaker.allows()


def test_half_open_it_lets_one_probe_pass_at_a_time() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5.0
    assert breaker.state == "half_open"
    assert [breaker.allows(), breaker.allows()] == [True, False]


def test_a_good_probe_closes_it() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5.0
    breaker.allows()
    breaker.succeeded()
    assert breaker.state == "closed"


def test_a_bad_probe_opens_it_for_another_turn() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5.0
    breaker.allows()
    clock.now += 1.0
    breaker.failed()
    clock.now += 4.9
    assert breaker.state == "open"


def test_a_probe_whose_ending_is_never_told_blocks_only_one_turn() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 5.0
    breaker.allows()
    clock.now += 5.0
    assert breaker.allows()
