"""Gemini's dialect against a server as strict as Google's: we keep its rules, and read what it sends."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.assembly import Assembly
from gateway.failures import FailureKind
from gateway.providers.dialect import Completion, InvalidCompletion, ProviderError
from gateway.providers.gemini import Gemini, retry_delay
from gateway.sse import SseReader
from routing.pricing import Usage
from tests.vendors.gemini_server import DAILY_KEY, KEY, RunningGemini, running_gemini

MODEL, OLDER = "gemini-3.8-flash", "gemini-2.5-flash"
DIALECT = Gemini()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
PNG = "data:image/png;base64,iVBORw0KGgo="


class Refusal(Exception):
    """A status other than 200."""

    def __init__(self, kind: FailureKind, wait: float | None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.wait = wait


class Vendor:
    """The running server, asked by the dialect."""

    def __init__(self, server: RunningGemini, *, stream: bool) -> None:
        self.server = server
        self.stream = stream

    def ask(self, *messages: Any, model: str = MODEL, secret: str = KEY, **fields: Any) -> Completion:
        """Ask once. A str is what the user says. Raises Refusal, ProviderError and InvalidCompletion."""
        turns = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
        request = DIALECT.request(model, {"messages": turns, **fields}, secret, stream=self.stream)
        headers = {**request.headers, "content-type": "application/json"}
        url = self.server.base_url + request.path
        response = httpx.post(url, content=request.content, headers=headers, trust_env=False)
        if response.status_code != 200:
            kind = DIALECT.failure_kind(response.status_code, response.content)
            raise Refusal(kind, retry_delay(response.content))
        return _assembled(response.content) if self.stream else DIALECT.read(response.content)


def _assembled(raw: bytes) -> Completion:
    reader, assembly = DIALECT.reader(), Assembly()
    for event in SseReader().feed(raw):
        if chunk := reader.read(event):
            assembly.add(chunk)
    if not reader.ended:
        raise InvalidCompletion("no end")
    return assembly.completion()


@pytest.fixture(scope="module")
def server() -> Iterator[RunningGemini]:
    with running_gemini() as running:
        yield running


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def vendor(server: RunningGemini, request: pytest.FixtureRequest) -> Vendor:
    return Vendor(server, stream=request.param)


def test_a_plain_question_is_answered(vendor: Vendor) -> None:
    answer = vendor.ask(
        {"role": "system", "content": "Be brief."}, "Hello", temperature=0.5, max_tokens=20, stop="END"
    )
    assert answer.text == "You asked: Hello"
    assert answer.finish_reason == "stop"
    assert answer.usage == Usage(input_tokens=100, output_tokens=40)
    assert answer.upstream_id == "mAitaLmkHPPlz7IPvtfUqQ4"


def test_the_key_is_not_in_the_address(vendor: Vendor) -> None:
    vendor.ask("Hello")
    last = vendor.server.ledger()[-1]
    assert KEY not in last["path"] + last["query"]
    assert last["query"] == ("alt=sse" if vendor.stream else "")


@pytest.mark.parametrize("model", [MODEL, OLDER])
def test_a_tool_is_called_and_its_result_is_taken(vendor: Vendor, model: str) -> None:
    called = vendor.ask("What weather?", model=model, tools=[TOOL], tool_choice="required")
    assert called.finish_reason == "tool_calls"
    (call,) = called.message["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": '{"city":"Paris"}'}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    answer = vendor.ask("What weather?", called.message, result, model=model, tools=[TOOL])
    assert answer.text == 'It says: [{"output": "sunny"}]'


def test_a_call_whose_signature_the_caller_lost_is_taken(vendor: Vendor) -> None:
    called = vendor.ask("What weather?", tools=[TOOL]).message
    del called["tool_calls"][0]["extra_content"]
    result = {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": '{"sky": "blue"}'}
    assert vendor.ask("What weather?", called, result).text == 'It says: [{"sky": "blue"}]'


def test_thoughts_are_kept_apart_and_counted_as_output(vendor: Vendor) -> None:
    answer = vendor.ask("think, cached", reasoning_effort="high")
    assert answer.message["reasoning_content"] == "First I ponder. "
    assert answer.text == "You asked: think, cached"
    assert answer.usage == Usage(
        input_tokens=100, output_tokens=100, cached_input_tokens=80, reasoning_tokens=60
    )


def test_a_picture_is_seen(vendor: Vendor) -> None:
    image = {"type": "image_url", "image_url": {"url": PNG, "detail": "auto"}}
    answer = vendor.ask({"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]})
    assert answer.text == "I see image/png. You asked: What is it?"


def test_a_schema_is_kept(vendor: Vendor) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "colour", "strict": True, "schema": SCHEMA}}
    assert vendor.ask("A colour", response_format=wanted).text == '{"colour": "green"}'


def test_a_blocked_prompt_is_a_refusal(vendor: Vendor) -> None:
    blocked = vendor.ask("block")
    assert blocked.finish_reason == "content_filter"
    assert blocked.message["refusal"]


@pytest.mark.parametrize(
    ("wish", "kind", "wait"),
    [
        ("fail 429", FailureKind.RATE_LIMITED, 0.2),
        ("fail 402", FailureKind.OUT_OF_QUOTA, None),
        ("fail 500", FailureKind.OVERLOADED, None),
        ("fail long", FailureKind.CONTEXT_LENGTH, None),
    ],
)
def test_failures_are_told_apart(vendor: Vendor, wish: str, kind: FailureKind, wait: float | None) -> None:
    with pytest.raises(Refusal) as refusal:
        vendor.ask(wish)
    assert (refusal.value.kind, refusal.value.wait) == (kind, wait)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"secret": "wrong"}, FailureKind.REFUSED_KEY),
        ({"secret": ""}, FailureKind.REFUSED_KEY),
        ({"secret": DAILY_KEY}, FailureKind.OUT_OF_QUOTA),
        ({"model": "gemini-9"}, FailureKind.UNKNOWN_MODEL),
        ({"stop": list("abcdef")}, FailureKind.REFUSED_REQUEST),
    ],
)
def test_what_the_server_refuses_is_told_apart(
    vendor: Vendor, asked: dict[str, Any], kind: FailureKind
) -> None:
    with pytest.raises(Refusal) as refusal:
        vendor.ask("Hello", **asked)
    assert refusal.value.kind == kind


def test_a_broken_stream_is_no_answer(server: RunningGemini) -> None:
    with pytest.raises(InvalidCompletion):
        Vendor(server, stream=True).ask("break")


def test_an_error_in_a_stream_has_its_kind(server: RunningGemini) -> None:
    with pytest.raises(ProviderError) as error:
        Vendor(server, stream=True).ask("error")
    assert error.value.kind == FailureKind.OVERLOADED
