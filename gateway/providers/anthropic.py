"""Anthropic's Messages API. (https://platform.claude.com/docs/en/api/messages/create)

How each field of the question is carried over, or why it is not, is told in `anthropic_request`.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.failures import FailureKind
from gateway.providers import anthropic_answer, anthropic_errors, anthropic_request
from gateway.providers.anthropic_stream import MessageReader
from gateway.providers.dialect import ChunkReader, Completion, ProviderRequest, Unsupported

#: Not the later 2026-10-21: that one refuses temperature, top_p and top_k, whatever their value, for every
#: model; under this one the models that know them take them. All else that is sent or read here is the same.
#: (https://platform.claude.com/docs/en/api/migration-2026-10-21)
_VERSION = "2023-06-01"


class Anthropic:
    """Speaks to Anthropic, and to others that offer its Messages API."""

    def request(self, model: str, body: Mapping[str, Any], secret: str, *, stream: bool) -> ProviderRequest:
        """Return the question as a Messages request. Raises Unsupported."""
        headers = {"anthropic-version": _VERSION} | ({"x-api-key": secret} if secret else {})
        try:
            content = orjson.dumps(anthropic_request.message_request(model, body, stream=stream))
        except orjson.JSONEncodeError:
            # Arguments that were text become objects here, and may be nested too deep for one.
            raise Unsupported("messages.tool_calls") from None
        return ProviderRequest(path="/messages", content=content, headers=headers)

    def read(self, raw: bytes) -> Completion:
        """Return the answer in a Message. Raises InvalidCompletion and ProviderError."""
        return anthropic_answer.read_message(raw)

    def reader(self) -> ChunkReader:
        """Return what reads the events of one streamed Message."""
        return MessageReader()

    def failure_kind(self, status: int, raw: bytes) -> FailureKind:
        """Tell what a status other than 200 means."""
        return anthropic_errors.kind_of_failure(status, raw)
