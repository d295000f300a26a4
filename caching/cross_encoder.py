"""A heavier verifier: a sentence-transformers CrossEncoder reads both questions together.

It takes the place of the embedder's own verifier where the settings name one. Runs in the embedding worker and in
evaluation commands, and is blocking; importing this module is cheap, as with caching.embedder.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.conf import settings

from caching.embedder import prepare_torch


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownScores:
    """A Verifier whose scores were computed elsewhere."""

    version: str
    scores: Mapping[str, float] = field(repr=False)
    """By the stored question."""

    def limit(self, mode: Literal["strict", "balanced"]) -> float:
        return limit_of(mode)

    def score(self, question: str, stored: str, similarity: float) -> float:
        return self.scores[stored]


class CrossEncoderVerifier:
    """A CrossEncoder in this process, as a Verifier."""

    def __init__(self, name: str, *, device: str, threads: int) -> None:
        """Load a model by hub name or path; takes seconds. Raises ValueError if it gives more than one score."""
        self.version = version_of(name)
        self._model = _load(name, device=device, threads=threads)
        if self._model.num_labels != 1:
            raise ValueError(f"{name} gives {self._model.num_labels} scores a pair, not one")

    def limit(self, mode: Literal["strict", "balanced"]) -> float:
        return limit_of(mode)

    def score(self, question: str, stored: str, similarity: float) -> float:
        return self.scores(question, [stored])[0]

    def scores(self, question: str, stored: Sequence[str]) -> list[float]:
        """Return a score for each stored question: 0 to 1, or NaN for a pair that the model can't read whole."""
        fitting = [text for text in stored if self._fits(question, text)]
        found = self._model.predict([(question, text) for text in fitting]) if fitting else []
        known = dict(zip(fitting, map(float, found), strict=True))
        return [known.get(text, math.nan) for text in stored]

    def _fits(self, question: str, stored: str) -> bool:
        tokens = self._model.tokenizer(question, stored, truncation=False, verbose=False)["input_ids"]
        return bool(len(tokens) <= self._model.max_seq_length)


def load_cross_encoder() -> CrossEncoderVerifier | None:
    """Load what the settings name; None if they name none."""
    if not settings.CROSS_ENCODER:
        return None
    return CrossEncoderVerifier(
        settings.CROSS_ENCODER, device=settings.EMBEDDING_DEVICE, threads=settings.EMBEDDING_THREADS
    )


def version_of(name: str) -> str:
    return f"cross-encoder:{name}"


def limit_of(mode: Literal["strict", "balanced"]) -> float:
    """Return the least score that serves, as the settings say; without them one that no score reaches."""
    limit: float = settings.CROSS_ENCODER_BALANCED if mode == "balanced" else settings.CROSS_ENCODER_STRICT
    return limit


def _load(name: str, *, device: str, threads: int) -> Any:
    is_local = prepare_torch(name, threads=threads)
    from sentence_transformers import CrossEncoder  # noqa: PLC0415 (torch takes seconds and 300 MB)

    return CrossEncoder(name, device=None if device == "auto" else device, local_files_only=is_local)
