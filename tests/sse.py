"""Reading streamed answers in tests."""

import json
from typing import Any

DONE = "[DONE]"


def events(body: str | bytes) -> list[Any]:
    """Return the data of each event, parsed; the end marker as it is."""
    text = body.decode() if isinstance(body, bytes) else body
    datas = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
    return [data if data == DONE else json.loads(data) for data in datas]


def said(chunks: list[Any]) -> str:
    """Return the text that OpenAI's chunks, or deltas of `/chat`, amount to."""
    texts = [chunk["delta"] for chunk in chunks if chunk != DONE and "delta" in chunk]
    for chunk in chunks:
        if chunk != DONE:
            choices = chunk.get("choices", [])
            texts += [choice["delta"].get("content") or "" for choice in choices if choice["index"] == 0]
    return "".join(texts)
