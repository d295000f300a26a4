"""A question in OpenAI's form as a GenerateContentRequest. Pure.

Gemini refuses field names that it doesn't know, so each of OpenAI's fields is either translated, LEFT_OUT or
IMPOSSIBLE, and a field that is neither OpenAI's nor one of PASSED is left out. PASSED fields of Gemini's own may
be given beside OpenAI's or, as Google's OpenAI-compatible API has it, in `extra_body.google`.
Sources: ai.google.dev/api/generate-content (GenerationConfig), /api/caching (Tool, ToolConfig),
/gemini-api/docs/openai, /structured-output, /function-calling.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.providers.dialect import Unsupported
from gateway.providers.gemini_contents import read_messages
from gateway.providers.gemini_models import thinking

#: They say who asks, how it is to be billed or kept, or are hints that need not be followed. Of service tiers we
#: know the standard one's prices only.
LEFT_OUT = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "prediction",
        "verbosity",
        "moderation",
        "model",
        "stream",
        "stream_options",
    }
)
#: They would change the answer.
IMPOSSIBLE = frozenset({"logit_bias", "audio", "web_search_options", "functions", "function_call"})

_RENAMED = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
_TRANSLATED = frozenset(
    {
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "seed",
        "response_format",
        "reasoning_effort",
        "modalities",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
    }
)
#: Every field of OpenAI's that has a meaning here.
TRANSLATED = _TRANSLATED | frozenset(_RENAMED)

_PASSED_TO_CONFIG = {
    "thinking_config": "thinkingConfig",
    "thinkingConfig": "thinkingConfig",
    "media_resolution": "mediaResolution",
    "mediaResolution": "mediaResolution",
    "topK": "topK",
}
_PASSED_BESIDE = {"safety_settings": "safetySettings", "safetySettings": "safetySettings"}
#: Gemini's own fields. Not those that name things kept at Google under our key: cached contents and files.
PASSED = frozenset(_PASSED_TO_CONFIG) | frozenset(_PASSED_BESIDE)

_JSON = "application/json"
_SEEDS = 2**31
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def read_question(model: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request's body. Raises Unsupported."""
    body = {name: value for name, value in body.items() if value is not None}
    if impossible := next((name for name in sorted(IMPOSSIBLE) if body.get(name)), None):
        raise Unsupported(impossible)
    if body.get("modalities", ["text"]) != ["text"]:
        raise Unsupported("modalities")
    own = _own_fields(body)
    config = {**_config(model, body), **_picked(own, _PASSED_TO_CONFIG)}
    return {
        **read_messages(body.get("messages", ()), model),
        **({"generationConfig": config} if config else {}),
        **_tools(body),
        **_picked(own, _PASSED_BESIDE),
    }


def _own_fields(body: Mapping[str, Any]) -> Mapping[str, Any]:
    extra = body.get("extra_body")
    google = extra.get("google") if isinstance(extra, dict) else None
    return {**body, **(google if isinstance(google, dict) else {})}


def _picked(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {new: fields[old] for old, new in names.items() if fields.get(old) is not None}


def _config(model: str, body: Mapping[str, Any]) -> dict[str, Any]:
    config = _picked(body, _RENAMED)
    if config.get("candidateCount") == 1:
        # Models that give one candidate only refuse to be told so.
        del config["candidateCount"]
    translators: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
        "max_tokens": lambda most: {"maxOutputTokens": most},
        "max_completion_tokens": lambda most: {"maxOutputTokens": most},
        "stop": lambda stop: {"stopSequences": [stop] if isinstance(stop, str) else stop} if stop else {},
        "seed": _seed,
        "response_format": _response_format,
        "reasoning_effort": lambda effort: {"thinkingConfig": thinking(model, effort)},
    }
    for name, translate in translators.items():
        if name in body:
            config |= translate(body[name])
    return config


def _seed(seed: Any) -> Mapping[str, Any]:
    """Return the seed within Gemini's 32 bits: the same for the same."""
    if type(seed) is not int:
        raise Unsupported("seed")
    return {"seed": seed % _SEEDS}


def _response_format(wanted: Any) -> Mapping[str, Any]:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"responseMimeType": _JSON}
    described = wanted.get("json_schema") if kind == "json_schema" else None
    if not isinstance(described, dict):
        raise Unsupported("response_format")
    schema = described.get("schema")
    return {"responseMimeType": _JSON, **({"responseJsonSchema": schema} if schema is not None else {})}


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools = body.get("tools")
    if not tools:
        return {}
    if not isinstance(tools, list):
        raise Unsupported("tools")
    if body.get("parallel_tool_calls") is False:
        raise Unsupported("parallel_tool_calls")
    choice = {"toolConfig": _choice(body["tool_choice"])} if "tool_choice" in body else {}
    return {"tools": [{"functionDeclarations": [_declaration(tool) for tool in tools]}], **choice}


def _declaration(tool: Any) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Unsupported("tools")
    names = {"name": "name", "description": "description", "parameters": "parametersJsonSchema"}
    return _picked(function, names)


def _choice(choice: Any) -> dict[str, Any]:
    if isinstance(choice, str) and choice in _MODES:
        return {"functionCallingConfig": {"mode": _MODES[choice]}}
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function":
        return _allowed("ANY", [choice])
    allowed = choice.get("allowed_tools") if kind == "allowed_tools" else None
    if isinstance(allowed, dict) and isinstance(allowed.get("tools"), list):
        # AUTO takes no names; VALIDATED is Gemini's word for "call one of these, or speak".
        return _allowed("ANY" if allowed.get("mode") == "required" else "VALIDATED", allowed["tools"])
    raise Unsupported("tool_choice")


def _allowed(mode: str, tools: list[Any]) -> dict[str, Any]:
    functions = [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
    names = [function.get("name") if isinstance(function, dict) else None for function in functions]
    if not names or not all(isinstance(name, str) for name in names):
        raise Unsupported("tool_choice")
    return {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": names}}
