from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from caching.embedder import Encoded
from caching.policy import CacheRules
from caching.testing import AgreeingVerifier
from gateway.past_requests import PastRequest
from gateway.scene import Scene, default_scene
from gateway.schemas import ChatRequest
from gateway.simulation import Prices, Simulation, chance_interval, simulate
from routing.catalog import Price
from routing.pricing import Usage
from tests.caching_values import rules
from tests.gateway_house import hash_of

FREE = Prices(embedding_usd=0.0, audit_budget_usd=5.0, audits=True)
#: A nano-USD for each token.
PRICE = Price(effective_from=0, input_pico=1000, output_pico=1000, cache_read_pico=0, cache_write_pico=0)


class WordEncoder:
    """Bags of words: the same words in any order are similarity 1."""

    embedder_id = "words"

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        return [self._vector(text) for text in texts]

    @staticmethod
    def _vector(text: str) -> Encoded:
        values = np.zeros(384, dtype=np.float32)
        for word in text.lower().replace("?", "").split():
            values[hash_of(word)] += 1.0
        return (values / np.linalg.norm(values)).astype(np.float32)


class Doubting(AgreeingVerifier):
    """Says of each pair that it is right with this probability."""

    def score(self, question: str, stored: str, similarity: float) -> float:
        return 0.75

    def limit(self, mode: Any) -> float:
        return 0.5


def scene(**fields: Any) -> Scene:
    unguarded = {name: False for name in CacheRules.__dataclass_fields__ if name.startswith("guard_")}
    found = default_scene(rules(**unguarded | fields))
    targets = tuple(replace(target, prices=(PRICE,)) for target in found.catalog.targets)
    return replace(found, catalog=replace(found.catalog, targets=targets))


def asked(prompt: str, at_s: float | None = None, **fields: Any) -> PastRequest:
    about = {name: fields.pop(name, None) for name in ("answer", "label")}
    return PastRequest(
        question=ChatRequest(prompt=prompt, **fields),
        key="key",
        at_s=at_s,
        usage=Usage(input_tokens=4, output_tokens=6),
        **about,
    )


def run(*requests: PastRequest, prices: Prices = FREE, verifier: Any = None, **fields: Any) -> Simulation:
    verifier = verifier or AgreeingVerifier()
    return simulate(list(requests), scene(**fields), WordEncoder(), verifier, prices, memory_s=30.0)


CAPITAL, REPHRASED = "What is the capital of France?", "The capital of France is what?"


def test_every_request_is_in_one_count() -> None:
    found = run(
        asked(CAPITAL),
        asked(CAPITAL),
        asked(REPHRASED),
        asked("Who painted the Mona Lisa?"),
        asked("What is the weather in Oslo now?"),
        asked("Is it?", tools=[{"type": "function"}]),
        asked("Which model?", model="unheard-of"),
    )
    assert (found.requests, found.hits_memory, found.hits_exact, found.hits_semantic) == (7, 0, 1, 1)
    assert sum(found.misses.values()) == 2
    assert found.bypassed == {"time_sensitive": 1, "tools": 1}
    assert found.refused == {"model_not_found": 1}


def test_an_entry_serves_until_its_ttl_is_over_and_its_copies_no_longer() -> None:
    found = run(
        asked(CAPITAL, 0.0), asked(REPHRASED, 50.0), asked(REPHRASED, 59.0), asked(REPHRASED, 61.0),
        ttl_seconds=60, static_ttl_seconds=60,
    )  # fmt: skip
    assert (found.hits_semantic, found.hits_memory, found.hits_exact) == (1, 1, 0)
    assert sum(found.misses.values()) == 2
    assert found.span_s == 61.0


def test_an_exact_hit_is_out_of_memory_while_the_process_holds_it() -> None:
    found = run(
        asked(CAPITAL, 0.0), asked(CAPITAL, 29.0), asked(CAPITAL, 31.0), asked(CAPITAL, 40.0),
        ttl_seconds=100, static_ttl_seconds=100,
    )  # fmt: skip
    assert (found.hits_memory, found.hits_exact) == (2, 1)


def test_off_leaves_exact_hits() -> None:
    found = run(asked(CAPITAL), asked(REPHRASED), asked(CAPITAL), semantic_mode="off")
    assert (found.hits_exact, found.hits_semantic) == (1, 0)
    assert found.room.entries == 0


def test_nothing_is_found_across_scopes() -> None:
    found = run(asked(CAPITAL, seed=1), asked(REPHRASED, seed=2), asked(REPHRASED, seed=1))
    assert found.hits_semantic == 1


def test_classes_tell_which_hits_are_wrong() -> None:
    found = run(asked(CAPITAL, label="a"), asked(REPHRASED, label="b"), asked(CAPITAL, label="a"))
    assert (found.wrong.source, found.wrong.wrong, found.wrong.share) == ("labels", 1, 1.0)
    assert found.wrong.low == pytest.approx(0.025)
    assert (found.wrong_exact.wrong, found.wrong_exact.share) == (0, 0.0)


def test_answers_tell_it_too_but_for_their_form() -> None:
    found = run(asked(CAPITAL, answer="Paris."), asked(REPHRASED, answer="paris"))
    assert (found.wrong.source, found.wrong.wrong, found.wrong.unsure) == ("labels", 0, 0)
    unlike = run(
        asked(CAPITAL, answer="It is Paris, 20 km off."), asked(REPHRASED, answer="It is Paris, 7 km off.")
    )
    assert (unlike.wrong.wrong, unlike.wrong.share) == (1, 1.0)


def test_answers_of_which_nothing_can_be_told_count_as_neither() -> None:
    words = ["".join(pair) for pair in product("abcdefghij", "klmnopqrst")]
    answers = (" ".join(words[:70]), " ".join(words[30:]))
    found = run(asked(CAPITAL, answer=answers[0]), asked(REPHRASED, answer=answers[1]))
    assert (found.wrong.hits, found.wrong.unsure, found.wrong.share) == (0, 1, None)


def test_without_labels_the_verifier_tells_what_to_expect() -> None:
    words = ["the", "capital", "of", "France", "is", "what"]
    turned = [" ".join(words[place:] + words[:place]) for place in range(1, 5)]
    found = run(asked(CAPITAL), *map(asked, turned), verifier=Doubting())
    assert (found.wrong.source, found.wrong.hits, found.wrong.wrong) == ("verifier", 4, 1.0)
    assert found.wrong.low == 0.0 < found.wrong.high == 0.75


def test_money_is_net_of_embedding_and_audits() -> None:
    prices = Prices(embedding_usd=1.0, audit_budget_usd=5.0, audits=True)
    found = run(asked(CAPITAL), asked(REPHRASED), asked(CAPITAL), prices=prices)
    assert found.money is not None
    assert (found.money.cost, found.money.saved) == (10, 20)
    # Two texts of 4 tokens, at 1,000 nano-USD a token; a fifth of one hit.
    assert (found.money.embedding, found.money.audits) == (8000, 2)
    assert found.money.net == 20 - 8000 - 2


def test_audits_cost_no_more_than_their_budget() -> None:
    broke = Prices(embedding_usd=0.0, audit_budget_usd=0.0, audits=True)
    found = run(asked(CAPITAL), asked(REPHRASED), prices=broke)
    assert found.money is not None
    assert found.money.audits == 0


def test_without_a_price_the_money_is_unknown() -> None:
    unpriced = default_scene(rules())
    found = simulate([asked(CAPITAL)], unpriced, WordEncoder(), None, FREE, memory_s=0.0)
    assert found.money is None


def test_room_is_that_of_the_fullest_moment() -> None:
    found = run(
        asked(CAPITAL, 0.0), asked("Who painted the Mona Lisa?", 1.0), asked("Is iron heavy?", 200.0),
        ttl_seconds=100, static_ttl_seconds=100,
    )  # fmt: skip
    assert (found.room.entries, found.room.exact_answers) == (2, 2)
    assert found.room.entry_bytes > 2 * 2 * 384


def test_an_answer_that_is_too_personal_to_keep_is_not_kept() -> None:
    answer = "Write to jane.roe@example.com."
    found = run(asked(CAPITAL, answer=answer), asked(CAPITAL, answer=answer))
    assert found.hits_exact == 0


def test_chance_interval_holds_the_middle_of_a_binomial() -> None:
    interval = chance_interval([0.5] * 100)
    assert (interval.low, interval.high) == (0.40, 0.60)
    certain = chance_interval([0.0] * 10)
    assert (certain.low, certain.high) == (0.0, 0.0)
