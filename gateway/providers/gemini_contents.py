"""A conversation in OpenAI's form as Gemini's contents and system instruction. Pure.

Left out, because Gemini has no room for them and the question stays the same: names of participants, an image's
`detail`, `cache_control`, and thoughts of earlier answers (their signatures are what Gemini wants back).
Sources: ai.google.dev/api/caching (Content, Part), /gemini-api/docs/function-calling, /thought-signatures.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.providers.dialect import Unsupported
from gateway.providers.gemini_models import fetches_urls, is_third_generation

Part = dict[str, Any]

_FIELD = "messages"
#: Google's documented word for calls in a history that its model didn't make, or whose signature got lost.
_NO_SIGNATURE = "skip_thought_signature_validator"
_MIME = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,63}")
_MIME_ALIASES = {"image/jpg": "image/jpeg", "audio/mpeg": "audio/mp3"}
_MIME_OF_SUFFIX = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
}
_MIME_OF_SOUND = {"wav": "audio/wav", "mp3": "audio/mp3"}


class Conversation:
    """The messages so far, as Gemini wants them: instructions apart, one content for neighbours of one role."""

    def __init__(self, model: str) -> None:
        """model: its name at the provider."""
        self.instructions: list[Part] = []
        self.contents: list[dict[str, Any]] = []
        self._model = model
        self._names: dict[str, str] = {}

    def add(self, message: Mapping[str, Any]) -> None:
        """Take the next message. Raises Unsupported."""
        role = message.get("role")
        if role in ("system", "developer"):
            self.instructions += _text_parts(message.get("content"))
        elif role == "user":
            self._say("user", _user_parts(message.get("content"), self._model))
        elif role == "assistant":
            self._say("model", [*_spoken_parts(message), *self._call_parts(message)])
        elif role == "tool":
            self._say("user", [self._response_part(message)])
        else:
            raise Unsupported(_FIELD)

    def _say(self, role: str, parts: list[Part]) -> None:
        if not parts:
            return
        if self.contents and self.contents[-1]["role"] == role:
            self.contents[-1]["parts"] += parts
        else:
            self.contents.append({"role": role, "parts": parts})

    def _call_parts(self, message: Mapping[str, Any]) -> list[Part]:
        calls = _dicts(message.get("tool_calls"))
        parts = [self._call_part(call) for call in calls]
        # Of parallel calls only the first is signed.
        if parts and is_third_generation(self._model):
            parts[0].setdefault("thoughtSignature", _NO_SIGNATURE)
        return parts

    def _call_part(self, call: Mapping[str, Any]) -> Part:
        function = call.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name:
            raise Unsupported(_FIELD)
        identity = self._identity(call.get("id"))
        self._names[str(call.get("id"))] = name
        part: Part = {"functionCall": {**identity, "name": name, "args": _args(function.get("arguments"))}}
        if signature := _signature(call):
            part["thoughtSignature"] = signature
        return part

    def _response_part(self, message: Mapping[str, Any]) -> Part:
        name = self._names.get(str(message.get("tool_call_id"))) or message.get("name")
        if not isinstance(name, str):
            raise Unsupported(_FIELD)
        identity = self._identity(message.get("tool_call_id"))
        response = _response("".join(part["text"] for part in _text_parts(message.get("content"))))
        return {"functionResponse": {**identity, "name": name, "response": response}}

    def _identity(self, call_id: object) -> dict[str, str]:
        if isinstance(call_id, str) and call_id and is_third_generation(self._model):
            return {"id": call_id}
        return {}


def _user_parts(content: object, model: str) -> list[Part]:
    return [part for item in _items(content) if (part := _user_part(item, model))]


def _user_part(item: Mapping[str, Any], model: str) -> Part | None:
    kind = item.get("type")
    value = item.get(str(kind))
    if kind == "text" and isinstance(value, str):
        return {"text": value} if value else None
    if not isinstance(value, dict):
        raise Unsupported(_FIELD)
    if kind == "image_url":
        return _linked(value.get("url"), model)
    if kind == "input_audio":
        return _inline(_MIME_OF_SOUND.get(str(value.get("format"))), value.get("data"))
    if kind == "file":
        return _linked(value.get("file_data"), model)
    raise Unsupported(_FIELD)


def _linked(url: object, model: str) -> Part:
    """Return what a data: or https: URL stands for."""
    if not isinstance(url, str):
        raise Unsupported(_FIELD)
    if url[:5].lower() == "data:":
        head, _, data = url[5:].partition(",")
        mime, *options = head.lower().split(";")
        return _inline(mime if "base64" in options else None, data)
    if not fetches_urls(model) or not _may_be_fetched(url):
        raise Unsupported(_FIELD)
    suffix = urlsplit(url).path.rpartition(".")[2].lower()
    mime_type = _MIME_OF_SUFFIX.get(suffix)
    return {"fileData": {"fileUri": url, **({"mimeType": mime_type} if mime_type else {})}}


def _may_be_fetched(url: str) -> bool:
    """Whether it is a public https address, and none of a file that was uploaded under our own provider key."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    plain = host.isascii() and "%" not in host and "\\" not in url
    return plain and parts.scheme == "https" and host != "" and "generativelanguage" not in host


def _inline(mime_type: str | None, data: object) -> Part:
    mime_type = _MIME_ALIASES.get(mime_type or "", mime_type)
    if not mime_type or not _MIME.fullmatch(mime_type) or not isinstance(data, str) or not data:
        raise Unsupported(_FIELD)
    return {"inlineData": {"mimeType": mime_type, "data": data}}


def _spoken_parts(message: Mapping[str, Any]) -> list[Part]:
    """Return what the assistant said; a refusal is what it said, too."""
    refusal = message.get("refusal")
    return _text_parts(message.get("content")) + _text_parts(refusal if isinstance(refusal, str) else None)


def _text_parts(content: object) -> list[Part]:
    return [{"text": text} for item in _items(content) if (text := _text(item))]


def _text(item: Mapping[str, Any]) -> str:
    text = item.get("text", item.get("refusal"))
    if item.get("type") not in ("text", "refusal") or not isinstance(text, str):
        raise Unsupported(_FIELD)
    return text


def _items(content: object) -> Iterator[Mapping[str, Any]]:
    """Return the parts of a message's content, whichever of its forms it has."""
    if isinstance(content, str):
        return iter(({"type": "text", "text": content},))
    return iter(_dicts(content))


def _dicts(value: object) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Unsupported(_FIELD)
    return value


def _args(arguments: object) -> dict[str, Any]:
    """Return a call's arguments; a model's broken ones can't be told to Gemini."""
    args = _json(arguments or "{}")
    if not isinstance(args, dict):
        raise Unsupported(_FIELD)
    return args


def _response(text: str) -> dict[str, Any]:
    """Return a tool's answer as the object that Gemini wants; `output` is its name for one that is none."""
    value = _json(text)
    if isinstance(value, dict):
        return value
    return {"output": value if isinstance(value, list) else text}


def _json(text: object) -> Any:
    try:
        return orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        return None


def _signature(call: Mapping[str, Any]) -> str:
    """Return the thought's signature that we handed out with this call, where Google's own OpenAI form has it."""
    value: object = call
    for name in ("extra_content", "google", "thought_signature"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def read_messages(messages: Iterable[Mapping[str, Any]], model: str) -> dict[str, Any]:
    """Return `contents`, and `systemInstruction` if there is one. Raises Unsupported.

    Instructions alone are asked as the user's words: Gemini takes no question without contents.
    """
    conversation = Conversation(model)
    for message in messages:
        conversation.add(message)
    if conversation.contents:
        system = (
            {"systemInstruction": {"parts": conversation.instructions}} if conversation.instructions else {}
        )
        return {"contents": conversation.contents, **system}
    if not conversation.instructions:
        raise Unsupported(_FIELD)
    return {"contents": [{"role": "user", "parts": conversation.instructions}]}
