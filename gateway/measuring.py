"""The figures of `cache_eval` and `cache_truth`: what the caches do with labelled pairs and streams."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from caching.cross_encoder import load_cross_encoder
from caching.decision import Verifier
from caching.embedder import Encoded, TextEncoder, current_embedder_id, load_encoder
from caching.policy import CacheRules
from caching.verifier import verifier_for
from gateway import curves
from gateway.curves import share, stream_point
from gateway.evaluation import Question, Verdict, answer_pairs, answer_stream, prepare
from gateway.labelled_rows import Row

PAIR_FIELDS: Mapping[str, type] = {"a": str, "b": str, "same": int}
STREAM_FIELDS: Mapping[str, type] = {"query": str, "class": object}


@dataclass(kw_only=True)
class EncodedOnce:
    """An encoder that keeps what it encoded: the same texts are measured in several ways."""

    encoder: TextEncoder
    known: dict[str, Encoded] = field(default_factory=dict)
    embedder_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.embedder_id = self.encoder.embedder_id

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        self.known.update(zip(new, self.encoder.encode(new), strict=True))
        return [self.known[text] for text in texts]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What questions are measured with."""

    encoder: EncodedOnce
    verifier: Verifier | None

    @classmethod
    def of_settings(cls) -> "Bench":
        """Load the embedder and the verifier that the settings name; takes seconds. Raises OSError."""
        verifier = load_cross_encoder() or verifier_for(current_embedder_id())
        return cls(encoder=EncodedOnce(encoder=load_encoder()), verifier=verifier)

    def pairs(
        self, rows: Sequence[Row], rules: CacheRules, *, bypass: bool
    ) -> list[tuple[Question, Question]]:
        """Return the pairs of the rows, planned and embedded; bypass: False leaves the cacheability step out."""
        texts = [row[side] for row in rows for side in ("a", "b")]
        questions = prepare(texts, self.encoder, rules, bypass=bypass)
        return list(zip(questions[::2], questions[1::2], strict=True))

    def stream(self, rows: Sequence[Row], rules: CacheRules, *, bypass: bool) -> list[Question]:
        return prepare([row["query"] for row in rows], self.encoder, rules, bypass=bypass)

    def ask_pairs(self, pairs: Sequence[tuple[Question, Question]]) -> list[Verdict]:
        """Say for each (a, b) whether an entry of `a`, alone in the cache, serves `b`."""
        return answer_pairs(pairs, self.verifier)

    def ask_stream(self, questions: Sequence[Question]) -> list[Verdict]:
        """Ask the questions in order of an empty cache that keeps every answer it didn't have."""
        return answer_stream(questions, self.verifier)

    def curve_of_pairs(
        self, rows: Sequence[Row], rules: CacheRules, verdicts: Sequence[Verdict]
    ) -> dict[str, Any]:
        """Return curves and areas of the decision, as in `verdicts`, and of plain cosine on the same pairs."""
        same = [bool(row["same"]) for row in rows]
        plain = curves.cosines(self.pairs(rows, rules, bypass=False))
        decided = curves.decision_scores(verdicts)
        return {
            "decision": curves.pair_curve(decided, same, curves.SCORES) if self.verifier else [],
            "cosine": curves.pair_curve(plain, same, curves.COSINES),
            "p_chr_auc": {
                "decision": curves.p_chr_auc(decided, same),
                "cosine": curves.p_chr_auc(plain, same),
            },
            "average_precision": {
                "decision": curves.average_precision(decided, same),
                "cosine": curves.average_precision(plain, same),
            },
        }

    def curve_of_stream(
        self, rows: Sequence[Row], rules: CacheRules, questions: Sequence[Question]
    ) -> dict[str, Any]:
        """Return curves of the decision and of plain cosine. The stream is asked anew for each point."""
        classes = [row["class"] for row in rows]
        decided = (
            curves.decision_stream_curve(questions, classes, self.verifier, curves.SCORES)
            if self.verifier
            else []
        )
        unjudged = self.stream(rows, rules, bypass=False)
        return {
            "decision": decided,
            "cosine": curves.cosine_stream_curve(unjudged, classes, curves.COSINES),
        }


def summary_of_pairs(labelled: Sequence[Row], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the figures of pairs (`same`: whether the answer to one serves the other), also by `kind`."""
    by_kind: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for row, verdict in zip(labelled, verdicts, strict=True):
        by_kind[row.get("kind") or ""].append((bool(row["same"]), verdict.hit))
    every = [outcome for outcomes in by_kind.values() for outcome in outcomes]
    return {
        **_rates(every),
        "by_kind": {kind: _rates(outcomes) for kind, outcomes in sorted(by_kind.items()) if kind},
        **_milliseconds(verdicts),
    }


def summary_of_stream(classes: Sequence[object], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the figures of a stream; a hit is wrong if it serves the answer of another class."""
    hits = sum(verdict.hit for verdict in verdicts)
    point = stream_point(0.0, classes, verdicts)
    return {
        "n": len(verdicts),
        "hits": hits,
        "wrong": round((point["wrong_hit_share"] or 0.0) * hits),
        "bypassed": sum(verdict.bypassed for verdict in verdicts),
        "hit_rate": point["hit_rate"],
        "wrong_hit_share": point["wrong_hit_share"],
        "wrong_served_rate": point["wrong_served_rate"],
        **_milliseconds(verdicts),
    }


def _rates(outcomes: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    """Return the rates of (same, hit) outcomes; a rate of nothing is None."""
    same = sum(is_same for is_same, _ in outcomes)
    hits = sum(hit for _, hit in outcomes)
    right = sum(is_same and hit for is_same, hit in outcomes)
    return {
        "n": len(outcomes),
        "same": same,
        "hits": hits,
        "precision": share(right, hits),
        "recall": share(right, same),
        "false_hit_rate": share(hits - right, len(outcomes) - same),
    }


def _milliseconds(verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    """Return what a decision took, on average and at the median."""
    taken = [1000 * verdict.seconds for verdict in verdicts]
    return {
        "ms_per_decision": fmean(taken) if taken else None,
        "ms_per_decision_p50": median(taken) if taken else None,
    }
