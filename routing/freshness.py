"""How long the answer to a question stays true: a learned score from 0 to 1, and the kind of question. Pure.

A linear model over the flags of a question's wording (`routing.freshness_flags`) and its embedding. Cosines to
anchor questions were further features in training; they are linear in the embedding and folded into its weights,
so that a score is one dot product per output. Weights belong to one embedder. Without its vector the flags alone
decide, by weights of their own.
"""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import mul
from pathlib import Path
from typing import Any, Literal, get_args

from routing.freshness_flags import NAMES, flags_of

Kind = Literal["static", "slow", "live", "personal"]
"""static: true for years. slow: changes now and then. live: depends on the moment. personal: on who asks."""
KINDS: tuple[Kind, ...] = get_args(Kind)

SHIPPED = Path(__file__).with_name("freshness_model.json")
_FORMAT = 1


class InvalidFreshnessModel(ValueError):
    """The file isn't a freshness model for these flags."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """How long an answer stays true."""

    dynamic: float
    """0 (surely for years) to 1 (surely depends on now or on who asks)."""
    kind: Kind
    """The likeliest one."""
    sure: bool = True
    """Whether the kind is sure enough to cost the cache."""

    @property
    def acted_on(self) -> Kind:
        """The kind that the question is treated as: an uncertain one that would cost the cache as slow."""
        return self.kind if self.sure else "slow"


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """The weights of one output."""

    bias: float
    flags: tuple[float, ...] = field(repr=False)
    """One per flag of `routing.freshness_flags.NAMES`."""
    vector: tuple[float, ...] = field(repr=False)
    """One per dimension of the embedding; empty: the output doesn't look at it."""

    def evidence(self, flags: Sequence[bool], values: Sequence[float]) -> float:
        """Return the log odds that the output stands for."""
        of_vector: float = sum(map(mul, self.vector, values))
        return self.bias + sum(compress(self.flags, flags)) + of_vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """What is worked out for a question, and from where on it counts."""

    dynamic: Output
    kinds: Mapping[Kind, Output]
    cut: float
    """Dynamic score from which a question isn't static."""
    sure: Mapping[Kind, float]
    """Least probability of a kind that costs the cache."""

    def freshness(self, flags: Sequence[bool], values: Sequence[float], cut: float | None) -> Freshness:
        dynamic = _logistic(self.dynamic.evidence(flags, values))
        if dynamic < (self.cut if cut is None else cut):
            return Freshness(dynamic=dynamic, kind="static")
        chances = _softmax({kind: each.evidence(flags, values) for kind, each in self.kinds.items()})
        likely = max(self.sure, key=chances.__getitem__)
        return Freshness(dynamic=dynamic, kind=likely, sure=chances[likely] >= self.sure[likely])


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshnessModel:
    """The outputs for one embedder's vectors, and those for texts without one."""

    version: str
    embedder_ids: frozenset[str]
    dimension: int
    with_vector: Outputs
    without_vector: Outputs

    def score(
        self, text: str, values: Sequence[float] | None, embedder_id: str | None, cut: float | None = None
    ) -> Freshness:
        """Return the freshness of a question. Without a vector of the model's own embedder, of its wording alone.

        cut: dynamic score from which the question isn't static; None: the model's own.
        """
        flags = flags_of(text)
        if values is None or embedder_id not in self.embedder_ids or len(values) != self.dimension:
            return self.without_vector.freshness(flags, (), cut)
        return self.with_vector.freshness(flags, values, cut)


def score(
    text: str, values: Sequence[float] | None, embedder_id: str | None, cut: float | None = None
) -> Freshness:
    """Return the freshness of a question by the shipped model (see `FreshnessModel.score`)."""
    return shipped_model().score(text, values, embedder_id, cut)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lifetimes:
    """A tenant's TTLs in seconds."""

    static: int
    slow: int
    live: int
    """0: such answers are not kept."""
    longest: int
    """Greatest that a caller may ask for."""


def ttl_for(kind: Kind, lifetimes: Lifetimes, wished: int | None) -> int:
    """Return for how many seconds the answer may be kept; 0: not at all.

    wished: the caller's TTL. It wins over the tenant's, up to the longest, and for what depends on the moment or
    on who asks up to the live one.
    """
    own = {
        "static": lifetimes.static,
        "slow": lifetimes.slow,
        "live": lifetimes.live,
        "personal": lifetimes.live,
    }
    longest = min(lifetimes.longest, own[kind]) if kind in ("live", "personal") else lifetimes.longest
    return own[kind] if wished is None else min(wished, longest)


def refit_cut(scores: Sequence[float], labels: Sequence[bool], *, most_false_alarms: float) -> float:
    """Return the cut that finds most dynamic questions of a tenant's own labelled ones.

    labels: whether each is dynamic. most_false_alarms: share of the static ones that may reach the cut.
    Raises ValueError without a static question.
    """
    static = [each for each, dynamic in zip(scores, labels, strict=True) if not dynamic]
    return cut_for_share(static, most_false_alarms)


def cut_for_share(scores: Sequence[float], share: float) -> float:
    """Return the least cut that at most this share of the scores reaches. Raises ValueError without scores."""
    if not scores:
        raise ValueError("a cut needs scores")
    ranked = sorted(scores, reverse=True)
    allowed = math.floor(share * len(ranked))
    return math.nextafter(ranked[allowed], math.inf) if allowed < len(ranked) else 0.0


@functools.cache
def shipped_model() -> FreshnessModel:
    """Return the model that came with this version. Raises InvalidFreshnessModel, OSError."""
    return load_model(SHIPPED)


def load_model(path: Path) -> FreshnessModel:
    """Read a model's file. Raises InvalidFreshnessModel, OSError."""
    try:
        row = json.loads(path.read_bytes())
        if row["format"] != _FORMAT or tuple(row["flags"]) != NAMES:
            raise InvalidFreshnessModel(f"{path.name} was made for other flags or by another version")
        dimension = int(row["dimension"])
        return FreshnessModel(
            version=str(row["version"]),
            embedder_ids=frozenset(map(str, row["embedders"])),
            dimension=dimension,
            with_vector=_outputs(row["with_vector"], dimension),
            without_vector=_outputs(row["without_vector"], 0),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InvalidFreshnessModel):
            raise
        raise InvalidFreshnessModel(f"{path.name} is no freshness model: {error}") from error


def _outputs(row: Mapping[str, Any], dimension: int) -> Outputs:
    kinds: dict[Kind, Output] = {kind: _output(row["kinds"][kind], dimension) for kind in KINDS}
    certain: tuple[Kind, ...] = ("slow", "live", "personal")
    return Outputs(
        dynamic=_output(row["dynamic"], dimension),
        kinds=kinds,
        cut=_finite(row["cut"]),
        sure={kind: _finite(row["sure"].get(kind, 0.0)) for kind in certain},
    )


def _output(row: Mapping[str, Any], dimension: int) -> Output:
    output = Output(
        bias=_finite(row["bias"]),
        flags=tuple(map(_finite, row["flags"])),
        vector=tuple(map(_finite, row["vector"])),
    )
    if len(output.flags) != len(NAMES) or len(output.vector) != dimension:
        raise InvalidFreshnessModel("an output has not one weight per feature")
    return output


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidFreshnessModel(f"{value!r} is no weight")
    return float(value)


def _logistic(evidence: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, evidence))))


def _softmax(evidence: Mapping[Kind, float]) -> dict[Kind, float]:
    highest = max(evidence.values())
    odds = {kind: math.exp(value - highest) for kind, value in evidence.items()}
    whole = sum(odds.values())
    return {kind: value / whole for kind, value in odds.items()}
