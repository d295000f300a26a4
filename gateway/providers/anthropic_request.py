"""A question in OpenAI's form, as a request of Anthropic's Messages API. Pure.

Carried over: messages (see `anthropic_messages`), max_tokens and max_completion_tokens, temperature up to 1, stop,
tools of type function, tool_choice, parallel_tool_calls, `user` and safety_identifier, reasoning_effort,
service_tier, and response_format json_schema, as structured output within the vendor's limits of schemas.

Refused, since the answer would silently be another than was asked for: temperature above 1 (the vendor's scale
ends there), n other than 1, logprobs, logit_bias, penalties other than 0, audio, functions and function_call
(superseded by tools), verbosity, web_search_options, blank stop sequences, and response_format json_object (the
vendor holds answers only to a schema that names every property; its latest models refuse the makeshift, a forced
tool).

Left out, since the answer doesn't depend on them: seed (best effort at OpenAI itself), store and metadata (labels
of answers that OpenAI keeps), prediction (a hint for speed), prompt_cache_key and prompt_cache_retention (here
cache_control does that).

Everything else is passed on as it is (top_p, top_k, thinking, cache_control, output_config, and what is yet to
come): the vendor refuses what it doesn't know.
(https://platform.claude.com/docs/en/api/messages/create)
"""

from collections.abc import Mapping
from typing import Any

from gateway.providers.anthropic_messages import conversation
from gateway.providers.dialect import Unsupported

#: The vendor requires a limit where OpenAI's form has none. This is the most that all of its models since Claude 4
#: take (Opus 4 and 4.1 take no more). Thinking counts, too: a much lower one would cut answers short.
DEFAULT_MAX_TOKENS = 32_000

_REFUSED_UNLESS: dict[str, Any] = {
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "modalities": ["text"],
    "audio": None,
    "functions": [],
    "function_call": "none",
    "verbosity": "medium",
    "web_search_options": None,
}
_LEFT_OUT = frozenset(
    {
        "seed",
        "store",
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "stream_options",
    }
)
_CARRIED_OVER = frozenset(
    {
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "stop",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "user",
        "safety_identifier",
        "response_format",
        "reasoning_effort",
        "service_tier",
        "thinking",
        "output_config",
    }
)
#: "minimal" is the least that OpenAI knows besides none at all, as "low" is here.
_EFFORTS = {name: name for name in ("low", "medium", "high", "xhigh", "max")} | {"minimal": "low"}
#: OpenAI's names of the two tiers that there are here, and the vendor's own.
_SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def message_request(model: str, body: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
    """Return the body of a Messages request. Raises Unsupported."""
    given = {name: value for name, value in body.items() if value is not None and name not in _LEFT_OUT}
    for name, harmless in _REFUSED_UNLESS.items():
        if given.pop(name, harmless) != harmless:
            raise Unsupported(name)
    request = _without_empty(_fields(given)) | {"model": model} | ({"stream": True} if stream else {})
    passed = {name: value for name, value in given.items() if name not in _CARRIED_OVER}
    if twice := passed.keys() & request.keys():
        # The vendor's name for a field that is here under OpenAI's name, too: neither may get lost.
        raise Unsupported(min(twice))
    return passed | request


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, [], {})}


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    system, messages = conversation(given.get("messages", ()))
    user = given.get("safety_identifier") or given.get("user")
    return {
        "max_tokens": given.get("max_completion_tokens") or given.get("max_tokens") or DEFAULT_MAX_TOKENS,
        "system": system,
        "messages": messages,
        "temperature": _temperature(given),
        "stop_sequences": _stop_sequences(given.get("stop")),
        "tools": [_tool(tool) for tool in given.get("tools", ())],
        "tool_choice": _tool_choice(given),
        "metadata": {"user_id": user} if user else None,
        "thinking": given.get("thinking") or _thinking(given.get("reasoning_effort")),
        "output_config": _output_config(given),
        "service_tier": _service_tier(given.get("service_tier")),
    }


def _temperature(given: Mapping[str, Any]) -> float | None:
    temperature: float | None = given.get("temperature")
    if temperature is not None and temperature > 1:
        raise Unsupported("temperature")
    return temperature


def _stop_sequences(stop: str | list[str] | None) -> list[str]:
    sequences = [stop] if isinstance(stop, str) else stop or []
    if not all(sequence.strip() for sequence in sequences):
        raise Unsupported("stop")
    return sequences


def _tool(tool: object) -> dict[str, Any]:
    """Return a function's definition. The vendor's own tools are refused: what they cost is in no usage."""
    function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
    if not isinstance(tool, dict) or not isinstance(function, dict):
        raise Unsupported("tools")
    definition = {
        "name": function.get("name"),
        "description": function.get("description"),
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
        "strict": function.get("strict") or None,
        "cache_control": tool.get("cache_control") or function.get("cache_control"),
    }
    return {name: value for name, value in definition.items() if value is not None}


def _tool_choice(given: Mapping[str, Any]) -> dict[str, Any] | None:
    choice, alone = given.get("tool_choice", "auto"), given.get("parallel_tool_calls") is False
    if not given.get("tools") and choice in ("auto", "none"):
        return None
    if choice == "auto" and not alone:
        return None
    wanted = _wanted_tool(choice)
    if alone and wanted["type"] != "none":
        wanted["disable_parallel_tool_use"] = True
    return wanted


def _wanted_tool(choice: object) -> dict[str, Any]:
    if isinstance(choice, str) and choice in _TOOL_CHOICES:
        return {"type": _TOOL_CHOICES[choice]}
    function = (
        choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
    )
    if not isinstance(function, dict):
        raise Unsupported("tool_choice")
    return {"type": "tool", "name": function.get("name")}


def _thinking(effort: object) -> dict[str, Any] | None:
    """Return how the model is to think where an effort is asked for.

    The effort itself goes into output_config; without this some models don't think at all. Budgets of tokens are
    refused by the vendor's current models. (https://platform.claude.com/docs/en/build-with-claude/effort)
    """
    if effort is None:
        return None
    return {"type": "disabled"} if effort == "none" else {"type": "adaptive"}


def _output_config(given: Mapping[str, Any]) -> dict[str, Any]:
    effort, schema = _effort(given.get("reasoning_effort")), _schema(given.get("response_format"))
    native = given.get("output_config", {})
    if not isinstance(native, dict):
        raise Unsupported("output_config")
    return {
        **({"effort": effort} if effort else {}),
        **({"format": {"type": "json_schema", "schema": schema}} if schema else {}),
        # What a caller wrote in the vendor's own words holds.
        **native,
    }


def _effort(effort: object) -> str | None:
    if effort is None or effort == "none":
        return None
    if isinstance(effort, str) and effort in _EFFORTS:
        return _EFFORTS[effort]
    raise Unsupported("reasoning_effort")


def _schema(response_format: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the schema that the answer has to follow; its name and description are for OpenAI's logs."""
    if response_format is None or response_format.get("type") == "text":
        return None
    wanted = response_format.get("json_schema") if response_format.get("type") == "json_schema" else None
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if isinstance(schema, dict):
        return schema
    raise Unsupported("response_format")


def _service_tier(tier: object) -> str | None:
    if tier is None:
        return None
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        return _SERVICE_TIERS[tier]
    raise Unsupported("service_tier")
