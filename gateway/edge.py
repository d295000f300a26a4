"""The edge: an ASGI application in front of Django that answers what it is sure of.

    at once     a caller and a body that came before ──▶ memory (L0) ──▶ hit: answer, record, end
    else        admit ──▶ plan ──▶ memory, L1 ──▶ hit: answer, record, end
                  │401, 429: answer          └──▶ anything else: on to the Ninja endpoint, with all that is done

A request is answered here if its key is refused (401), a limit is reached (429), or the exact answer to its
question is at hand. Every stage is the function that the Ninja door calls too (gateway.admission,
gateway.reading, gateway.planning, gateway.recalling, gateway.answers); a test holds both to the same answers.
While traces are made, the edge only admits, so that each stage is a span of the call.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.conf import settings
from pydantic import ValidationError

from caching.memory import BoundedMemory, HeldAnswer
from caching.recall import ExactHit, ExactRecall
from gateway import headers, recalling, runtime, tracing
from gateway.admission import Admission, Arrival, Caller, Refused, counted, identify, recognise
from gateway.ahead import AHEAD, Ahead
from gateway.call import ChatCall, ChatOutcome
from gateway.errors import Refusal
from gateway.https import is_secure
from gateway.pipeline import Begun
from gateway.planning import Plan, plan_call
from gateway.reading import Receive, call_of, is_plain_json, read_body, read_question
from gateway.ready import EdgeAnswer, ReadyHit
from gateway.records import record_of
from gateway.rendering import COMPLETIONS, body_of
from gateway.rendering.form import JSON
from gateway.request_id import shown
from gateway.runtime import RunningParts
from gateway.strict_json import BadJson

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Fields = Mapping[bytes, bytes]
"""Header fields by lower-case name."""

#: The routes whose questions may end here.
EDGE_ROUTES = frozenset({"/chat", COMPLETIONS})
#: Plans of larger bodies aren't kept: such bodies hardly come again.
_LONGEST_BODY = 32_768
_PLAN_SECONDS = 300.0
#: What a plan takes besides its body, which it holds twice (measured with tracemalloc over 3,000).
_PLAN_BYTES = 1600
#: What a hit that is kept ready takes besides its frame and the body, with what the record and the log line of its
#: calls have in common (measured with tracemalloc over 2,000).
_READY_BYTES = 2400
#: How often plans of past policies are looked for, at most: of 5,000 plans it takes a millisecond.
_LOOK_THROUGH_SECONDS = 1.0
#: The extension by which our server takes an answer in one piece (config.whole_answers).
WHOLE_ANSWER = "halfpenny.whole_answer"
_NONE: Mapping[str, Any] = {}
#: In the scope of a request that the server has asked `at_once` about.
TRIED = "halfpenny.tried"
#: There, whose request `at_once` has found it to be.
RECOGNISED = "halfpenny.recognised"


class WholeAnswer(NamedTuple):
    """A complete answer."""

    status: int
    head: bytes
    """Header lines, each with its CRLF."""
    body: bytes


_Place = tuple[Caller, str, bytes]
"""Who asks, by which route, and the body."""


@dataclass(slots=True)
class _Asked:
    """What a well-formed body asks and its plan: they follow from the body and the caller alone."""

    plan: Plan | Refusal
    call: ChatCall

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


class Edge:
    """Answers exact hits, 401 and 429; hands everything else to `inside`."""

    def __init__(self, inside: Application) -> None:
        self._inside = inside
        self._known: BoundedMemory[_Place, _Asked | ReadyHit] = BoundedMemory(settings.MEMORY_PLANS_BYTES)
        """Of bodies that came before: the hit that answered them last, else what they ask."""
        self._looked_through_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_question(scope):
            await self._inside(scope, receive, send)
            return
        parts = await runtime.parts()
        fields: Fields = dict(scope["headers"])
        if not _is_usual(scope, fields, parts):
            await self._inside(scope, receive, send)
            return
        body = await read_body(receive)
        if body is None:
            return
        answer = None if TRIED in scope else self.at_once(scope, body)
        if answer is None:
            answer = await self._in_time(scope, fields, body, parts)
        if answer is None:
            await self._inside(scope, replay(body, receive), send)
        else:
            await _send(scope, send, answer)

    def at_once(self, scope: Scope, body: bytes) -> WholeAnswer | None:
        """Return the answer if memory has it and permits are in hand; it is counted and recorded then.

        A server that calls this with a whole request before it runs the application (config.whole_answers) marks
        the scope with TRIED. None: nothing is counted or recorded. Never raises.
        """
        if not _is_question(scope) or (parts := runtime.at_hand()) is None:
            return None
        fields: Fields = dict(scope["headers"])
        if not _is_usual(scope, fields, parts):
            return None
        try:
            answer = self._from_memory(scope, fields, body, parts)
        except Exception:
            log.exception("the edge failed")
            return None
        return None if answer is None else _finished(answer, scope, fields, parts)

    def _from_memory(
        self, scope: Scope, fields: Fields, body: bytes, parts: RunningParts
    ) -> EdgeAnswer | None:
        arrival = Arrival.now(_text(fields, b"x-request-id"))
        known = recognise(arrival, _text(fields, b"authorization"), parts.callers)
        if known is None:
            return None
        # If this is all that can be done at once, nobody need do it again.
        scope[RECOGNISED] = known
        place = (known.caller, scope["path"], body)
        before = self._known.get(place) if _may_ask(known, fields) else None
        held = _held(before, known.caller, parts)
        verdict = parts.limiter.take(known.caller.windows) if held else None
        if before is None or held is None or verdict is None:
            return None
        admitted = counted(known, verdict)
        if isinstance(admitted, Refused):
            return _rendered(_limited(admitted), scope["path"])
        return self._ready(before, place, held, admitted).to(admitted)

    def _ready(
        self, before: "_Asked | ReadyHit", place: _Place, held: HeldAnswer, admitted: Admission
    ) -> ReadyHit:
        """Return the hit that answers the question, the last one if it still does."""
        if isinstance(before, ReadyHit):
            if before.serves(held, admitted.arrival.started_at):
                return before
            before = _asked(place, admitted)
        assert isinstance(before.plan, Plan)
        ready = ReadyHit.of(before.plan, held)
        self._keep(place, ready, _READY_BYTES + ready.frame.size + len(place[2]))
        return ready

    async def _in_time(
        self, scope: Scope, fields: Fields, body: bytes, parts: RunningParts
    ) -> WholeAnswer | None:
        """Return the answer after asking who is to be asked; None if the endpoint goes on."""
        try:
            reached = await self._reach(scope, fields, body, parts)
        except Exception:
            # The endpoint begins anew: should it fail too, it knows how to say so and to record it.
            log.exception("the edge failed")
            return None
        if isinstance(reached, Ahead):
            scope[AHEAD] = reached
            return None
        return _finished(_rendered(reached, scope["path"]), scope, fields, parts)

    async def _reach(
        self, scope: Scope, fields: Fields, body: bytes, parts: RunningParts
    ) -> _Ended | Refused | Ahead:
        """Go as far as the edge goes: to an end, or to where the endpoint goes on."""
        known: Admission | None = scope.pop(RECOGNISED, None)
        if known is None:
            arrival = Arrival.now(_text(fields, b"x-request-id"))
            identified = await identify(arrival, _text(fields, b"authorization"), parts.callers)
            if isinstance(identified, Refused):
                return identified
            known = identified
            self._forget_past(parts)
        asked = self._ask(known, scope["path"], fields, body)
        if asked is None or not isinstance(asked.plan, Plan):
            return await _admit(known, asked, parts)
        return await _recall(known, asked, asked.plan, parts)

    def _ask(self, known: Admission, path: str, fields: Fields, body: bytes) -> _Asked | None:
        """Return the question and its plan, from memory if it came before; None if the endpoint must look."""
        if not _may_ask(known, fields):
            return None
        place = (known.caller, path, body)
        before = self._known.get(place)
        if isinstance(before, _Asked):
            return before
        try:
            asked = _asked(place, known)
        except (BadJson, ValidationError):
            return None
        self._keep(place, asked, _PLAN_BYTES + 2 * len(body))
        return asked

    def _keep(self, place: _Place, value: "_Asked | ReadyHit", size: int) -> None:
        if len(place[2]) <= _LONGEST_BODY:
            self._known.put(place, value, size=size, ttl_s=_PLAN_SECONDS)

    def _forget_past(self, parts: RunningParts) -> None:
        """Drop the plans of callers whose policies hold no more: each would keep a whole policy alive."""
        now, holds = time.monotonic(), parts.policies.holds
        if now - self._looked_through_at >= _LOOK_THROUGH_SECONDS:
            self._looked_through_at = now
            self._known.drop_where(lambda key: not holds(key[0].tenant, key[0].gateway))


def _asked(place: _Place, admission: Admission) -> _Asked:
    """Read and plan a question. Raises BadJson or ValidationError."""
    _, path, body = place
    call = call_of(read_question(body, path), admission, path)
    return _Asked(plan_call(call), call)


def _held(before: _Asked | ReadyHit | None, caller: Caller, parts: RunningParts) -> HeldAnswer | None:
    """Return the answer in memory to a question that came before."""
    if isinstance(before, ReadyHit):
        return recalling.held_for(caller, before.fingerprint, before.max_age_s, parts)
    if before is None or not isinstance(before.plan, Plan):
        return None
    return recalling.held(before.plan, parts)


async def _admit(known: Admission, asked: _Asked | None, parts: RunningParts) -> _Ended | Ahead:
    """Count a request that the endpoint will answer, whatever it asks."""
    windows = known.caller.windows
    admitted = counted(known, parts.limiter.take(windows) or await parts.limiter.admit(windows))
    if isinstance(admitted, Refused):
        return _limited(admitted)
    return Ahead(admitted=admitted) if asked is None else asked.ahead(admitted, None, None)


async def _recall(known: Admission, asked: _Asked, plan: Plan, parts: RunningParts) -> _Ended | Ahead:
    """Count a request and look for the answer to its question."""
    verdict, sent = parts.limiter.take(known.caller.windows), None
    try:
        if verdict is None:
            if plan.reads_exact and recalling.held(plan, parts) is None:
                # L1 is asked while the request is counted: one wait for both.
                sent = recalling.ask_exact(plan, parts)
            verdict = await parts.limiter.admit(known.caller.windows)
        admitted = counted(known, verdict)
        if isinstance(admitted, Refused):
            return _limited(admitted)
        plan = plan.of(admitted)
        exact = await recalling.exact(plan, parts, sent)
    finally:
        if sent is not None:
            # An answer that nobody waits for any more: the request is refused, or cancelled.
            sent.close()
    if isinstance(exact, ExactHit) and not exact.stale:
        return _Ended(admitted, recalling.served_exact(plan, exact), plan.call)
    return asked.ahead(admitted, plan, exact)


def _limited(refused: Refused) -> _Ended:
    assert refused.admission is not None
    return _Ended(refused.admission, ChatOutcome(refusal=refused.refusal))


def _is_question(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"] in EDGE_ROUTES and scope["method"] == "POST"


def _is_usual(scope: Scope, fields: Fields, parts: RunningParts) -> bool:
    """Whether the edge may judge the request: a field that comes twice, say, is for Django."""
    if len(fields) < len(scope["headers"]) or parts.draining or not scope["query_string"].isascii():
        return False
    return is_secure(scope["scheme"], fields) or not settings.SECURE_SSL_REDIRECT


def _may_ask(known: Admission, fields: Fields) -> bool:
    """Whether the body is read here at all."""
    return "chat" in known.caller.key.scopes and _is_plain_json(fields) and not tracing.is_on()


def _text(fields: Fields, name: bytes) -> str:
    return fields.get(name, b"").decode("latin-1")


def _is_plain_json(fields: Fields) -> bool:
    content_type = fields.get(b"content-type", b"")
    if content_type == b"application/json" and b"content-encoding" not in fields:
        return True
    return is_plain_json(content_type.decode("latin-1"), _text(fields, b"content-encoding"))


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then what comes."""
    unread = [body]

    async def receive_again() -> Mapping[str, Any]:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return receive_again


def _rendered(reached: _Ended | Refused, path: str) -> EdgeAnswer:
    if isinstance(reached, Refused):
        return _unknown(reached)
    admission, outcome = reached.admission, reached.outcome
    request_id, total_ms = admission.arrival.request_id, admission.arrival.elapsed_ms()
    head = headers.of_outcome(shown(request_id), admission.limits, outcome, total_ms)
    content_type, body = body_of(outcome, reached.call, request_id, total_ms)
    return EdgeAnswer(
        status=outcome.status,
        head=head,
        body=body,
        content_type=content_type,
        record=record_of(admission, path, outcome, reached.call),
    )


def _unknown(refused: Refused) -> EdgeAnswer:
    """Render the refusal of a key; nobody's record is left."""
    request_id = headers.of_request_id(shown(refused.arrival.request_id))
    return EdgeAnswer(
        status=refused.refusal.status,
        head=request_id + headers.of_refusal(refused.refusal),
        body=refused.refusal.body(),
        content_type=JSON,
        record=None,
    )


def _finished(answer: EdgeAnswer, scope: Scope, fields: Fields, parts: RunningParts) -> WholeAnswer:
    """Take note of an ended request and complete its head."""
    if answer.record is not None:
        parts.finish(answer.record)
    secure = is_secure(scope["scheme"], fields)
    content = headers.of_content(answer.content_type, len(answer.body), secure=secure)
    return WholeAnswer(answer.status, content + answer.head, answer.body)


async def _send(scope: Scope, send: Send, answer: WholeAnswer) -> None:
    whole = scope.get("extensions", _NONE).get(WHOLE_ANSWER)
    if whole is not None and whole(*answer):
        return
    status, head, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers.fields(head)})
    await send({"type": "http.response.body", "body": body})
