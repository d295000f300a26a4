"""The edge: an ASGI application in front of Django that answers what it is sure of.

    admit ──▶ plan ──▶ memory (L0) ──▶ L1 ──▶ hit: answer, record, end
      │401, 429: answer                 └──▶ anything else: on to the Ninja endpoint, with all that is done

A request is answered here if its key is refused (401), a limit is reached (429), or the exact answer to its
question is at hand. Every stage is the function that the Ninja door calls too (gateway.admission,
gateway.reading, gateway.planning, gateway.recalling, gateway.answers); a test holds both to the same answers.
While traces are made, the edge only admits, so that each stage is a span of the call.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from pydantic import ValidationError

from caching.memory import ENTRY_BYTES, BoundedMemory
from caching.recall import ExactHit, ExactRecall
from gateway import answers, headers, recalling, runtime, tracing
from gateway.admission import Admission, Arrival, Caller, Refused, counted, identify
from gateway.ahead import AHEAD, Ahead
from gateway.call import ChatCall, ChatOutcome
from gateway.errors import Refusal
from gateway.https import is_secure
from gateway.pipeline import Begun
from gateway.planning import Plan, plan_call
from gateway.reading import call_of, is_plain_json, read_question
from gateway.records import record_of
from gateway.request_id import shown
from gateway.runtime import RunningParts
from gateway.schemas import ChatRequest
from gateway.strict_json import BadJson

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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A well-formed question and its plan: they follow from the body and the caller alone."""

    question: ChatRequest
    call: ChatCall
    plan: Plan | Refusal

    def ahead(self, admission: Admission, plan: Plan | None, exact: ExactRecall | None) -> Ahead:
        """Return what is done. plan: this call's own; None if the plan is a refusal."""
        return Ahead(
            admitted=admission,
            question=self.question,
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
        self._plans: BoundedMemory[tuple[Caller, bytes], _Asked] = BoundedMemory(settings.MEMORY_PLANS_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in EDGE_ROUTES or scope["method"] != "POST":
            await self._inside(scope, receive, send)
            return
        parts = await runtime.parts()
        fields: Fields = dict(scope["headers"])
        secure = is_secure(scope["scheme"], fields)
        in_the_clear = settings.SECURE_SSL_REDIRECT and not secure
        # A field that comes twice is for Django to judge, like all that is unusual.
        if parts.draining or in_the_clear or len(fields) < len(scope["headers"]):
            await self._inside(scope, receive, send)
            return
        body = await read_body(receive)
        if body is None:
            return
        reached = await self._reach(scope["path"], fields, body, parts)
        if isinstance(reached, Ahead):
            scope[AHEAD] = reached
            await self._inside(scope, replay(body, receive), send)
        elif isinstance(reached, Refused):
            await _send_refused(send, reached, secure=secure)
        else:
            parts.finish(record_of(reached.admission, scope["path"], reached.outcome, reached.call))
            await _send_ended(send, reached, secure=secure)

    async def _reach(
        self, path: str, fields: Fields, body: bytes, parts: RunningParts
    ) -> _Ended | Refused | Ahead:
        """Go as far as the edge goes: to an end, or to where the endpoint goes on."""
        arrival = Arrival.now(_text(fields, b"x-request-id"))
        known = await identify(arrival, _text(fields, b"authorization"), parts.callers)
        if isinstance(known, Refused):
            return known
        asked = self._ask(known, path, fields, body)
        plan = asked.plan if asked and isinstance(asked.plan, Plan) else None
        hit = recalling.at_hand(plan, parts) if plan else None
        verdict, sent = parts.limiter.take(known.caller.windows), None
        if verdict is None:
            # L1 is asked while the request is counted: one wait for both.
            sent = recalling.ask_exact(plan, parts) if plan and hit is None else None
            verdict = await parts.limiter.admit(known.caller.windows)
        admitted = counted(known, verdict)
        if isinstance(admitted, Refused):
            if sent is not None:
                sent.close()
            return _Ended(replace(known, limits=verdict), ChatOutcome(refusal=admitted.refusal))
        if asked is None:
            return Ahead(admitted=admitted)
        if plan is None:
            return asked.ahead(admitted, None, None)
        exact: ExactRecall | None = hit
        if hit is None:
            plan = plan.of(admitted)
            sent = sent or recalling.ask_exact(plan, parts)
            exact = await recalling.exact(plan, parts, sent) if sent else None
        if isinstance(exact, ExactHit):
            return _Ended(admitted, recalling.served_exact(plan, exact), plan.call)
        return asked.ahead(admitted, plan, exact)

    def _ask(self, known: Admission, path: str, fields: Fields, body: bytes) -> _Asked | None:
        """Return the question and its plan, from memory if it came before; None if the endpoint must look."""
        if tracing.is_on() or "chat" not in known.key.scopes or not _is_plain_json(fields):
            return None
        asked = self._plans.get((known.caller, body))
        if asked is None or asked.call.endpoint != path:
            try:
                question = read_question(body)
            except (BadJson, ValidationError):
                return None
            call = call_of(question, known, path)
            asked = _Asked(question, call, plan_call(call))
            if len(body) <= _LONGEST_BODY:
                self._plans.put((known.caller, body), asked, size=_plan_bytes(body), ttl_s=_PLAN_SECONDS)
        return asked


def _plan_bytes(body: bytes) -> int:
    """Return about how much a plan takes: the body, its texts once more, and the objects around them."""
    return 2 * ENTRY_BYTES + 2 * len(body)


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


async def _send_refused(send: Send, refused: Refused, *, secure: bool) -> None:
    fields = [
        (b"x-request-id", shown(refused.arrival.request_id).encode()),
        *headers.of_refusal(refused.refusal),
    ]
    await _send(send, refused.refusal.status, fields, refused.refusal.body(), secure=secure)


async def _send_ended(send: Send, ended: _Ended, *, secure: bool) -> None:
    total_ms = ended.admission.arrival.elapsed_ms()
    fields = headers.of_outcome(ended.admission, ended.outcome, total_ms)
    body = answers.chat_body(ended.admission, ended.outcome, total_ms)
    await _send(send, ended.outcome.status, fields, body, secure=secure)


async def _send(send: Send, status: int, fields: headers.Headers, body: bytes, *, secure: bool) -> None:
    fields = headers.of_content(len(body), secure=secure) + fields
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
