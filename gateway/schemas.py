"""The wire format: what callers send and get. Nothing else in the project describes a request body."""

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

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


class ErrorInfo(Schema):
    message: str
    type: str
    code: str
    param: str | None


class ErrorBody(Schema):
    error: ErrorInfo
