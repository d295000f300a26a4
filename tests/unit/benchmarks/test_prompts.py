from itertools import islice

from benchmarks.prompts import COUNTRIES, distinct, journeys, rephrased, rephrased_alike, stored


def test_countries_are_whole_names_without_doubles() -> None:
    assert len(set(COUNTRIES)) == len(COUNTRIES) > 160
    assert all(name == " ".join(name.split()) for name in COUNTRIES)


def test_no_question_comes_twice_in_any_of_the_wordings() -> None:
    questions = [*stored(), *rephrased_alike(), *rephrased(), *distinct()]

    assert len(set(questions)) == len(questions)


def test_there_are_questions_enough_for_minutes_of_load() -> None:
    assert len(list(rephrased())) > 16_000
    assert len(list(distinct())) > 13_000


def test_each_run_asks_the_same_questions() -> None:
    assert list(distinct()) == list(distinct())


def test_journeys_never_come_twice_and_their_order_is_the_seeds() -> None:
    first = list(islice(journeys(1), 50_000))

    assert len(set(first)) == len(first)
    assert first[:1000] == list(islice(journeys(1), 1000))
    assert first[:1000] != list(islice(journeys(2), 1000))
