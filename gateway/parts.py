"""The outside as the pipeline's stages see it: each part behind its own small protocol."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from analytics.record import FinishedCall
from caching.coalescing import Flights
from caching.decision import Verifier
from caching.embedding import Embedder
from caching.exact import ExactStore
from caching.memory import AnswerMemory
from caching.recall import SimilarHit, SimilarRecall
from caching.semantic import SemanticStore
from caching.storing import Storer
from caching.vectors import Vector
from caching.verification import RemoteVerifier
from gateway.attempts import RetryBudget, UpstreamHealth
from gateway.planning import Plan
from gateway.upstream import Upstream

if TYPE_CHECKING:
    from gateway.asking import Asked


class Refreshes(Protocol):
    """What is served past its time is asked anew by it."""

    def begin(self, plan: Plan, parts: "Parts", vector: Vector | None = None) -> None:
        """Begin to ask the plan's question anew; never waits. vector: of the question, if known."""


class Audits(Protocol):
    """Finds out whether stored answers are right."""

    def hit_served(self, plan: Plan, recalled: SimilarRecall, hit: SimilarHit, parts: "Parts") -> None:
        """Take note of a semantic hit that was served; never waits."""

    def answered(self, plan: Plan, recalled: SimilarRecall | None, asked: "Asked", parts: "Parts") -> None:
        """Take note of upstream's answer, which a stored one may be compared with; never waits."""


class Parts(Protocol):
    """Read-only, so that tests and runtime may hold narrower types."""

    @property
    def memory(self) -> AnswerMemory: ...
    @property
    def exact(self) -> ExactStore: ...
    @property
    def embedder(self) -> Embedder: ...
    @property
    def semantic(self) -> SemanticStore: ...
    @property
    def verifier_of(self) -> Callable[[str], Verifier | None]: ...
    @property
    def cross_encoder(self) -> RemoteVerifier | None: ...
    @property
    def storer(self) -> Storer: ...
    @property
    def refresher(self) -> Refreshes: ...
    @property
    def auditor(self) -> Audits: ...
    @property
    def flights(self) -> Flights: ...
    @property
    def upstream(self) -> Upstream: ...
    @property
    def upstream_health(self) -> UpstreamHealth: ...
    @property
    def retry_budget(self) -> RetryBudget: ...
    def finish(self, call: FinishedCall) -> None:
        """Take note of an ended call."""
