import asyncio
import json
from typing import Any

import pytest

from benchmarks.baselines.apps import CannedUpstream
from benchmarks.client import END_MARKER


async def pieces_of(prompt: str) -> list[bytes]:
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": prompt}]}).encode()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await CannedUpstream()({"method": "POST"}, receive, send)
    return [message["body"] for message in sent[1:-1]]


def choice(piece: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(piece.removeprefix(b"data: "))["choices"][0]
    return found


async def test_a_stream_begins_with_its_role_and_ends_with_usage_and_end_marker() -> None:
    first, *words, last, ending = await pieces_of("How far is it?")

    assert choice(first)["delta"] == {"role": "assistant", "content": ""}
    assert "".join(choice(word)["delta"]["content"] for word in words).startswith("It is some way,")
    assert choice(last)["finish_reason"] == "stop"
    assert b'"usage":{"prompt_tokens"' in ending
    assert ending.rstrip().endswith(END_MARKER)


async def test_a_paced_stream_has_as_many_pieces_as_its_question_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    assert len(await pieces_of("How far is it? (50 pieces, 200 ms apart)")) == 50 + 2
    assert waited[:3] == pytest.approx([0.0, 0.2, 0.4], abs=0.1)
