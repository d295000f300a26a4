"""Google's Gemini API (generateContent), spoken natively.

Source: ai.google.dev/api/generate-content and the pages named in the modules gemini_*, as read on 2026-11-22. The
base URL ends with the API's version (".../v1beta").
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from gateway.failures import FailureKind
from gateway.providers.dialect import Completion, ProviderRequest, Unsupported
from gateway.providers.gemini_answer import GeminiReader, read_answer
from gateway.providers.gemini_errors import failure_kind, retry_delay
from gateway.providers.gemini_request import read_question

__all__ = ["Gemini", "retry_delay"]

_COLLECTIONS = ("models", "tunedModels")


class Gemini:
    """Implements Dialect for the Gemini API. Stateless."""

    def request(self, model: str, body: Mapping[str, Any], secret: str, *, stream: bool) -> ProviderRequest:
        """Return the question as Gemini wants it; the key goes into a header, never into the address.

        Raises Unsupported; which fields are left out is in gemini_request.
        """
        try:
            content = orjson.dumps(read_question(_bare(model), body))
        except orjson.JSONEncodeError:
            # Arguments or tool results that were text become objects here, and may be nested too deep for one.
            raise Unsupported("messages") from None
        return ProviderRequest(
            path=_path(model, stream=stream),
            content=content,
            headers={"x-goog-api-key": secret} if secret else {},
        )

    def read(self, raw: bytes) -> Completion:
        """Return the answer in the body of a status 200. Raises InvalidCompletion and ProviderError."""
        return read_answer(raw)

    def reader(self) -> GeminiReader:
        """Return what reads the events of one stream."""
        return GeminiReader()

    def failure_kind(self, status: int, raw: bytes) -> FailureKind:
        """Tell what a status other than 200 means; raw: the beginning of its body, whatever that is."""
        return failure_kind(status, raw)


def _bare(model: str) -> str:
    return model.removeprefix("models/")


def _path(model: str, *, stream: bool) -> str:
    """Return the path: whatever the model is called, its name stays one segment of it."""
    collection, _, name = model.partition("/")
    if collection not in _COLLECTIONS or not name:
        collection, name = "models", model
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/{collection}/{quote(name, safe='')}:{method}"
