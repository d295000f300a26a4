"""The wire format: what callers send and get. Nothing else in the project describes a request body."""

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Strict(BaseModel):
    """No silent conversion ("10" is no number, true is not 1) and no unknown field.

    Of pydantic, not of Ninja: Ninja's own base wraps each value once more, six times the cost (23 for 3.5 us).
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TextPart(Strict):
    type: Literal["text"]
    text: str


class ImageUrl(Strict):
    url: Annotated[str, StringConstraints(min_length=1)]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Strict):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(Strict):
    """One message of a conversation, as OpenAI's chat completions define it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(min_length=1)] | None = None
    name: Name | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: Name | None = None

    @model_validator(mode="after")
    def _has_content(self) -> "Message":
        if self.content in (None, "") and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content must not be empty")
        return self


class CacheControl(Strict):
    """How this request may use the caches. It can only use them less than the tenant's policy allows."""

    mode: Literal["on", "off", "read_only", "refresh"] = "on"
    ttl: Annotated[int, Field(ge=1, le=31_536_000)] | None = Field(
        None, description="Seconds that the answer is kept, at most the tenant's limit."
    )
    max_age: Annotated[int, Field(ge=0, le=31_536_000)] | None = Field(
        None, description="Greatest age in seconds of a cached answer that is accepted."
    )
    tags: Annotated[list[Tag], Field(max_length=16)] = Field(
        default_factory=list, description="Labels of the stored answer, to purge it by."
    )


class ChatRequest(Strict):
    """A question: either `prompt` or `messages`."""

    prompt: Annotated[str, StringConstraints(min_length=1)] | None = None
    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)] | None = None
    model: Name = Field("auto", description="`auto`, a model, an alias, or provider/model.")
    stream: bool = False
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: int | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    tools: Annotated[list[dict[str, Any]], Field(max_length=512)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    user: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    metadata: dict[str, Any] | None = None
    tags: Annotated[list[Tag], Field(max_length=16)] = Field(default_factory=list)
    cache: CacheControl | None = None

    @model_validator(mode="after")
    def _one_question(self) -> "ChatRequest":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self

    def wire_messages(self) -> list[dict[str, Any]]:
        """Return the conversation as upstream gets it; a prompt becomes one user message."""
        if self.messages is None:
            return [{"role": "user", "content": self.prompt}]
        return [message.model_dump(exclude_none=True) for message in self.messages]


_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def _check_message(message: dict[str, Any]) -> dict[str, Any]:
    """Check what the gateway itself reads of a message; all else is the provider's to judge."""
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise ValueError("role must be one of " + ", ".join(sorted(_ROLES)))
    content = message.get("content")
    if content is None:
        if role in ("system", "developer", "user"):
            raise ValueError("content must be a text or a list of parts")
    elif isinstance(content, list):
        if not content or not all(map(_is_part, content)):
            raise ValueError("each part of content needs a type, and a text part its text")
    elif not isinstance(content, str):
        raise ValueError("content must be a text or a list of parts")
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
        raise ValueError("tool_calls must be a list of objects")
    return message


def _is_part(part: object) -> bool:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return False
    return part["type"] != "text" or isinstance(part.get("text"), str)


WireMessage = Annotated[dict[str, Any], AfterValidator(_check_message)]


class StreamOptions(BaseModel):
    """How a stream ends."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    include_usage: bool | None = None


#: Fields by which an upstream that is a router itself (OpenRouter, LiteLLM) takes another model, host or key than
#: the one that the caller's key may use and that is paid for.
_ROUTING_FIELDS = frozenset(
    {"models", "fallbacks", "route", "api_base", "base_url", "api_key", "extra_headers", "user_config"}
)


class CompletionRequest(BaseModel):
    """A question as OpenAI's chat completions put it; `tags` and `cache` are the gateway's own.

    Fields that aren't named here go to the provider as they are, unless they would choose where it goes.
    """

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=1000)]
    model: Name = Field("auto", description="`auto`, a model, an alias, or provider/model.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: int | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[dict[str, Any]], Field(max_length=512)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    user: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    prompt_cache_key: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    safety_identifier: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    metadata: dict[str, Any] | None = None
    tags: Annotated[list[Tag], Field(max_length=16)] = Field(default_factory=list)
    cache: CacheControl | None = None

    @model_validator(mode="after")
    def _goes_nowhere_else(self) -> "CompletionRequest":
        if chosen := _ROUTING_FIELDS.intersection(self.model_extra or ()):
            raise ValueError(f"{min(chosen)} is not taken: where a request goes is chosen by its model alone")
        return self

    def wire_fields(self) -> dict[str, Any]:
        """Return every field that the caller set to something, as it was given."""
        extra = self.model_extra or {}
        named = {name: getattr(self, name) for name in self.model_fields_set if name not in extra}
        return {name: value for name, value in {**named, **extra}.items() if value is not None}


class RouteInfo(Schema):
    complexity: str
    score: float
    rule: str


class CacheInfo(Schema):
    status: Literal["hit_exact", "hit_semantic", "miss", "bypass", "refresh", "error"]
    reason: str | None
    similarity: float | None
    age_s: int | None
    entry: str | None
    stale: Literal[True] | None = Field(
        None, description="True: served past its time, as the tenant allows; else left out."
    )


class UsageInfo(Schema):
    input_tokens: int
    output_tokens: int


class CostInfo(Schema):
    usd: str
    saved_usd: str


class TimingInfo(Schema):
    total: float
    upstream: float


class ChatAnswer(Schema):
    """An answer, where it came from and what it cost."""

    id: str
    answer: str
    model: str
    provider: str
    finish_reason: str
    route: RouteInfo
    cache: CacheInfo
    usage: UsageInfo
    cost: CostInfo
    timings_ms: TimingInfo


class CompletionChoice(Schema):
    index: int
    message: dict[str, Any]
    logprobs: dict[str, Any] | None
    finish_reason: str


class CompletionUsage(Schema):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]
    completion_tokens_details: dict[str, int]


class ChatCompletion(Schema):
    """OpenAI's `chat.completion`; where it came from and what it cost is told by the headers."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage


class ErrorInfo(Schema):
    message: str
    type: str
    code: str
    param: str | None


class ErrorBody(Schema):
    error: ErrorInfo
