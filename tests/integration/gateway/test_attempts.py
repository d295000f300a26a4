"""Retries, keys and fallbacks against upstreams over real HTTP that count their calls; no test waits."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.attempts import Answered, Chance, Failed, Question, RetryBudget, ask_with_retries
from gateway.failures import FailureKind, UpstreamFailure
from gateway.providers.dialect import Chunk
from gateway.testing import ScriptedUpstream
from gateway.upstream import HttpxUpstream, Upstream
from routing.catalog import EncryptedKey, ProviderAccess, Target
from routing.health import LANE_RULES, Health, Lane, Outcome, lane_of
from tests.demo_upstream import Demo, access, key, target
from tests.keyed_upstream import KeyedUpstream, Manner, running_keyed_upstream

BODY = {"messages": [{"role": "user", "content": "What is the capital of Spain?"}]}
SECRETS = ("sk-first-0123456789", "sk-second-0123456789", "sk-third-0123456789")


@dataclass(kw_only=True)
class Caller:
    """A process that asks: its upstream, its health, its budget, and a clock that only sleeping moves."""

    upstream: Upstream
    access: ProviderAccess
    budget: RetryBudget = field(default_factory=RetryBudget)
    waits: list[float] = field(default_factory=list)
    slept: float = 0.0

    def __post_init__(self) -> None:
        self.health = Health(clock=self.clock, dice=lambda: 0.5)

    def clock(self) -> float:
        return time.monotonic() + self.slept

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.slept += seconds

    def wait(self, seconds: float) -> None:
        """Let time pass between calls."""
        self.slept += seconds

    async def ask(
        self,
        *models: str,
        affinity: bytes = b"",
        max_attempts: int = 3,
        seconds: float = 120.0,
        late: float = 0.0,
        passing: Any = None,
        accesses: dict[str, ProviderAccess] | None = None,
    ) -> Answered | Failed:
        targets = [replace(target(model), name=model, total_s=seconds) for model in models]
        return await ask_with_retries(
            self.upstream,
            Question(
                targets=targets,
                accesses={"demo": self.access} if accesses is None else accesses,
                body=BODY,
                started=self.clock() - late,
                max_attempts=max_attempts,
                affinity=lambda: affinity,
            ),
            health=self.health,
            budget=self.budget,
            passing=passing,
            chance=Chance(clock=self.clock, sleep=self.sleep, dice=lambda: 0.5),
        )


def reasons(result: Answered | Failed) -> list[str]:
    return [attempt.reason for attempt in result.attempts]


@pytest.fixture
def caller(upstream: HttpxUpstream, demo: Demo) -> Caller:
    return Caller(upstream=upstream, access=access(demo.base_url, key()))


@pytest.fixture(scope="module")
def served() -> Iterator[KeyedUpstream]:
    with running_keyed_upstream() as serving:
        yield serving


@pytest.fixture
def keyed(served: KeyedUpstream) -> KeyedUpstream:
    """An upstream that treats every key well so far."""
    served.manners.clear()
    served.calls.clear()
    return served


@pytest.fixture
def three(upstream: HttpxUpstream, keyed: KeyedUpstream) -> Caller:
    """Asks with three keys."""
    return Caller(upstream=upstream, access=access(keyed.base_url, *keys()))


def keys() -> list[EncryptedKey]:
    return [key(secret, uid=f"{number}" * 36) for number, secret in enumerate(SECRETS, start=1)]


def conversations(number: int) -> Sequence[bytes]:
    return [f"conversation {each}".encode() for each in range(number)]


# --- One target, one key ----------------------------------------------------------------------------------


async def test_an_answer_at_once_is_one_attempt(caller: Caller, demo: Demo) -> None:
    result = await caller.ask("small-1")
    assert isinstance(result, Answered)
    assert result.answer.text == "The capital of Spain is Madrid."
    (attempt,) = result.attempts
    assert (attempt.target, attempt.key) == ("demo/small-1", "key-1")
    assert (attempt.reason, attempt.status) == ("ok", 200)
    assert demo.calls() == 1


async def test_a_rate_limit_is_waited_out(caller: Caller, demo: Demo) -> None:
    result = await caller.ask("fault:429:2:1")
    assert isinstance(result, Answered)
    assert reasons(result) == ["rate_limited", "rate_limited", "ok"]
    # The rest of the lane (Retry-After and some jitter) plus half of 0.5 s, then of 1 s.
    assert caller.waits == [pytest.approx(1.3, abs=0.1), pytest.approx(1.55, abs=0.1)]
    assert demo.calls() == 3


async def test_server_errors_are_retried_until_the_attempts_are_used_up(caller: Caller, demo: Demo) -> None:
    result = await caller.ask("fault:500")
    assert isinstance(result, Failed)
    assert (result.kind, result.attempts[0].status) == (FailureKind.OVERLOADED, 500)
    assert reasons(result) == ["overloaded"] * 3
    assert caller.waits == [0.25, 0.5]
    assert demo.calls() == 3


async def test_a_server_errors_retry_after_is_the_least_wait(three: Caller, keyed: KeyedUpstream) -> None:
    keyed.manners["small-1"] = Manner(status=503, headers={"retry-after": "7"}, times=1)
    result = await three.ask("small-1")
    assert isinstance(result, Answered)
    assert three.waits == [7.25]


async def test_a_wait_beyond_the_deadline_is_not_begun(caller: Caller, demo: Demo) -> None:
    result = await caller.ask("fault:429:9:3600")
    assert isinstance(result, Failed)
    assert (result.kind, result.retry_after) == (FailureKind.RATE_LIMITED, 3600.0)
    assert caller.waits == []
    assert demo.calls() == 1


async def test_an_hours_limit_is_not_cut_short_by_what_health_remembers_of_it(
    caller: Caller, demo: Demo
) -> None:
    result = await caller.ask("fault:429:1:600", seconds=500.0)
    assert isinstance(result, Failed)
    assert demo.calls() == 1


async def test_a_refused_request_is_final(caller: Caller, demo: Demo) -> None:
    result = await caller.ask("fault:400", "small-1")
    assert isinstance(result, Failed)
    assert result.kind is FailureKind.REFUSED_REQUEST
    assert demo.calls() == 1


async def test_a_timeout_at_the_deadline_ends_everything(caller: Caller, demo: Demo) -> None:
    result = await caller.ask("fault:hang", "small-1", seconds=1.0)
    assert isinstance(result, Failed)
    assert result.kind is FailureKind.TIMEOUT
    assert demo.calls() == 1


async def test_a_provider_that_is_no_longer_active_is_passed_over(caller: Caller, demo: Demo) -> None:
    result = await caller.ask("small-1", accesses={})
    assert isinstance(result, Failed)
    assert (result.kind, result.attempts) == (FailureKind.CONNECT, ())
    assert demo.calls() == 0


# --- The next target --------------------------------------------------------------------------------------


async def test_the_next_target_is_asked_when_one_fails(caller: Caller, demo: Demo) -> None:
    result = await caller.ask("fault:html", "fault:badjson", "large-1")
    assert isinstance(result, Answered)
    assert result.target.upstream_name == "large-1"
    assert reasons(result) == ["invalid_response", "invalid_response", "ok"]
    assert demo.calls() == 3


async def test_a_long_wait_is_not_begun_while_there_is_another_target(
    three: Caller, keyed: KeyedUpstream
) -> None:
    keyed.manners["small-1"] = Manner(status=503, headers={"retry-after": "7"})
    result = await three.ask("small-1", "large-1")
    assert isinstance(result, Answered)
    assert (reasons(result), three.waits) == (["overloaded", "ok"], [])


@pytest.mark.parametrize(
    "kind", [FailureKind.CONTEXT_LENGTH, FailureKind.UNSUPPORTED, FailureKind.UNKNOWN_MODEL]
)
async def test_what_is_nobodys_fault_goes_on_to_the_next_target_for_nothing(kind: FailureKind) -> None:
    failures = [UpstreamFailure(kind, status=400) for _ in range(20)]
    caller = Caller(upstream=ScriptedUpstream(), access=access("http://127.0.0.1:9/v1", key()))
    caller.budget = RetryBudget(ratio=0.0, reserve=0.0)
    for failure in failures:
        caller.upstream = ScriptedUpstream(failure)
        result = await caller.ask("small-1", "large-1")
        assert reasons(result) == [kind.value, "ok"]
    assert caller.health.rests() == {}


async def test_a_target_that_took_long_is_not_asked_again_while_there_is_another() -> None:
    caller = Caller(upstream=ScriptedUpstream(), access=access("http://127.0.0.1:9/v1", key()))

    class SlowThenGood(ScriptedUpstream):
        async def ask(self, target: Target, *rest: Any, **more: Any) -> Any:
            if target.name == "slow":
                caller.wait(2.0)
                raise UpstreamFailure(FailureKind.CONNECT, detail="no answer")
            return await super().ask(target, *rest, **more)

    caller.upstream = SlowThenGood()
    assert reasons(await caller.ask("slow", "good")) == ["connect", "ok"]
    assert reasons(await caller.ask("slow")) == ["connect"] * 3


class Begun:
    """Passing whose first piece is on its way."""

    def __init__(self) -> None:
        self.begun = False
        self.told: list[Sequence[Any]] = []

    async def pass_on(self, target: Target, attempts: Sequence[Any], chunk: Chunk) -> None:
        self.told.append(attempts)
        self.begun = True


class BreaksOff(ScriptedUpstream):
    """Streams one piece, then breaks off."""

    kind = FailureKind.TRUNCATED

    async def ask(self, *given: Any, on_chunk: Any = None, **more: Any) -> Any:
        self.asked.append(("", {}))
        await on_chunk(Chunk(choices=()))
        raise UpstreamFailure(self.kind, status=200)


@pytest.mark.parametrize(
    ("kind", "state"), [(FailureKind.TRUNCATED, "resting"), (FailureKind.TIMEOUT, "ready")]
)
async def test_a_stream_that_is_longer_than_its_call_may_take_is_not_the_upstreams_fault(
    kind: FailureKind, state: str
) -> None:
    upstream = BreaksOff()
    upstream.kind = kind
    caller = Caller(upstream=upstream, access=access("http://127.0.0.1:9/v1", one := key()))
    for _ in range(LANE_RULES.failures_in_a_row):
        # The answer is long, or whoever asked for it reads slowly.
        assert reasons(await caller.ask("small-1", passing=Begun())) == [kind.value]
    assert caller.health.look(lane_of("demo/small-1", one)).state == state


async def test_once_a_piece_was_passed_on_there_is_no_other_attempt() -> None:
    upstream = BreaksOff()
    caller = Caller(upstream=upstream, access=access("http://127.0.0.1:9/v1", *keys()))
    passing = Begun()
    result = await caller.ask("small-1", "large-1", passing=passing)
    assert isinstance(result, Failed)
    assert (result.kind, result.retry_after, len(upstream.asked)) == (FailureKind.TRUNCATED, None, 1)
    assert [[attempt.reason for attempt in attempts] for attempts in passing.told] == [["ok"]]


async def test_a_stream_that_fails_before_its_first_piece_goes_on_elsewhere() -> None:
    upstream = ScriptedUpstream(UpstreamFailure(FailureKind.STALLED, status=200))
    caller = Caller(upstream=upstream, access=access("http://127.0.0.1:9/v1", key()))
    passing = Begun()
    assert reasons(await caller.ask("small-1", "large-1", passing=passing)) == ["stalled", "ok"]
    assert [attempt.reason for attempt in passing.told[0]] == ["stalled", "ok"]


# --- Several keys -----------------------------------------------------------------------------------------


async def test_a_conversation_stays_on_its_key(three: Caller, keyed: KeyedUpstream) -> None:
    used = {
        conversation: {(await three.ask("small-1", affinity=conversation)).attempts[0].key for _ in range(4)}
        for conversation in conversations(12)
    }
    assert all(len(each) == 1 for each in used.values())
    assert len(set().union(*used.values())) == 3


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        (Manner(status=401), "refused_key"),
        (Manner(status=403), "refused_key"),
        (Manner(status=429, code="insufficient_quota"), "out_of_quota"),
        (Manner(status=429, headers={"retry-after": "30"}), "rate_limited"),
        (Manner(status=500), "overloaded"),
    ],
)
async def test_one_key_dead_of_three_is_hardly_noticed(
    three: Caller, keyed: KeyedUpstream, manner: Manner, reason: str
) -> None:
    dead = SECRETS[1]
    keyed.manners[dead] = manner
    answered, failures = 0, set()
    warm = 0
    for number, conversation in enumerate(conversations(400)):
        if number == 60:
            warm = keyed.calls[dead]
        result = await three.ask("small-1", affinity=conversation)
        answered += isinstance(result, Answered)
        failures |= {attempt.reason for attempt in result.attempts} - {"ok"}
        three.wait(0.05)
    assert answered >= 0.995 * 400
    assert failures == {reason}
    # Three failures in a row and its probes until then.
    assert 0 < warm <= 6
    assert keyed.calls[dead] - warm <= 0.02 * 340
    assert keyed.calls["all"] <= 1.25 * 400


async def test_a_healed_key_is_back_within_two_probes(three: Caller, keyed: KeyedUpstream) -> None:
    keyed.manners[SECRETS[0]] = Manner(status=500)
    for conversation in conversations(60):
        await three.ask("small-1", affinity=conversation)
    keyed.manners.clear()
    before = keyed.calls[SECRETS[0]]
    three.wait(LANE_RULES.longest_rest_s)
    results = [await three.ask("small-1", affinity=conversation) for conversation in conversations(60)]
    assert all(reasons(result) == ["ok"] for result in results)
    assert keyed.calls[SECRETS[0]] - before >= 10


async def test_a_key_that_is_out_is_not_asked_at_another_target_either(
    three: Caller, keyed: KeyedUpstream
) -> None:
    for secret in SECRETS[:2]:
        keyed.manners[secret] = Manner(status=401)
    for conversation in conversations(12):
        assert isinstance(await three.ask("small-1", affinity=conversation), Answered)
    asked = [keyed.calls[secret] for secret in SECRETS[:2]]
    assert asked == [1, 1]
    for conversation in conversations(12):
        assert reasons(await three.ask("large-1", affinity=conversation)) == ["ok"]
    assert [keyed.calls[secret] for secret in SECRETS[:2]] == asked


async def test_a_rate_limit_of_one_model_leaves_the_keys_other_models_alone(
    three: Caller, keyed: KeyedUpstream
) -> None:
    keyed.manners["small-1"] = Manner(status=429, headers={"retry-after": "60"})
    result = await three.ask("small-1", "large-1")
    assert reasons(result) == ["rate_limited", "rate_limited", "rate_limited", "ok"]
    assert three.waits == []
    assert reasons(await three.ask("small-1", "large-1")) == ["ok"]


async def test_no_call_is_made_before_a_retry_after_has_passed(three: Caller, keyed: KeyedUpstream) -> None:
    limited = SECRETS[2]
    keyed.manners[limited] = Manner(status=429, headers={"retry-after": "20"}, times=1)
    for conversation in conversations(12):
        await three.ask("small-1", affinity=conversation)
    assert keyed.calls[limited] == 1
    three.wait(18.0)
    for conversation in conversations(12):
        await three.ask("small-1", affinity=conversation)
    assert keyed.calls[limited] == 1
    three.wait(4.0)
    for conversation in conversations(12):
        await three.ask("small-1", affinity=conversation)
    assert keyed.calls[limited] > 1


# --- Everything rests -------------------------------------------------------------------------------------


async def test_a_lone_key_that_was_refused_is_tried_by_one_call_at_a_time(
    upstream: HttpxUpstream, keyed: KeyedUpstream
) -> None:
    caller = Caller(upstream=upstream, access=access(keyed.base_url, key(SECRETS[0])))
    keyed.manners[SECRETS[0]] = Manner(status=401, times=3)
    for _ in range(3):
        result = await caller.ask("small-1")
        assert isinstance(result, Failed)
        assert result.kind is FailureKind.REFUSED_KEY
    assert isinstance(await caller.ask("small-1"), Answered)
    assert caller.health.rests() == {}


async def test_while_one_call_tries_the_others_are_told_when_to_come_back() -> None:
    caller, lane = failing_lane()
    assert await caller.health.claim(lane, early=True)
    result = await caller.ask("small-1")
    assert isinstance(result, Failed)
    assert (result.kind, result.attempts) == (FailureKind.RESTING, ())
    assert result.retry_after is not None
    assert 1.0 <= result.retry_after <= 30.0


async def test_a_call_that_comes_during_a_short_rate_limit_waits_for_its_end(
    three: Caller, keyed: KeyedUpstream
) -> None:
    keyed.manners["small-1"] = Manner(status=429, headers={"retry-after": "3"}, times=3)
    await three.ask("small-1", max_attempts=3, seconds=1.0)
    assert reasons(await three.ask("small-1")) == ["ok"]
    assert len(three.waits) == 1
    assert 2.5 <= three.waits[0] <= 4.0


async def test_a_call_that_comes_during_a_long_rate_limit_is_told_to_come_back(
    three: Caller, keyed: KeyedUpstream
) -> None:
    keyed.manners["small-1"] = Manner(status=429, headers={"retry-after": "60"})
    await three.ask("small-1")
    asked = keyed.calls["all"]
    result = await three.ask("small-1")
    assert isinstance(result, Failed)
    assert (result.kind, result.retry_after, three.waits) == (FailureKind.RESTING, 30.0, [])
    assert keyed.calls["all"] == asked


async def test_a_caller_who_hangs_up_gives_the_probe_back() -> None:
    caller, _ = failing_lane()

    class HangsUp(ScriptedUpstream):
        async def ask(self, *given: Any, **more: Any) -> Any:
            raise asyncio.CancelledError

    answering, caller.upstream = caller.upstream, HangsUp()
    with pytest.raises(asyncio.CancelledError):
        await caller.ask("small-1")
    caller.upstream = answering
    assert reasons(await caller.ask("small-1")) == ["ok"]


def failing_lane() -> tuple[Caller, Lane]:
    """A caller of one target under one key, whose circuit is open."""
    caller = Caller(upstream=ScriptedUpstream(), access=access("http://127.0.0.1:9/v1", one := key()))
    lane = lane_of("demo/small-1", one)
    for _ in range(LANE_RULES.failures_in_a_row):
        caller.health.note(lane, Outcome.FAILED)
    return caller, lane


async def test_a_timeout_of_a_call_that_had_little_time_left_is_not_the_upstreams_fault() -> None:
    for left, state in ((1.0, "ready"), (100.0, "resting")):
        caller = Caller(upstream=ScriptedUpstream(), access=access("http://127.0.0.1:9/v1", one := key()))
        for _ in range(LANE_RULES.failures_in_a_row):
            caller.upstream = ScriptedUpstream(UpstreamFailure(FailureKind.TIMEOUT))
            await caller.ask("small-1", max_attempts=1, late=120.0 - left)
        assert caller.health.look(lane_of("demo/small-1", one)).state == state


async def test_many_calls_at_once_all_get_over_a_refused_key(three: Caller, keyed: KeyedUpstream) -> None:
    keyed.manners[SECRETS[1]] = Manner(status=401)
    asked = [three.ask("small-1", affinity=conversation) for conversation in conversations(90)]
    results = await asyncio.gather(*asked)
    assert all(isinstance(result, Answered) for result in results)


# --- Outages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("models", [("small-1",), ("small-1", "large-1")])
@pytest.mark.parametrize("number_of_keys", [1, 3])
async def test_an_outage_of_a_minute_is_not_answered_by_a_flood(
    upstream: HttpxUpstream, keyed: KeyedUpstream, models: tuple[str, ...], number_of_keys: int
) -> None:
    caller = Caller(upstream=upstream, access=access(keyed.base_url, *keys()[:number_of_keys]))
    for model in models:
        keyed.manners[model] = Manner(status=503)
    calls = 400
    began = caller.clock()
    for number, conversation in enumerate(conversations(calls)):
        caller.slept += max(0.0, began + number * 60.0 / calls - caller.clock())
        result = await caller.ask(*models, affinity=conversation)
        assert isinstance(result, Failed)
        assert len(result.attempts) <= 3 * len(models)
    assert keyed.calls["all"] <= 1.25 * calls


async def test_a_target_that_is_down_is_passed_over_and_found_when_it_is_back(
    three: Caller, keyed: KeyedUpstream
) -> None:
    keyed.manners["small-1"] = Manner(status=503)
    answered = 0
    for conversation in conversations(200):
        result = await three.ask("small-1", "large-1", affinity=conversation)
        answered += isinstance(result, Answered)
        three.wait(0.05)
    assert answered >= 0.995 * 200
    assert keyed.calls["small-1"] <= 0.25 * 200
    keyed.manners.clear()
    three.wait(LANE_RULES.longest_rest_s)
    for conversation in conversations(12):
        await three.ask("small-1", "large-1", affinity=conversation)
    assert (await three.ask("small-1", "large-1", affinity=b"one more")).attempts[0].target == "demo/small-1"
