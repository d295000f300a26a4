"""Which of the offered tools the demo upstream calls, and with what: decided by the prompt, always the same."""

import hashlib
import re
from typing import Any

import orjson

from gateway.demo.wishes import Wishes

ToolCall = dict[str, Any]


def calls_for(body: dict[str, Any], prompt: str) -> list[ToolCall]:
    """Return the calls that answer the last message; none if it is a tool's result or names no tool.

    A tool is called when the prompt has its name in it (`get_weather`, `get weather`) or `tool_choice` forces it.
    """
    offered = [tool["function"] for tool in body.get("tools") or () if _is_function(tool)]
    choice = body.get("tool_choice", "auto")
    if not offered or choice == "none" or body["messages"][-1].get("role") == "tool":
        return []
    named = [function for function in offered if _names(prompt, function["name"])]
    if isinstance(choice, dict):
        forced = (choice.get("function") or {}).get("name")
        chosen = [function for function in offered if function["name"] == forced]
    else:
        chosen = named or (offered[:1] if choice == "required" else [])
    if body.get("parallel_tool_calls") is False:
        chosen = chosen[:1]
    return [_call(function, prompt, place) for place, function in enumerate(chosen)]


def result_text(messages: list[dict[str, Any]]) -> str | None:
    """Return what is said of tools' results, if the conversation ends with them."""
    results: list[str] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        results.insert(0, str(message.get("content")))
    return f"The tool says: {'; '.join(results)}." if results else None


def _is_function(tool: Any) -> bool:
    function = tool.get("function") if isinstance(tool, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _names(prompt: str, name: str) -> bool:
    spoken = re.escape(name).replace("_", "[_ ]")
    return re.search(rf"(?<!\w){spoken}(?!\w)", prompt, re.IGNORECASE) is not None


def _call(function: dict[str, Any], prompt: str, place: int) -> ToolCall:
    name = function["name"]
    asked = re.sub(re.escape(name), " ", prompt)
    arguments = orjson.dumps(Wishes(asked, prompt).satisfy(function.get("parameters"))).decode()
    digest = hashlib.sha256(f"{place}|{name}|{prompt}".encode(errors="surrogatepass")).hexdigest()
    return {
        "id": f"call_{digest[:24]}",
        "type": "function",
        "function": {"name": name, "arguments": arguments if arguments != "null" else "{}"},
    }
