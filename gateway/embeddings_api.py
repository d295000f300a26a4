"""`POST /v1/embeddings`: vectors from our own embedding worker, as OpenAI's API gives them.

Texts travel on the line that questions' texts travel on, but behind them: a long list holds up no question. What
was embedded before the time was over is kept, so that the same list asked again comes further.
"""

import asyncio
import base64
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import BeforeValidator, Field

from caching.embedder import current_embedder_id
from caching.embedding import MAX_CHARACTERS, Embedder, EmbeddingUnavailable
from caching.vectors import Vector
from gateway import doors, errors, headers, runtime
from gateway.admission import Admission
from gateway.call import CacheReport, ChatOutcome
from gateway.errors import Refusal
from gateway.models_api import OURSELVES
from gateway.records import record_of
from gateway.request_id import shown
from gateway.schemas import ErrorBody, Name, Strict
from routing.selection import AUTO

log = logging.getLogger(__name__)

router = Router(tags=["embeddings"])

ENDPOINT = "/v1/embeddings"
MOST_TEXTS = 1024
#: Longer than a chat waits: here the vectors are all that the caller wants.
MOST_SECONDS = 30.0
#: Of one request in the line at once: enough to fill its batches, few enough to leave others their place.
_AT_ONCE = 16
_CHARS_PER_TOKEN = 4
#: No answer of these caches is looked for; the record's columns add up with this.
_BYPASS = CacheReport(status="bypass", reason="embeddings")


def _texts(given: Any) -> list[str]:
    """Read OpenAI's `input`; its lists of token numbers are numbers of another model's tokenizer."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("input must be a string or a list of strings; token numbers are not taken")
    if not 1 <= len(texts) <= MOST_TEXTS:
        raise ValueError(f"input must have between 1 and {MOST_TEXTS} texts")
    if any(not text.strip() for text in texts):
        raise ValueError("input must not have empty texts")
    if any(len(text) > MAX_CHARACTERS for text in texts):
        raise ValueError(f"texts may have at most {MAX_CHARACTERS} characters")
    return texts


class EmbeddingsRequest(Strict):
    """One text or several."""

    input: Annotated[list[str], BeforeValidator(_texts, json_schema_input_type=str | list[str])] = Field(
        description=f"A string, or up to {MOST_TEXTS} of them."
    )
    model: Name = Field(AUTO, description="The embedding model as `GET /v1/models` lists it, or `auto`.")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Only the model's own number is taken: its vectors can't be shortened."
    )
    user: str | None = None


class Embedding(Schema):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(description="base64: of little-endian float32.")


class EmbeddingsUsage(Schema):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(Schema):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage


@router.post(
    ENDPOINT,
    auth=doors.ChatDoor(),
    response={200: EmbeddingsAnswer, **dict.fromkeys((400, 401, 403, 404, 413, 415, 429, 503), ErrorBody)},
    summary="Embed texts",
)
async def create_embeddings(request: HttpRequest, wish: EmbeddingsRequest) -> HttpResponse:
    """Return a vector of length 1 for each text."""
    admission = doors.admission_of(request)
    parts = await runtime.parts()
    try:
        answer = errors.DRAINING if parts.draining else await _embedded(parts.embedder, admission, wish)
    except asyncio.CancelledError:
        _record(admission, wish, ChatOutcome(hung_up=True))
        raise
    if isinstance(answer, Refusal):
        return doors.refused(request, answer)
    outcome = ChatOutcome(cache=_BYPASS)
    _record(admission, wish, outcome)
    return _rendered(admission, outcome, _body(wish, answer))


async def _embedded(
    embedder: Embedder, admission: Admission, wish: EmbeddingsRequest
) -> list[Vector] | Refusal:
    """Return a vector for each text, or why there are none."""
    embedder_id = current_embedder_id()
    if wish.model not in (AUTO, embedder_id):
        return errors.model_not_found(wish.model)
    if not admission.key.allows_model(embedder_id):
        return errors.model_not_allowed(embedder_id)
    try:
        async with asyncio.timeout(MOST_SECONDS):
            vectors = await _vectors(embedder, admission.tenant_id, wish.input)
    except TimeoutError:
        return errors.EMBEDDER_UNAVAILABLE
    except EmbeddingUnavailable as error:
        return _refusal(error)
    dimension = vectors[0].dimension
    if wish.dimensions not in (None, dimension):
        return errors.invalid_request(f"This model's vectors have {dimension} dimensions.", "dimensions")
    return vectors


async def _vectors(embedder: Embedder, tenant_id: int, texts: Sequence[str]) -> list[Vector]:
    """Raises EmbeddingUnavailable."""
    # Of a list that can't be embedded at all, one text is enough to find that out.
    known = {texts[0]: await _vector(embedder, tenant_id, texts[0])}
    others = [text for text in dict.fromkeys(texts) if text not in known]
    for start in range(0, len(others), _AT_ONCE):
        some = others[start : start + _AT_ONCE]
        made = await asyncio.gather(*(_vector(embedder, tenant_id, text) for text in some))
        known.update(zip(some, made, strict=True))
    return [known[text] for text in texts]


async def _vector(embedder: Embedder, tenant_id: int, text: str) -> Vector:
    try:
        return await embedder.embed_patiently(tenant_id, text)
    except EmbeddingUnavailable as error:
        if error.reason != "breaker_open":
            raise
    # A worker that was silent is tried only with texts that may not wait; without a chat this is the only one.
    return await embedder.embed(tenant_id, text)


def _refusal(error: EmbeddingUnavailable) -> Refusal:
    if error.reason == "too_long":
        return errors.invalid_request("A text is longer than the embedding model reads.", "input")
    if error.about_text:
        return errors.invalid_request("A text is nothing that the embedding model can read.", "input")
    log.warning("texts not embedded", extra={"reason": error.reason})
    return errors.EMBEDDER_UNAVAILABLE


def _record(admission: Admission, wish: EmbeddingsRequest, outcome: ChatOutcome) -> None:
    record = record_of(admission, ENDPOINT, outcome)
    runtime.running().finish(
        replace(
            record,
            model_asked=wish.model,
            model=current_embedder_id(),
            provider=OURSELVES,
            input_tokens=_tokens(wish.input),
        )
    )


def _body(wish: EmbeddingsRequest, vectors: Sequence[Vector]) -> bytes:
    tokens = _tokens(wish.input)
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector, wish.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    answer = {
        "object": "list",
        "data": data,
        "model": current_embedder_id(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return orjson.dumps(answer)


def _written(vector: Vector, encoding: Literal["float", "base64"]) -> str | list[float]:
    return base64.b64encode(vector.to_bytes()).decode() if encoding == "base64" else vector.values


def _tokens(texts: Sequence[str]) -> int:
    """Return our estimate: the model's own tokenizer is loaded only where the model is."""
    return sum(-(-len(text) // _CHARS_PER_TOKEN) for text in texts)


def _rendered(admission: Admission, outcome: ChatOutcome, body: bytes) -> HttpResponse:
    request_id = shown(admission.arrival.request_id)
    head = headers.of_outcome(request_id, admission.limits, outcome, admission.arrival.elapsed_ms())
    return HttpResponse(
        body,
        content_type="application/json",
        headers=doors.as_text(head),
    )
