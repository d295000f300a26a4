"""Anthropic's dialect against a server as strict as the vendor's: we keep its rules, and read what it sends."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.assembly import Assembly
from gateway.failures import FailureKind
from gateway.providers.anthropic import Anthropic
from gateway.providers.dialect import Completion, InvalidCompletion, ProviderError
from gateway.sse import SseReader
from tests.vendors.anthropic_server import KEY, MODEL, AnthropicServer, Reply, running

DIALECT = Anthropic()
TOOL = {
    "type": "function",
    "function": {
        "name": "sky",
        "parameters": {
            "type": "object",
            "properties": {"at": {"type": "string"}, "hour": {"type": "integer"}},
        },
    },
}
PNG = "data:image/png;base64,iVBORw0KGgo="
LONG = {"type": "text", "text": "Be brief. " * 50, "cache_control": {"type": "ephemeral"}}


class Refusal(Exception):
    """A status other than 200."""

    def __init__(self, kind: FailureKind) -> None:
        super().__init__(kind)
        self.kind = kind


class Vendor:
    """The running server, asked by the dialect."""

    def __init__(self, server: AnthropicServer, base_url: str, *, stream: bool) -> None:
        self.server = server
        self._base_url = base_url
        self._stream = stream

    def ask(self, *messages: Any, model: str = MODEL, secret: str = KEY, **fields: Any) -> Completion:
        """Ask once. A str is what the user says. Raises Refusal, ProviderError and InvalidCompletion."""
        turns = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
        request = DIALECT.request(model, {"messages": turns, **fields}, secret, stream=self._stream)
        headers = {**request.headers, "content-type": "application/json"}
        response = httpx.post(
            self._base_url + request.path, content=request.content, headers=headers, trust_env=False
        )
        if response.status_code != 200:
            raise Refusal(DIALECT.failure_kind(response.status_code, response.content))
        return _assembled(response.content) if self._stream else DIALECT.read(response.content)


def _assembled(raw: bytes) -> Completion:
    reader, assembly = DIALECT.reader(), Assembly()
    for event in SseReader().feed(raw):
        if chunk := reader.read(event):
            assembly.add(chunk)
    if not reader.ended:
        raise InvalidCompletion("no end marker")
    return assembly.completion()


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "streamed"])
def vendor(request: pytest.FixtureRequest) -> Iterator[Vendor]:
    server = AnthropicServer()
    with running(server) as base_url:
        yield Vendor(server, base_url, stream=request.param)


def test_a_plain_question_is_answered(vendor: Vendor) -> None:
    answer = vendor.ask(
        {"role": "system", "content": "Be brief."}, "Hello", "World", temperature=0.5, user="u-1"
    )
    assert answer.text == "You said: Hello World"
    assert answer.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.input_tokens > 0
    assert answer.upstream_id.startswith("msg_")


def test_a_tool_is_called_and_its_result_is_taken(vendor: Vendor) -> None:
    called = vendor.ask("What colour?", tools=[TOOL], tool_choice="auto", parallel_tool_calls=False)
    assert called.finish_reason == "tool_calls"
    (call,) = called.message["tool_calls"]
    assert call["function"] == {"name": "sky", "arguments": '{"at":"seven","hour":7}'}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "blue"}
    answer = vendor.ask("What colour?", called.message, result, "So?", tools=[TOOL])
    assert answer.text == "The tool said: blue"


def test_a_tool_may_be_forced(vendor: Vendor) -> None:
    other = {"type": "function", "function": {"name": "now"}}
    forced = {"type": "function", "function": {"name": "now"}}
    answer = vendor.ask("What time?", tools=[TOOL, other], tool_choice=forced)
    assert answer.message["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}


def test_thinking_goes_on_behind_a_tool(vendor: Vendor) -> None:
    called = vendor.ask("What colour?", tools=[TOOL], reasoning_effort="low")
    assert called.message["reasoning_content"] == "Let me see."
    result = {"role": "tool", "tool_call_id": called.message["tool_calls"][0]["id"], "content": "blue"}
    answer = vendor.ask("What colour?", called.message, result, tools=[TOOL], reasoning_effort="low")
    assert answer.text == "The tool said: blue"
    assert answer.usage is not None
    assert answer.usage.reasoning_tokens > 0


def test_a_schema_is_kept(vendor: Vendor) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "number", "strict": True, "schema": schema}}
    assert vendor.ask("A number", response_format=wanted).text == '{"n":7}'


@pytest.mark.parametrize("url", [PNG, "https://example.com/a.png"])
def test_an_image_is_seen(vendor: Vendor, url: str) -> None:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    assert vendor.ask({"role": "user", "content": parts}).text == "You said: What is it? (1 image)"


def test_a_document_is_taken(vendor: Vendor) -> None:
    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
    parts = [{"type": "file", "file": file}, {"type": "text", "text": "Sum up"}]
    assert vendor.ask({"role": "user", "content": parts}).text == "You said: Sum up"


def test_what_the_vendor_caches_is_counted_apart(vendor: Vendor) -> None:
    system = {"role": "system", "content": [LONG]}
    written, cached = (vendor.ask(system, "Hello").usage for _ in range(2))
    assert written is not None
    assert cached is not None
    assert written.cache_write_tokens == cached.cached_input_tokens > 500
    assert written.cached_input_tokens == cached.cache_write_tokens == 0
    assert written.input_tokens == cached.input_tokens > cached.cached_input_tokens


def test_every_field_that_is_carried_over_is_taken(vendor: Vendor) -> None:
    fields: dict[str, Any] = {
        "max_completion_tokens": 9,
        "top_p": 0.5,
        "top_k": 5,
        "stop": ["END"],
        "service_tier": "default",
    }
    left_out: dict[str, Any] = {
        "seed": 1,
        "n": 1,
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "logprobs": False,
    }
    assert vendor.ask("Hello", **fields, **left_out).text == "You said: Hello"


def test_an_awkward_history_is_taken(vendor: Vendor) -> None:
    calls = [
        {"id": f"functions.sky:{number}", "type": "function", "function": {"name": "sky", "arguments": ""}}
        for number in (0, 1)
    ]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": ["blue", ""][i]}
        for i, call in enumerate(calls)
    ]
    answer = vendor.ask(
        "Hello",
        " ",
        {"role": "assistant", "content": "", "tool_calls": calls},
        *results,
        {"role": "system", "content": "Be kind."},
        "So?",
        tools=[TOOL],
    )
    assert answer.text == "The tool said: blue"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"secret": "sk-ant-wrong"}, FailureKind.REFUSED_KEY),
        ({"model": "claude-1"}, FailureKind.UNKNOWN_MODEL),
        ({"a_later_field": 1}, FailureKind.REFUSED_REQUEST),
    ],
)
def test_refusals_have_a_kind(vendor: Vendor, fields: dict[str, Any], kind: FailureKind) -> None:
    with pytest.raises(Refusal) as caught:
        vendor.ask("Hello", **fields)
    assert caught.value.kind is kind


def test_an_overloaded_vendor_is_told(vendor: Vendor) -> None:
    vendor.server.replies.append(Reply(status=529, error="overloaded_error", words="Overloaded"))
    with pytest.raises(Refusal) as caught:
        vendor.ask("Hello")
    assert caught.value.kind is FailureKind.OVERLOADED


def test_an_error_behind_a_good_status_is_one(vendor: Vendor) -> None:
    vendor.server.replies.append(Reply(error="rate_limit_error"))
    with pytest.raises(ProviderError) as caught:
        vendor.ask("Hello")
    assert caught.value.kind is FailureKind.RATE_LIMITED


def test_a_refusal_is_filtered_content(vendor: Vendor) -> None:
    vendor.server.replies.append(Reply(blocks=[], stop_reason="refusal"))
    answer = vendor.ask("Hello")
    assert (answer.text, answer.finish_reason) == ("", "content_filter")


def test_a_stream_that_is_cut_has_not_ended() -> None:
    server = AnthropicServer()
    server.replies.append(Reply(cut=True))
    with running(server) as base_url, pytest.raises(InvalidCompletion, match="no end marker"):
        Vendor(server, base_url, stream=True).ask("Hello")
