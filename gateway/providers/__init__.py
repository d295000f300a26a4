"""The vendors whose APIs the gateway speaks."""

from typing import Literal

from gateway.providers.anthropic import Anthropic
from gateway.providers.dialect import Dialect
from gateway.providers.gemini import Gemini
from gateway.providers.openai import OpenAi

ProviderKind = Literal["openai", "anthropic", "gemini"]

_DIALECTS: dict[ProviderKind, Dialect] = {"openai": OpenAi(), "anthropic": Anthropic(), "gemini": Gemini()}


def dialect_of(kind: ProviderKind) -> Dialect:
    """Return how providers of this kind are spoken to."""
    return _DIALECTS[kind]
