"""What Anthropic's Messages API demands of a request, as documented; whatever else comes is refused.

Sources: https://platform.claude.com/docs/en/api/messages/create, .../api/errors,
.../agents-and-tools/tool-use/handle-tool-calls, .../build-with-claude/structured-outputs, .../prompt-caching
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_FIELDS = {
    "model",
    "max_tokens",
    "messages",
    "system",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "tools",
    "tool_choice",
    "metadata",
    "thinking",
    "output_config",
    "service_tier",
    "cache_control",
}
_BLOCKS = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
}
_BLOCK_FIELDS = {
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control"},
    "document": {"type", "source", "title", "context", "citations", "cache_control"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}
_IMAGE_TYPES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
SIGNATURE = "EqQBCgIYAhIMsignedByTheServer"


class Refused(Exception):
    """The request breaks a rule; the message is the error's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def check(body: Any) -> None:
    """Raise Refused unless the body is a request that the API takes."""
    _demand(isinstance(body, dict), "body: Input should be an object")
    for name in body:
        _demand(name in _FIELDS, f"{name}: Extra inputs are not permitted")
    _demand(isinstance(body.get("model"), str), "model: Field required")
    limit = body.get("max_tokens")
    _demand(type(limit) is int and limit >= 1, "max_tokens: Field required")
    _check_sampling(body)
    _check_system(body.get("system", "x"))
    _check_turns(body.get("messages"))
    _check_tools(body)
    _check_output(body)
    _check_marks(body)


def _demand(holds: object, message: str) -> None:
    if not holds:
        raise Refused(message)


def _check_sampling(body: Mapping[str, Any]) -> None:
    for name in ("temperature", "top_p"):
        value = body.get(name, 0)
        _demand(isinstance(value, int | float) and 0 <= value <= 1, f"{name}: range: 0..1")
    if body.get("thinking", {"type": "disabled"})["type"] != "disabled":
        _demand(
            body.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled"
        )
        choice = body.get("tool_choice", {"type": "auto"})["type"]
        _demand(choice in ("auto", "none"), "Thinking may not be enabled when tool_choice forces tool use.")
    stops = body.get("stop_sequences", [])
    _demand(isinstance(stops, list), "stop_sequences: Input should be a valid list")
    _demand(
        all(stop.strip() for stop in stops), "stop_sequences: each stop sequence must contain non-whitespace"
    )
    _demand(set(body.get("metadata", {})) <= {"user_id"}, "metadata: Extra inputs are not permitted")
    _demand(
        body.get("service_tier", "auto") in ("auto", "standard_only"), "service_tier: Input should be 'auto'"
    )
    _demand(isinstance(body.get("stream", False), bool), "stream: Input should be a valid boolean")


def _check_system(system: Any) -> None:
    if isinstance(system, str):
        return
    _demand(isinstance(system, list), "system: Input should be a valid list")
    for block in system:
        _demand(block.get("type") == "text", "system: Input should be 'text'")
        _check_block(block)


def _check_turns(messages: Any) -> None:
    _demand(isinstance(messages, list) and messages, "messages: at least one message is required")
    before: Mapping[str, Any] | None = None
    for message in messages:
        _demand(set(message) == {"role", "content"}, "messages: Extra inputs are not permitted")
        _demand(message["role"] in _BLOCKS, 'messages: Unexpected role. Use the top-level "system" parameter')
        _demand(before or message["role"] == "user", 'messages: first message must use the "user" role')
        _demand(not before or before["role"] != message["role"], "messages: roles must alternate")
        for block in blocks_of(message):
            _demand(
                block.get("type") in _BLOCKS[message["role"]],
                f"messages: {block.get('type')} not permitted here",
            )
            _check_block(block)
        _check_results(before, message)
        before = message
    _demand(before is None or not _uses(before), "`tool_use` ids were found without `tool_result` blocks")


def blocks_of(message: Mapping[str, Any]) -> list[Any]:
    """Return a message's content as blocks."""
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    _demand(isinstance(content, list) and content, "messages: content must not be empty")
    return list(content)


def _uses(message: Mapping[str, Any] | None) -> list[str]:
    return [block["id"] for block in blocks_of(message) if block["type"] == "tool_use"] if message else []


def _check_results(before: Mapping[str, Any] | None, message: Mapping[str, Any]) -> None:
    """Each use of a tool has its result in the very next message, before all other blocks."""
    kinds = [block["type"] == "tool_result" for block in blocks_of(message)]
    results = [block["tool_use_id"] for block in blocks_of(message) if block["type"] == "tool_result"]
    _demand(
        sorted(results) == sorted(_uses(before)), "`tool_use` ids without `tool_result` blocks after them"
    )
    _demand(kinds == sorted(kinds, reverse=True), "tool_result blocks must come first")


def _check_block(block: Mapping[str, Any]) -> None:
    kind = block["type"]
    _demand(set(block) <= _BLOCK_FIELDS[kind], f"{kind}: Extra inputs are not permitted")
    if kind == "text":
        _demand(
            block.get("text", "").strip(), "messages: text content blocks must contain non-whitespace text"
        )
    elif kind == "tool_use":
        _demand(
            _ID.fullmatch(block.get("id", "")), "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
        )
        _demand(_TOOL_NAME.fullmatch(block.get("name", "")), "tool_use.name: String should match pattern")
        _demand(isinstance(block.get("input"), dict), "tool_use.input: Input should be a valid dictionary")
    elif kind == "tool_result":
        for inner in block.get("content", []):
            _check_block(inner)
    elif kind == "thinking":
        _demand(block.get("signature") == SIGNATURE, "Invalid `signature` in `thinking` block")
    elif kind in ("image", "document"):
        _check_source(kind, block.get("source", {}))


def _check_source(kind: str, source: Mapping[str, Any]) -> None:
    if source.get("type") == "url":
        _demand(set(source) == {"type", "url"}, "source: Extra inputs are not permitted")
        _demand(source["url"].startswith("https://"), "Only HTTPS URLs are supported.")
        return
    _demand(set(source) == {"type", "media_type", "data"} and source["type"] == "base64", "source: Input tag")
    allowed = _IMAGE_TYPES if kind == "image" else {"application/pdf"}
    _demand(source["media_type"] in allowed, "source.base64.media_type: Input should be another")


def _check_tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools", [])
    for tool in tools:
        known = {"name", "description", "input_schema", "strict", "cache_control", "type"}
        _demand(set(tool) <= known, "tools: Extra inputs are not permitted")
        _demand(_TOOL_NAME.fullmatch(tool.get("name") or ""), "tools.name: String should match pattern")
        _demand(
            tool.get("input_schema", {}).get("type") == "object", "tools.input_schema.type: Field required"
        )
    names = [tool["name"] for tool in tools]
    _demand(len(set(names)) == len(names), "tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is not None:
        _demand(tools, "tool_choice: may only be specified while providing tools")
        _demand(choice["type"] in ("auto", "any", "none", "tool"), "tool_choice: Input tag")
        known = {"type", "disable_parallel_tool_use"} | ({"name"} if choice["type"] == "tool" else set())
        _demand(set(choice) <= (known if choice["type"] != "none" else {"type"}), "tool_choice: Extra inputs")
        _demand(choice["type"] != "tool" or choice["name"] in names, "Tool not found in provided tools")


def _check_output(body: Mapping[str, Any]) -> None:
    config = body.get("output_config", {})
    _demand(set(config) <= {"effort", "format"}, "output_config: Extra inputs are not permitted")
    _demand(config.get("effort", "low") in ("low", "medium", "high", "xhigh", "max"), "output_config.effort")
    if "format" in config:
        _demand(
            set(config["format"]) == {"type", "schema"},
            "output_config.format: Extra inputs are not permitted",
        )
        for schema in _schemas(config["format"]["schema"]):
            closed = schema.get("type") != "object" or schema.get("additionalProperties") is False
            _demand(closed, "For 'object' type, 'additionalProperties' must be explicitly set to false")


def _schemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from _schemas(inner)


def _check_marks(body: Mapping[str, Any]) -> None:
    marks = list(_marks(body))
    _demand(len(marks) <= 4, "A maximum of 4 blocks with cache_control may be provided.")
    for mark in marks:
        _demand(
            mark["type"] == "ephemeral" and mark.get("ttl", "5m") in ("5m", "1h"), "cache_control: Input tag"
        )


def _marks(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        if "cache_control" in value:
            yield value["cache_control"]
        for name, inner in value.items():
            # A tool's input may call anything by this name.
            yield from _marks(inner) if name not in ("input", "input_schema", "schema") else ()
    elif isinstance(value, list):
        for inner in value:
            yield from _marks(inner)
