"""What the Gemini API takes, as documented: a question that breaks a rule is refused as the real API refuses it.

Written from ai.google.dev/api/generate-content (GenerateContentRequest, GenerationConfig), /api/caching (Content,
Part, Tool, ToolConfig), /gemini-api/docs/function-calling and /thought-signatures.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

_TOP = {
    "contents": list,
    "systemInstruction": dict,
    "generationConfig": dict,
    "tools": list,
    "toolConfig": dict,
    "safetySettings": list,
    "cachedContent": str,
}
_NUMBER = (int, float)
_CONFIG: Mapping[str, Any] = {
    "stopSequences": list,
    "responseMimeType": str,
    "responseSchema": dict,
    "responseJsonSchema": (dict, bool),
    "responseModalities": list,
    "candidateCount": int,
    "maxOutputTokens": int,
    "temperature": _NUMBER,
    "topP": _NUMBER,
    "topK": int,
    "seed": int,
    "presencePenalty": _NUMBER,
    "frequencyPenalty": _NUMBER,
    "responseLogprobs": bool,
    "logprobs": int,
    "thinkingConfig": dict,
    "mediaResolution": str,
}
_THINKING = {"includeThoughts": bool, "thinkingBudget": int, "thinkingLevel": str}
_DATA = {"text": str, "inlineData": dict, "fileData": dict, "functionCall": dict, "functionResponse": dict}
_BESIDE_DATA = {"thought": bool, "thoughtSignature": str}
_CALL = {"id": str, "name": str, "args": dict}
_RESPONSE = {"id": str, "name": str, "response": dict}
_DECLARATION: Mapping[str, Any] = {
    "name": str,
    "description": str,
    "parameters": dict,
    "parametersJsonSchema": (dict, bool),
    "response": dict,
    "responseJsonSchema": (dict, bool),
}
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_MODES = {"AUTO", "ANY", "NONE", "VALIDATED"}
_LEVELS = {"MINIMAL", "LOW", "MEDIUM", "HIGH"}


class Refused(Exception):
    """A question that the API answers with 400 INVALID_ARGUMENT."""


def check_question(question: Any, model: str) -> None:
    """Raise Refused for what the API would not take for this model."""
    _typed("request", question, _TOP)
    older = model.startswith(("gemini-1", "gemini-2"))
    contents = question.get("contents")
    _demand(bool(contents), "contents is not specified")
    for content in contents:
        _check_content(content, older=older)
    _check_calls(contents, older=older)
    if "systemInstruction" in question:
        _check_parts(question["systemInstruction"].get("parts"), {"text"})
    _check_config(question.get("generationConfig", {}), older=older)
    names = list(_declared(question.get("tools", [])))
    _check_tool_config(question.get("toolConfig", {}), names)


def _check_content(content: Any, *, older: bool) -> None:
    _typed("content", content, {"role": str, "parts": list})
    role = content.get("role")
    _demand(role in ("user", "model"), "Please use a valid role: user, model.")
    kinds = {"text", "inlineData", "fileData"} | (
        {"functionResponse"} if role == "user" else {"functionCall"}
    )
    _check_parts(content.get("parts"), kinds)
    for part in content["parts"]:
        for kind, fields in (("functionCall", _CALL), ("functionResponse", _RESPONSE)):
            if kind in part:
                _typed(kind, part[kind], fields)
                _demand(bool(part[kind].get("name")), f"{kind}.name: required")
                _demand(not (older and "id" in part[kind]), f'Unknown name "id" at {kind}')


def _check_parts(parts: Any, kinds: set[str]) -> None:
    _demand(isinstance(parts, list) and bool(parts), "contents.parts must not be empty")
    for part in parts:
        _typed("part", part, {**_DATA, **_BESIDE_DATA})
        data = set(part) & set(_DATA)
        _demand(len(data) == 1 and data <= kinds, "a part needs exactly one data field that fits its role")
        _check_blob(part)


def _check_blob(part: Mapping[str, Any]) -> None:
    if "inlineData" in part:
        _typed("inlineData", part["inlineData"], {"mimeType": str, "data": str})
        try:
            base64.b64decode(part["inlineData"]["data"], validate=True)
        except binascii.Error:
            raise Refused("Invalid value: base64") from None
    if "fileData" in part:
        _typed("fileData", part["fileData"], {"mimeType": str, "fileUri": str})
        _demand("://" in part["fileData"]["fileUri"], "Invalid file URI")


def _check_calls(contents: list[dict[str, Any]], *, older: bool) -> None:
    """Responses follow their calls at once: as many, of the same names, of no other ids. Steps are signed."""
    steps = [*contents, {"role": "user", "parts": [{"text": "end"}]}]
    for content, following in pairwise(steps):
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        answers = [part["functionResponse"] for part in following["parts"] if "functionResponse" in part]
        _demand(
            not answers or _names(answers) == _names(calls),
            "Please ensure that the number of function response parts is equal to the number of function call "
            "parts of the function call turn.",
        )
        ids = {answer["id"] for answer in answers if "id" in answer}
        _demand(ids <= {call.get("id") for call in calls}, "a response to a call that wasn't made")
        if answers and not older:
            first = next(part for part in content["parts"] if "functionCall" in part)
            _demand(
                "thoughtSignature" in first,
                "Function call is missing a thought_signature in functionCall parts.",
            )
    _demand(not any("functionResponse" in part for part in contents[0]["parts"]), "a response without a call")


def _names(parts: list[dict[str, Any]]) -> list[str]:
    return sorted(part["name"] for part in parts)


def _check_config(config: Any, *, older: bool) -> None:
    _typed("generation_config", config, _CONFIG)
    _demand(len(config.get("stopSequences", [])) <= 5, "at most 5 stop sequences")
    _demand(1 <= config.get("candidateCount", 1) <= 8, "candidateCount must be 1 to 8")
    _demand(
        -(2**31) <= config.get("seed", 0) < 2**31, "Invalid value at 'generation_config.seed' (TYPE_INT32)"
    )
    if "responseSchema" in config or "responseJsonSchema" in config:
        _demand(config.get("responseMimeType") == "application/json", "a schema needs application/json")
    _demand(
        not ("logprobs" in config and not config.get("responseLogprobs")), "logprobs needs responseLogprobs"
    )
    thinking = config.get("thinkingConfig", {})
    _typed("thinking_config", thinking, _THINKING)
    _demand(not ("thinkingLevel" in thinking and "thinkingBudget" in thinking), "budget and level")
    _demand(not ("thinkingLevel" in thinking and older), "Thinking level is not supported for this model.")
    _demand(thinking.get("thinkingLevel", "LOW") in _LEVELS, "Invalid value: thinking_level")


def _declared(tools: Any) -> Iterator[str]:
    for tool in tools:
        _typed("tool", tool, {"functionDeclarations": list})
        for declaration in tool.get("functionDeclarations", []):
            _typed("function_declaration", declaration, _DECLARATION)
            name = declaration.get("name", "")
            _demand(_FUNCTION_NAME.fullmatch(name) is not None, "Invalid function name.")
            yield name


def _check_tool_config(config: Any, names: list[str]) -> None:
    _typed("tool_config", config, {"functionCallingConfig": dict})
    calling = config.get("functionCallingConfig", {})
    _typed("function_calling_config", calling, {"mode": str, "allowedFunctionNames": list})
    mode, allowed = calling.get("mode", "AUTO"), calling.get("allowedFunctionNames", [])
    _demand(mode in _MODES, "Invalid value: mode")
    _demand(not allowed or mode in ("ANY", "VALIDATED"), "allowed_function_names needs mode ANY or VALIDATED")
    _demand(set(allowed) <= set(names), "allowed_function_names must be declared")


def _typed(where: str, value: Any, fields: Mapping[str, Any]) -> None:
    """The API takes the names of its fields in snake case, too."""
    _demand(isinstance(value, dict), f"Invalid JSON payload received at '{where}'")
    for name, part in value.items():
        known = fields.get(re.sub("_(.)", lambda found: found[1].upper(), name))
        _demand(known is not None, f"Unknown name \"{name}\" at '{where}': Cannot find field.")
        kinds = known if isinstance(known, tuple) else (known,)
        fits = isinstance(part, kinds) and (bool in kinds or not isinstance(part, bool))
        _demand(fits, f"Invalid value at '{where}.{name}'")


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise Refused(message)
