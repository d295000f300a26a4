"""The Gemini API, small and strict, for tests: `with running_gemini() as gemini: ...`.

It refuses what the real API refuses (gemini_rules) and answers in its format. What it does is told by the last
text of the question: "fail 429" and the like fail, "think ..." thinks, "cached ..." reads 80 tokens from a cache,
"block" is blocked, "break" ends a stream before its end, "error" puts an error into a stream. With functions it
calls the first one, unless it got responses to calls, which it then repeats.
Formats: ai.google.dev/api/generate-content, /gemini-api/docs/generate-content/api-errors, /text-generation.
"""

import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

from tests.demo_upstream import free_port
from tests.vendors.gemini_rules import Refused, check_question

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
MODELS = ("gemini-3.8-flash", "gemini-2.5-flash")
KEY = "AIza-canary-7d31f0a2"
DAILY_KEY = "AIza-spent-for-today"

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

_ledger: list[dict[str, Any]] = []


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["path"] == "/ledger":
        await _send_json(send, 200, _ledger)
    else:
        await _generate(scope, await _body(receive), send)


async def _live(receive: Receive, send: Send) -> None:
    for kind in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{kind}.complete"})


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _generate(scope: dict[str, Any], body: bytes, send: Send) -> None:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    path, query = scope["raw_path"].decode(), scope["query_string"].decode()
    question = json.loads(body)
    _ledger.append({"path": path, "query": query, "headers": headers, "body": question})
    model, _, method = path.removeprefix("/v1beta/models/").rpartition(":")
    refusal = _refused_key(headers.get("x-goog-api-key")) or _refused(question, unquote(model), method)
    if refusal:
        return await _send_json(send, *refusal)
    wish = _last_text(question)
    answers = _answers(question, wish)
    if method == "generateContent":
        return await _send_json(send, 200, _joined(answers))
    if query != "alt=sse":
        return await _send_json(send, 200, answers)
    return await _stream(send, answers, wish)


Refusal = tuple[int, dict[str, Any]]


def _refused_key(key: str | None) -> Refusal | None:
    if key == DAILY_KEY:
        return 429, quota("GenerateRequestsPerDayPerProjectPerModel", "31s")
    if key == KEY:
        return None
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    return 400, error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info)


def _refused(question: dict[str, Any], model: str, method: str) -> Refusal | None:
    if model not in MODELS or method not in ("generateContent", "streamGenerateContent"):
        return 404, error(404, "NOT_FOUND", f"models/{model} is not found for API version v1beta")
    try:
        check_question(question, model)
    except Refused as refusal:
        return 400, error(400, "INVALID_ARGUMENT", str(refusal))
    wish = _last_text(question)
    return _failure(wish.removeprefix("fail ")) if wish.startswith("fail ") else None


async def _stream(send: Send, answers: list[dict[str, Any]], wish: str) -> None:
    await _start(send, 200, "text/event-stream")
    if wish == "break":
        answers = answers[:-1]
    if wish == "error":
        answers = [answers[0], error(503, "UNAVAILABLE", "The model is overloaded. canary-provider-words")]
    for answer in answers:
        event = f"data: {json.dumps(answer)}\r\n\r\n".encode()
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _send_json(send: Send, status: int, value: Any) -> None:
    await _start(send, status, "application/json; charset=UTF-8")
    await send({"type": "http.response.body", "body": json.dumps(value, indent=2).encode()})


async def _start(send: Send, status: int, media_type: str) -> None:
    headers = [(b"content-type", media_type.encode()), (b"server", b"scaffolding on HTTPServer2")]
    await send({"type": "http.response.start", "status": status, "headers": headers})


def _last_text(question: dict[str, Any]) -> str:
    texts = [part["text"] for part in question["contents"][-1]["parts"] if "text" in part]
    return str(texts[-1]) if texts else ""


def _answers(question: dict[str, Any], wish: str) -> list[dict[str, Any]]:
    """Return the pieces of the answer, as a stream has them."""
    if wish == "block":
        return [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_ending(9, {})}]
    parts = _parts(question, wish)
    thoughts = 60 if wish.startswith("think") else 0
    used = {"candidatesTokenCount": 40, **({"thoughtsTokenCount": thoughts} if thoughts else {})}
    used |= {"cachedContentTokenCount": 80} if "cached" in wish else {}
    pieces = [_piece(part, {**_ending(100, {})}) for part in parts]
    last = pieces[-1]
    last["candidates"][0]["finishReason"] = "STOP"
    last |= _ending(100, used)
    return pieces


def _parts(question: dict[str, Any], wish: str) -> list[dict[str, Any]]:
    parts = question["contents"][-1]["parts"]
    responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
    if responses:
        return [{"text": "It says: "}, {"text": json.dumps([response["response"] for response in responses])}]
    thoughts: list[dict[str, Any]] = []
    config = question.get("generationConfig", {})
    if wish.startswith("think") and config.get("thinkingConfig", {}).get("includeThoughts"):
        thoughts = [{"text": "First I ponder. ", "thought": True}]
    if question.get("tools"):
        name = question["tools"][0]["functionDeclarations"][0]["name"]
        call = {"id": "k3jw9x1p", "name": name, "args": {"city": "Paris"}}
        return [*thoughts, {"functionCall": call, "thoughtSignature": "c2lnbmF0dXJl"}]
    if "responseJsonSchema" in config:
        return [{"text": '{"colour": '}, {"text": '"green"}'}]
    images = [part["inlineData"]["mimeType"] for part in parts if "inlineData" in part]
    seen = [{"text": f"I see {', '.join(images)}. "}] if images else []
    return [*thoughts, *seen, {"text": "You asked: "}, {"text": wish}]


def _piece(part: dict[str, Any], ending: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], **ending}


def _ending(prompt: int, used: dict[str, int]) -> dict[str, Any]:
    total = prompt + used.get("candidatesTokenCount", 0) + used.get("thoughtsTokenCount", 0)
    usage = {"promptTokenCount": prompt, **used, "totalTokenCount": total}
    return {
        "usageMetadata": usage,
        "modelVersion": "gemini-3.8-flash",
        "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
    }


def _joined(answers: list[dict[str, Any]]) -> dict[str, Any]:
    if "candidates" not in answers[0]:
        return answers[0]
    parts = [answer["candidates"][0]["content"]["parts"][0] for answer in answers]
    candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}
    return {**answers[-1], "candidates": [candidate]}


def _failure(wish: str) -> Refusal:
    too_long = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
    known = {
        "429": (429, quota("GenerateRequestsPerMinutePerProjectPerModel", "0.2s")),
        "402": (402, error(402, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.")),
        "500": (500, error(500, "INTERNAL", "An internal error has occurred. canary-provider-words")),
        "503": (503, error(503, "UNAVAILABLE", "The model is overloaded. canary-provider-words")),
        "long": (400, error(400, "INVALID_ARGUMENT", too_long)),
    }
    return known[wish]


def error(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    """Return an error's body."""
    body = {"code": code, "message": message, "status": status}
    return {"error": {**body, **({"details": list(details)} if details else {})}}


def quota(quota_id: str, delay: str) -> dict[str, Any]:
    """Return the body of a 429 for a quota, with the wait that is asked for."""
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_requests_per_model",
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": "gemini-3.8-flash"},
        "quotaValue": "250",
    }
    return error(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota. canary-provider-words",
        {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"description": "Learn more"}]},
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    )


@dataclass(frozen=True, kw_only=True)
class RunningGemini:
    """A running server."""

    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1beta"

    def ledger(self) -> list[dict[str, Any]]:
        """What it was asked: path, query, headers and body of each request."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/ledger", timeout=30, trust_env=False)
        return list(answer.raise_for_status().json())


@contextmanager
def running_gemini() -> Iterator[RunningGemini]:
    """Start the server on a free port; it is ended with the block."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.vendors.gemini_server:app", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "error"], cwd=_ROOT)
    try:
        _wait_for(port, process)
        yield RunningGemini(port=port)
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/ledger", timeout=5, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the Gemini server did not start")
