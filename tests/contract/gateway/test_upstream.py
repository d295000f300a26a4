"""What every Upstream does, held against the stand-in and the real client."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.failures import FailureKind, UpstreamFailure
from gateway.testing import ScriptedUpstream
from gateway.upstream import HttpxUpstream, Upstream
from routing.catalog import ProviderAccess
from tests.demo_upstream import Demo, access, key, running_demo, target, within

KEY = key()
BODY = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


@dataclass(frozen=True, kw_only=True)
class Side:
    """An upstream, how it is reached, and how often it was asked."""

    upstream: Upstream
    access: ProviderAccess
    calls: Callable[[], int]


Open = Callable[[str], AbstractAsyncContextManager[Side]]
"""Opens a side; the argument is the fault of the first call: a status, or nothing."""


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running_demo() as running:
        yield running


@pytest.fixture(params=["stand-in", "real"])
def opened(request: pytest.FixtureRequest, demo: Demo) -> Open:
    @asynccontextmanager
    async def real(fault: str) -> AsyncIterator[Side]:
        demo.reset()
        client = HttpxUpstream()
        yield Side(upstream=client, access=access(demo.base_url, key()), calls=demo.calls)
        await client.aclose()

    @asynccontextmanager
    async def stand_in(fault: str) -> AsyncIterator[Side]:
        failures = [UpstreamFailure(FailureKind.OVERLOADED, status=int(fault))] if fault else []
        scripted = ScriptedUpstream(*failures)
        yield Side(upstream=scripted, access=access("", key()), calls=lambda: len(scripted.asked))

    return real if request.param == "real" else stand_in


async def test_an_answer_is_complete_and_counted(opened: Open) -> None:
    async with opened("") as side:
        answer = await side.upstream.ask(target("small-1"), side.access, KEY, BODY, deadlines=within(60))
        assert answer.text == answer.message["content"] == "The capital of France is Paris."
        assert (answer.finish_reason, answer.estimated) == ("stop", False)
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7)
        assert answer.upstream_id
        assert side.calls() == 1


async def test_a_failure_is_raised_once_and_the_next_call_succeeds(opened: Open) -> None:
    async with opened("503") as side:
        model = target("fault:503:1")
        with pytest.raises(UpstreamFailure) as caught:
            await side.upstream.ask(model, side.access, KEY, BODY, deadlines=within(60))
        assert (caught.value.kind, caught.value.status) == (FailureKind.OVERLOADED, 503)
        assert (await side.upstream.ask(model, side.access, KEY, BODY, deadlines=within(60))).text
        assert side.calls() == 2


async def test_after_the_deadline_nobody_is_asked(opened: Open) -> None:
    async with opened("") as side:
        with pytest.raises(UpstreamFailure) as caught:
            await side.upstream.ask(target("small-1"), side.access, KEY, BODY, deadlines=within(-1))
        assert caught.value.kind is FailureKind.TIMEOUT
        assert side.calls() == 0
