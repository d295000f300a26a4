from collections import Counter, defaultdict
from itertools import islice

import pytest

from benchmarks.replay import Question, replay


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    return list(islice(replay(), 10_000))


def test_most_questions_are_repeats_some_are_rephrased(asked: list[Question]) -> None:
    kinds = Counter(question.kind for question in asked)

    assert 0.57 < kinds["repeat"] / len(asked) < 0.63
    assert 0.13 < kinds["rephrased"] / len(asked) < 0.17


def test_a_repeat_was_asked_by_the_same_tenant_before_and_the_others_were_not(asked: list[Question]) -> None:
    known: defaultdict[int, set[str]] = defaultdict(set)
    for question in asked:
        assert (question.prompt in known[question.tenant]) == (question.kind == "repeat")
        known[question.tenant].add(question.prompt)


def test_some_tenants_ask_more_than_others(asked: list[Question]) -> None:
    counts = Counter(question.tenant for question in asked)

    assert sorted(counts, key=lambda tenant: -counts[tenant]) == [0, 1, 2, 3, 4]
    assert counts[0] > 3 * counts[4]


def test_each_run_replays_the_same(asked: list[Question]) -> None:
    assert list(islice(replay(), 100)) == asked[:100]
