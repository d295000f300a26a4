"""A conversation in OpenAI's form, as Anthropic's Messages API takes it. Pure.

- System and developer messages become the system prompt, in their order, wherever they stand: only the latest
  models take them between the others. (Anthropic's own OpenAI layer does the same.)
- Messages of one side in a row become one, since the two sides have to take turns. Results of tools are said by
  the user's side.
- Names of speakers are left out: there is no place for them. So is `detail` of images, a hint about their cost.
- Blank texts are left out: the vendor refuses them.
- `thinking_blocks`, as answers carry them, are sent back if they are signed.
- `cache_control` stays where it was: at a part, or at a message, which means its last part.

(https://platform.claude.com/docs/en/build-with-claude/working-with-messages, .../vision, .../pdf-support)
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.providers.dialect import Unsupported

_Block = dict[str, Any]

_IMAGE_TYPES = {f"image/{name}": f"image/{name}" for name in ("jpeg", "png", "gif", "webp")} | {
    "image/jpg": "image/jpeg"
}
_BY_SYSTEM = ("text",)
_BY_USER = ("text", "image_url", "file")
_BY_ASSISTANT = ("text", "refusal")
#: The vendor takes no other characters in ids of tool calls; those of other vendors' models may have some.
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")


def conversation(messages: Iterable[Mapping[str, Any]]) -> tuple[list[_Block], list[dict[str, Any]]]:
    """Return the system prompt's blocks and the messages of both sides. Raises Unsupported."""
    system: list[_Block] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        match message.get("role"):
            case "system" | "developer":
                system += _marked(_blocks(message.get("content"), _BY_SYSTEM), message)
            case "user":
                _say(turns, "user", _marked(_blocks(message.get("content"), _BY_USER), message))
            case "tool":
                _say(turns, "user", _marked([_tool_result(message)], message))
            case "assistant":
                _say(turns, "assistant", _marked(_assistant_blocks(message), message))
            case _:
                raise Unsupported("messages.role")
    if not turns:
        # OpenAI's models answer to a system prompt alone.
        raise Unsupported("messages")
    return system, turns


def _say(turns: list[dict[str, Any]], role: str, blocks: list[_Block]) -> None:
    if blocks and turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    elif blocks:
        turns.append({"role": role, "content": blocks})


def _marked(blocks: list[_Block], source: Mapping[str, Any]) -> list[_Block]:
    if blocks and source.get("cache_control") is not None:
        blocks[-1] = {**blocks[-1], "cache_control": source["cache_control"]}
    return blocks


def _blocks(content: object, allowed: tuple[str, ...]) -> list[_Block]:
    if content is None or isinstance(content, str):
        return _text_blocks(content or "")
    if not isinstance(content, list):
        raise Unsupported("messages.content")
    return [block for part in content for block in _part_blocks(part, allowed)]


def _part_blocks(part: object, allowed: tuple[str, ...]) -> list[_Block]:
    if not isinstance(part, dict) or part.get("type") not in allowed:
        raise Unsupported("messages.content")
    match part["type"]:
        case "image_url":
            blocks = [_image(_of(part, "image_url"))]
        case "file":
            blocks = [_document(_of(part, "file"))]
        case name:
            blocks = _text_blocks(part.get(name))
    return _marked(blocks, part)


def _text_blocks(text: object) -> list[_Block]:
    if not isinstance(text, str):
        raise Unsupported("messages.content")
    return [{"type": "text", "text": text}] if text.strip() else []


def _of(part: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = part.get(name)
    if isinstance(value, dict):
        return value
    raise Unsupported(f"messages.content.{name}")


def _image(image: Mapping[str, Any]) -> _Block:
    url = image.get("url")
    if not isinstance(url, str):
        raise Unsupported("messages.content.image_url")
    if url.startswith("https://"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = _data_url(url)
    if media_type not in _IMAGE_TYPES:
        raise Unsupported("messages.content.image_url")
    source = {"type": "base64", "media_type": _IMAGE_TYPES[media_type], "data": data}
    return {"type": "image", "source": source}


def _document(file: Mapping[str, Any]) -> _Block:
    """Return a PDF. A file_id names a file at another vendor."""
    media_type, data = _data_url(file.get("file_data"))
    if media_type != "application/pdf":
        raise Unsupported("messages.content.file")
    source = {"type": "base64", "media_type": media_type, "data": data}
    title = {"title": file["filename"]} if file.get("filename") else {}
    return {"type": "document", "source": source, **title}


def _data_url(url: object) -> tuple[str, str]:
    """Return the media type and the Base64 of a data: URL; two empty texts for anything else."""
    head, _, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not (head.startswith("data:") and head.endswith(";base64")):
        return "", ""
    return head.removeprefix("data:").partition(";")[0].lower(), data


def _tool_result(message: Mapping[str, Any]) -> _Block:
    content = _blocks(message.get("content"), _BY_USER)
    # Only the result as a whole can be cached.
    marks = [block.pop("cache_control") for block in content if "cache_control" in block]
    return {
        "type": "tool_result",
        "tool_use_id": _tool_id(message.get("tool_call_id")),
        **({"content": content} if content else {}),
        **({"cache_control": marks[-1]} if marks else {}),
    }


def _assistant_blocks(message: Mapping[str, Any]) -> list[_Block]:
    # What was thought came first, and has to come first again.
    thinking = [dict(block) for block in _list(message, "thinking_blocks") if _is_signed(block)]
    said = _blocks(message.get("content"), _BY_ASSISTANT)
    refused = _text_blocks(message.get("refusal") or "")
    return [*thinking, *said, *refused, *map(_tool_use, _list(message, "tool_calls"))]


def _list(message: Mapping[str, Any], name: str) -> list[Any]:
    value = message.get(name)
    if value is None or isinstance(value, list):
        return value or []
    raise Unsupported(f"messages.{name}")


def _is_signed(block: object) -> bool:
    """Whether Anthropic made it: other vendors' thinking has no signature, and would be refused."""
    return isinstance(block, dict) and (
        (block.get("type") == "thinking" and bool(block.get("signature")))
        or (block.get("type") == "redacted_thinking" and bool(block.get("data")))
    )


def _tool_use(call: object) -> _Block:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict):
        raise Unsupported("messages.tool_calls")
    return {
        "type": "tool_use",
        "id": _tool_id(call.get("id")),
        "name": function.get("name"),
        "input": _input(function.get("arguments")),
    }


def _tool_id(value: object) -> str:
    return _NOT_IN_IDS.sub("_", value) if isinstance(value, str) else ""


def _input(arguments: object) -> dict[str, Any]:
    """Return a call's arguments; what a model wrote need not be the object that the vendor wants."""
    try:
        value = orjson.loads(arguments or "{}") if isinstance(arguments, str | None) else None
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        return value
    raise Unsupported("messages.tool_calls")
