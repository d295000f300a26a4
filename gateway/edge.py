"""The edge: an ASGI application in front of Django that answers what it is sure of.

    admit ──▶ plan ──▶ memory (L0) ──▶ L1 ──▶ hit: answer, record, end
      │401, 429: answer                 └──▶ anything else: on to the Ninja endpoint, with all that is done

A request is answered here if its key is refused (401), a limit is reached (429), or the exact answer to its
question is at hand. Every stage is the function that the Ninja door calls too (gateway.admission,
gateway.reading, gateway.planning, gateway.recalling, gateway.answers); a test holds both to the same answers.
While traces are made, the edge only admits, so that each stage is a span of the call.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from pydantic import ValidationError

from caching.memory import BoundedMemory, HeldAnswer
from caching.recall import ExactHit, ExactRecall
from gateway import answers, headers, recalling, runtime, tracing
from gateway.admission import Admission, Arrival, Caller, Refused, counted, identify, recognise
from gateway.ahead import AHEAD, Ahead
from gateway.call import ChatCall, ChatOutcome
from gateway.errors import Refusal
from gateway.https import is_secure
from gateway.pipeline import Begun
from gateway.planning import Plan, plan_call
from gateway.reading import call_of, is_plain_json, read_question
from gateway.ready import EdgeAnswer, ReadyHit
from gateway.records import record_of
from gateway.request_id import shown
from gateway.runtime import RunningParts
from gateway.strict_json import BadJson

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Fields = Mapping[bytes, bytes]
"""Header fields by lower-case name."""

#: The routes whose questions may end here.
EDGE_ROUTES = frozenset({"/chat"})
#: Plans of larger bodies aren't kept: such bodies hardly come again.
_LONGEST_BODY = 32_768
_PLAN_SECONDS = 300.0
#: What a plan takes besides its body, which it holds twice (measured with tracemalloc over 3,000).
_PLAN_BYTES = 1600
#: How often plans of past policies are looked for, at most: of 5,000 plans it takes a millisecond.
_LOOK_THROUGH_SECONDS = 1.0
#: The extension by which our server takes an answer in one piece (config.whole_answers).
WHOLE_ANSWER = "halfpenny.whole_answer"
_NONE: Mapping[str, Any] = {}


@dataclass(slots=True)
class _Asked:
    """What a well-formed body asks and its plan: they follow from the body and the caller alone."""

    plan: Plan | Refusal
    call: ChatCall
    ready: "ReadyHit | None" = None
    """The hit that answered it last."""

    def ahead(self, admission: Admission, plan: Plan | None, exact: ExactRecall | None) -> Ahead:
        """Return what is done. plan: this call's own; None if the plan is a refusal."""
        return Ahead(
            admitted=admission,
            call=plan.call if plan else replace(self.call, admission=admission),
            begun=Begun(plan=plan or self.plan, exact=exact),
        )


@dataclass(frozen=True, slots=True)
class _Ended:
    """A request that the edge answers."""

    admission: Admission
    outcome: ChatOutcome
    call: ChatCall | None = None


@dataclass(frozen=True, slots=True)
class _Hit:
    """A request that an answer in memory ends."""

    admission: Admission
    ready: ReadyHit


class Edge:
    """Answers exact hits, 401 and 429; hands everything else to `inside`."""

    def __init__(self, inside: Application) -> None:
        self._inside = inside
        self._plans: BoundedMemory[tuple[Caller, bytes], _Asked] = BoundedMemory(settings.MEMORY_PLANS_BYTES)
        self._looked_through_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in EDGE_ROUTES or scope["method"] != "POST":
            await self._inside(scope, receive, send)
            return
        parts = await runtime.parts()
        fields: Fields = dict(scope["headers"])
        secure = is_secure(scope["scheme"], fields)
        in_the_clear = settings.SECURE_SSL_REDIRECT and not secure
        # A field that comes twice is for Django to judge, like all that is unusual.
        unusual = len(fields) < len(scope["headers"]) or not scope["query_string"].isascii()
        if parts.draining or in_the_clear or unusual:
            await self._inside(scope, receive, send)
            return
        body = await read_body(receive)
        if body is None:
            return
        try:
            reached = await self._reach(scope["path"], fields, body, parts)
        except Exception:
            # The endpoint begins anew: should it fail too, it knows how to say so and to record it.
            log.exception("the edge failed")
            reached = None
        if reached is None or isinstance(reached, Ahead):
            scope[AHEAD] = reached
            await self._inside(scope, replay(body, receive), send)
            return
        answer = _answer_of(reached, scope["path"])
        if answer.record is not None:
            parts.finish(answer.record)
        await _send(scope, send, answer, secure=secure)

    async def _reach(
        self, path: str, fields: Fields, body: bytes, parts: RunningParts
    ) -> _Hit | _Ended | Refused | Ahead:
        """Go as far as the edge goes: to an end, or to where the endpoint goes on."""
        arrival = Arrival.now(_text(fields, b"x-request-id"))
        authorization = _text(fields, b"authorization")
        known = recognise(arrival, authorization, parts.callers)
        if known is None:
            identified = await identify(arrival, authorization, parts.callers)
            if isinstance(identified, Refused):
                return identified
            known = identified
            self._forget_past(parts)
        asked = self._ask(known, path, fields, body)
        if asked is None or not isinstance(asked.plan, Plan):
            return await _admit(known, asked, parts)
        ready = asked.ready
        reached = await _recall(known, asked, asked.plan, parts)
        if asked.ready is not ready:
            self._keep(known.caller, body, asked)
        return reached

    def _ask(self, known: Admission, path: str, fields: Fields, body: bytes) -> _Asked | None:
        """Return the question and its plan, from memory if it came before; None if the endpoint must look."""
        if tracing.is_on() or "chat" not in known.key.scopes or not _is_plain_json(fields):
            return None
        asked = self._plans.get((known.caller, body))
        if asked is None or asked.call.endpoint != path:
            try:
                call = call_of(read_question(body), known, path)
            except (BadJson, ValidationError):
                return None
            asked = _Asked(plan_call(call), call)
            self._keep(known.caller, body, asked)
        return asked

    def _keep(self, caller: Caller, body: bytes, asked: _Asked) -> None:
        if len(body) <= _LONGEST_BODY:
            size = _PLAN_BYTES + 2 * len(body) + (asked.ready.bytes if asked.ready else 0)
            self._plans.put((caller, body), asked, size=size, ttl_s=_PLAN_SECONDS)

    def _forget_past(self, parts: RunningParts) -> None:
        """Drop the plans of callers whose policies hold no more: each would keep a whole policy alive."""
        now, holds = time.monotonic(), parts.policies.holds
        if now - self._looked_through_at >= _LOOK_THROUGH_SECONDS:
            self._looked_through_at = now
            self._plans.drop_where(lambda key: not holds(key[0].tenant, key[0].gateway))


async def _admit(known: Admission, asked: _Asked | None, parts: RunningParts) -> _Ended | Ahead:
    """Count a request that the endpoint will answer, whatever it asks."""
    windows = known.caller.windows
    admitted = counted(known, parts.limiter.take(windows) or await parts.limiter.admit(windows))
    if isinstance(admitted, Refused):
        return _limited(admitted)
    return Ahead(admitted=admitted) if asked is None else asked.ahead(admitted, None, None)


async def _recall(known: Admission, asked: _Asked, plan: Plan, parts: RunningParts) -> _Hit | _Ended | Ahead:
    """Count a request and look for the answer to its question."""
    held = recalling.held(plan, parts)
    verdict, sent = parts.limiter.take(known.caller.windows), None
    try:
        if verdict is None:
            # L1 is asked while the request is counted: one wait for both.
            sent = recalling.ask_exact(plan, parts) if plan.reads_exact and held is None else None
            verdict = await parts.limiter.admit(known.caller.windows)
        admitted = counted(known, verdict)
        if isinstance(admitted, Refused):
            return _limited(admitted)
        if held is not None:
            return _Hit(admitted, _ready(asked, plan, held, admitted.arrival.started_at))
        plan = plan.of(admitted)
        if sent is None and plan.reads_exact:
            sent = recalling.ask_exact(plan, parts)
        exact = await recalling.exact(plan, parts, sent)
    finally:
        if sent is not None:
            # An answer that nobody waits for any more: the request is refused, or cancelled.
            sent.close()
    if isinstance(exact, ExactHit):
        return _Ended(admitted, recalling.served_exact(plan, exact), plan.call)
    return asked.ahead(admitted, plan, exact)


def _limited(refused: Refused) -> _Ended:
    assert refused.admission is not None
    return _Ended(refused.admission, ChatOutcome(refusal=refused.refusal))


def _ready(asked: _Asked, plan: Plan, held: HeldAnswer, now: float) -> ReadyHit:
    """Return the hit that answers the question, the last one if it still does. now: Unix seconds."""
    ready = asked.ready
    if ready is None or not ready.serves(held, now):
        ready = asked.ready = ReadyHit.of(plan, held)
    return ready


def _text(fields: Fields, name: bytes) -> str:
    return fields.get(name, b"").decode("latin-1")


def _is_plain_json(fields: Fields) -> bool:
    content_type = fields.get(b"content-type", b"")
    if content_type == b"application/json" and b"content-encoding" not in fields:
        return True
    return is_plain_json(content_type.decode("latin-1"), _text(fields, b"content-encoding"))


async def read_body(receive: Receive) -> bytes | None:
    """Return the whole body (the inbound guard bounds it), or None if the caller hangs up before its end."""
    pieces: list[bytes] = []
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        pieces.append(event["body"])
        if not event["more_body"]:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then what comes."""
    unread = [body]

    async def receive_again() -> Mapping[str, Any]:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return receive_again


def _answer_of(reached: _Hit | _Ended | Refused, path: str) -> EdgeAnswer:
    """Render how a request ended."""
    if isinstance(reached, _Hit):
        return reached.ready.to(reached.admission)
    if isinstance(reached, Refused):
        return _unknown(reached)
    admission, outcome = reached.admission, reached.outcome
    request_id, total_ms = shown(admission.arrival.request_id), admission.arrival.elapsed_ms()
    return EdgeAnswer(
        status=outcome.status,
        head=headers.of_outcome(request_id, admission.limits, outcome, total_ms),
        body=answers.chat_body(request_id, outcome, total_ms),
        record=record_of(admission, path, outcome, reached.call),
    )


def _unknown(refused: Refused) -> EdgeAnswer:
    """Render the refusal of a key; nobody's record is left."""
    request_id = headers.of_request_id(shown(refused.arrival.request_id))
    return EdgeAnswer(
        status=refused.refusal.status,
        head=request_id + headers.of_refusal(refused.refusal),
        body=refused.refusal.body(),
        record=None,
    )


async def _send(scope: Scope, send: Send, answer: EdgeAnswer, *, secure: bool) -> None:
    head = headers.of_content(len(answer.body), secure=secure) + answer.head
    whole = scope.get("extensions", _NONE).get(WHOLE_ANSWER)
    if whole is not None and whole(answer.status, head, answer.body):
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": headers.fields(head)})
    await send({"type": "http.response.body", "body": answer.body})
