import time

from gateway.call import CacheReport, RouteReport
from gateway.providers.dialect import Chunk
from gateway.relay import Opening, Relay
from routing.catalog import Target
from routing.pricing import Usage

TARGET = Target(
    id=1,
    provider="demo",
    name="small-1",
    upstream_name="small-1",
    tier="cheap",
    context_tokens=1000,
    aliases=(),
    prices=(),
)


def opened() -> Relay:
    relay = Relay()
    relay.open(
        Opening(
            target=TARGET,
            route=RouteReport(complexity="simple", score=0.1, rule="default"),
            cache=CacheReport(status="miss"),
            attempts=(),
            created=0,
            began=time.monotonic(),
            first_token_ms=1.0,
            body={},
        )
    )
    return relay


def piece(usage: Usage | None = None, **delta: object) -> Chunk:
    return Chunk(choices=({"index": 0, "delta": delta, "finish_reason": None},), usage=usage)


async def test_what_was_said_is_text_thoughts_and_arguments_of_tools() -> None:
    relay = opened()
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    for each in (
        piece(role="assistant", reasoning_content="hm, "),
        piece(content="Let me see. "),
        piece(tool_calls=[call]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '{"city":'}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '"Paris"}'}}]),
    ):
        await relay.send(each)
    assert relay.said == 'hm, Let me see. weather{"city":"Paris"}'


async def test_the_last_usage_that_the_provider_told_is_kept() -> None:
    relay = opened()
    for usage in (Usage(input_tokens=9, output_tokens=1), Usage(input_tokens=9, output_tokens=4), None):
        await relay.send(piece(usage, content="a"))
    assert relay.reported == Usage(input_tokens=9, output_tokens=4)
