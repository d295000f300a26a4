"""A provider that nobody here wrote, and that breaks on request: llmock, spoken to in all three vendors' APIs.

It also judges: whether the gateway waited as long as it was told, and asked again only where that could help.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import uuid4

import httpx
import pytest
from asgiref.sync import sync_to_async
from llmock.chaos import ChaosSettings
from llmock.scenarios import Fail, Reply, SlowFirstToken, StreamFault, ToolCall
from llmock.testing import LLMockServer
from llmock.verdict import judge

from analytics.record import CallRecord
from routing.models import Model, Provider
from routing.services import provider_key_set
from tests.gateway_house import House, bearer
from tests.sse import DONE, events, said

Vendor = Literal["openai", "anthropic", "gemini"]
VENDORS: tuple[Vendor, ...] = get_args(Vendor)
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
VERSIONS = {"openai": "", "anthropic": "/v1", "gemini": "/v1beta"}
SECRET = "sk-adversary-77ab12"
#: Of llmock's findings, those that are about the gateway's manners towards a provider.
BAD_MANNERS = {"retry_after_ignored", "retried_non_retryable", "retry_storm"}


@pytest.fixture(scope="module")
def server() -> Iterator[LLMockServer]:
    with LLMockServer() as running:
        yield running


@dataclass(frozen=True, kw_only=True)
class Adversary:
    """The gateway with one vendor's API behind it, as llmock speaks it."""

    house: House
    server: LLMockServer
    vendor: Vendor

    def will(self, *behaviours: Any) -> None:
        """Have the provider's next answers go like this."""
        self.server.state.scenarios.add(*behaviours)

    async def ask(self, question: str, *, stream: bool = False, **fields: Any) -> httpx.Response:
        body = {
            "model": MODELS[self.vendor],
            "messages": [{"role": "user", "content": question}],
            "stream": stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
            **fields,
        }
        response = await self.house.client.post(
            "/v1/chat/completions", json=body, headers=bearer(self.house.alice)
        )
        await self.house.parts.storer.drain()
        assert SECRET not in response.text + str(response.headers)
        return response

    @property
    def asked(self) -> int:
        """How often the provider was asked."""
        return len(self.server.state.journal.records(wait=0.5))

    @property
    def record(self) -> CallRecord:
        return self.house.records[-1]

    @property
    def reasons(self) -> list[str]:
        """How the attempts of the last call ended."""
        return [attempt["reason"] for attempt in self.record.attempts]

    def findings(self) -> set[str]:
        """What llmock has to say against the gateway."""
        return {finding.code for finding in judge(self.server.state.journal.records(wait=0.5)).findings}


@pytest.fixture(params=VENDORS)
async def adversary(
    house: House, server: LLMockServer, request: pytest.FixtureRequest
) -> AsyncIterator[Adversary]:
    vendor: Vendor = request.param
    server.state.reset()
    await sync_to_async(add_provider)(vendor, server.base_url(vendor) + VERSIONS[vendor])
    await house.parts.policies.refresh()
    yield Adversary(house=house, server=server, vendor=vendor)
    assert not BAD_MANNERS & Adversary(house=house, server=server, vendor=vendor).findings()


def add_provider(vendor: Vendor, base_url: str) -> None:
    provider = Provider.objects.create(slug=vendor, name=vendor, kind=vendor, base_url=base_url)
    provider_key_set(provider, "only", SECRET)
    Model.objects.create(
        provider=provider,
        name=MODELS[vendor],
        upstream_name=MODELS[vendor],
        tier=Model.Tier.CHEAP,
        first_token_seconds=1.0,
        between_chunks_seconds=1.0,
        total_seconds=20.0,
    )


def a_question() -> str:
    """Return one that nobody has asked before."""
    return f"What became of the {uuid4().hex[:8]} expedition?"


async def test_an_answer_is_the_same_whole_and_streamed(adversary: Adversary) -> None:
    question = a_question()
    whole = await adversary.ask(question, cache={"mode": "off"})
    streamed = await adversary.ask(question, stream=True, cache={"mode": "off"})
    assert whole.status_code == streamed.status_code == 200
    assert said(events(streamed.text)) == whole.json()["choices"][0]["message"]["content"] != ""
    assert streamed.text.count(DONE) == 1
    assert adversary.record.output_tokens > 0


async def test_what_was_streamed_is_a_hit_for_whoever_asks(adversary: Adversary) -> None:
    question = a_question()
    first = await adversary.ask(question, stream=True)
    second = await adversary.ask(question)
    assert second.headers["x-gateway-cache"] == "hit_exact"
    assert second.json()["choices"][0]["message"]["content"] == said(events(first.text))
    assert adversary.asked == 1


async def test_a_tool_call_comes_whole_and_in_pieces(adversary: Adversary) -> None:
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    arguments = {"what": "a rather long argument", "times": 3}
    adversary.will(Reply(tool_calls=(ToolCall("find", arguments),), times=2))
    whole = await adversary.ask(a_question(), tools=[tool])
    (call,) = whole.json()["choices"][0]["message"]["tool_calls"]
    streamed = await adversary.ask(a_question(), tools=[tool], stream=True)
    pieces = [
        piece["function"].get("arguments", "")
        for event in events(streamed.text)[:-1]
        for choice in event["choices"]
        for piece in choice["delta"].get("tool_calls", ())
    ]
    assert call["function"]["name"] == "find"
    assert json.loads(call["function"]["arguments"]) == json.loads("".join(pieces)) == arguments
    assert adversary.record.finish_reason == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_rate_limit_is_waited_out(adversary: Adversary, stream: bool) -> None:
    adversary.will(Fail(429, retry_after=1))
    answer = await adversary.ask(a_question(), stream=stream)
    assert answer.status_code == 200
    assert adversary.reasons == ["rate_limited", "ok"]
    assert adversary.findings() == set()


async def test_a_rate_limit_that_outlasts_the_call_is_told(adversary: Adversary) -> None:
    adversary.will(Fail(429, retry_after=60, times=None))
    answer = await adversary.ask(a_question())
    assert answer.status_code in (429, 503)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert adversary.asked == 1


async def test_a_passing_failure_is_not_seen(adversary: Adversary) -> None:
    for status in (500, 503, 529):
        adversary.will(Fail(status))
        answer = await adversary.ask(a_question())
        assert (answer.status_code, adversary.reasons) == (200, ["overloaded", "ok"])


async def test_an_outage_is_told_after_a_few_attempts_and_cached_nowhere(adversary: Adversary) -> None:
    question = a_question()
    adversary.will(Fail(503, times=3, message="Our own words about your account"))
    answer = await adversary.ask(question)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "false")
    assert "account" not in answer.text
    assert "retry-after" in answer.headers
    assert adversary.asked <= 3
    assert adversary.findings() <= {"gave_up"}
    # To llmock the same question once more is a retry; here it is another call.
    adversary.server.state.journal.clear()
    assert not (await adversary.ask(question)).headers.get("x-gateway-cache", "").startswith("hit")


async def test_a_refusal_is_asked_once_and_told_in_our_own_words(adversary: Adversary) -> None:
    # The last is of the key, which rests from then on.
    for status, seen in ((400, 400), (422, 400), (404, 502), (401, 502)):
        adversary.will(Fail(status, message="Our own words about your account"))
        before = adversary.asked
        answer = await adversary.ask(a_question())
        assert answer.status_code == seen
        assert "account" not in answer.text
        assert adversary.asked == before + 1


async def test_calls_survive_a_provider_that_fails_now_and_then(
    adversary: Adversary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        adversary.server.state, "chaos", ChaosSettings(error_rate_503=0.05, error_rate_500=0.05)
    )
    answers = [
        answer
        for _ in range(5)
        for answer in await asyncio.gather(*(adversary.ask(a_question()) for _ in range(8)))
    ]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= 38


#: For each way a stream breaks: what callers are told, and how the attempt is recorded.
FAULTS: dict[Any, tuple[str, int, str]] = {
    "disconnect": ("upstream_invalid_response", 502, "truncated"),
    "truncate": ("upstream_invalid_response", 502, "truncated"),
    "malformed": ("upstream_invalid_response", 502, "invalid_response"),
    "stall": ("upstream_stalled", 504, "stalled"),
}


async def test_a_stream_that_breaks_ends_with_an_error_and_is_never_cached(adversary: Adversary) -> None:
    for kind, (code, status, reason) in FAULTS.items():
        question = a_question()
        # Anthropic's first events say nothing; of Google's short answers the sixth event may be the last.
        chunks = 6 if adversary.vendor == "anthropic" else 3
        adversary.will(StreamFault(kind, after_chunks=chunks, stall_seconds=2.0))
        broken = await adversary.ask(question, stream=True)
        *pieces, last = events(broken.text)
        assert (text := said(pieces)) != ""
        assert last["error"]["code"] == code
        assert (adversary.record.status, adversary.record.error_code) == (status, code)
        assert adversary.reasons == [reason]
        assert adversary.record.output_tokens > 0
        again = await adversary.ask(question)
        assert not again.headers["x-gateway-cache"].startswith("hit")
        assert again.json()["choices"][0]["message"]["content"].startswith(text)
        assert (await adversary.ask(question)).headers["x-gateway-cache"] == "hit_exact"


async def test_a_stream_that_breaks_before_its_first_word_is_no_stream_at_all(adversary: Adversary) -> None:
    for kind in ("disconnect", "truncate", "malformed"):
        adversary.will(StreamFault(kind, after_chunks=0))
        answer = await adversary.ask(a_question(), stream=True)
        assert answer.status_code == 502
        assert answer.json()["error"]["code"] == "upstream_invalid_response"
        # Three failures in a row would have the gateway leave the provider alone.
        assert (await adversary.ask(a_question())).status_code == 200


async def test_a_first_word_that_does_not_come_is_a_timeout(adversary: Adversary) -> None:
    adversary.will(SlowFirstToken(2.0, times=None))
    answer = await adversary.ask(a_question(), stream=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert set(adversary.reasons) == {"timeout"}
