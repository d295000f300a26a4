import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.freshness_flags import NAMES, PATTERNS, WORDS, flags_of

ASKED = {
    "now": "Who is now in charge?",
    "today": "Any concerts tomorrow?",
    "upcoming": "Which holiday is coming?",
    "latest": "Show the newest phones",
    "last": "What came last?",
    "superlative": "Which is the tallest tower?",
    "past": "Was it hard?",
    "present": "Does it hurt?",
    "population": "How many inhabitants has Malta?",
    "wealth": "What is her salary?",
    "price": "What does a ticket cost?",
    "stock": "Compare these shares",
    "currency": "Give me it in euros",
    "weather": "Is it windy?",
    "traffic": "Any congestion?",
    "news": "Read the headlines",
    "score": "What is the score?",
    "i": "Can I come?",
    "my": "Is it mine?",
    "you": "What’s your view?",
    "own_things": "Open the inbox",
    "account": "What is on the bill?",
    "definition": "Define hubris",
    "cooking": "A recipe with leeks",
    "maths": "Four plus nine",
    "reasons": "Why do cats purr?",
    "conditional": "Suppose it rains",
    "advice": "Any tips?",
    "this_period": "Who was elected this year?",
    "next_period": "Where is it held next summer?",
    "last_time": "When was the last time they met?",
    "current": "Who currently leads?",
    "recent_one": "Name the reigning monarch",
    "to_be_the_last": "the youngest player to score",
    "age_now": "How old is Ann?",
    "elapsed": "How long has it been?",
    "count_grown": "How many books has she written?",
    "costs": "How much does the trip cost?",
    "year_past": "Who ruled in 1848?",
    "event": "Where is the marathon held?",
    "scheduled": "Is it expected?",
    "how_many_counted": "How many goals?",
    "how_old": "What's the age of the tree?",
    "how_long_since": "How long until noon?",
    "office": "Who is the mayor?",
    "who_was": "Who founded the abbey?",
    "who_played": "Who sang it?",
    "won": "Who won?",
    "when_is": "When does it open?",
    "when_did": "When did it open?",
    "year": "What changed in 2031?",
    "ordinal": "The second act",
    "numbered": "What happens in season 4?",
    "ranking": "Where do they rank?",
    "in_place": "the largest lake in the world",
    "sport": "Who plays cricket?",
    "weather_asked": "Will it rain?",
    "clock": "What time is it?",
    "near": "Where is the nearest bank?",
    "mine": "Do I owe anything?",
    "own_state": "Read my new messages",
    "command": "Please turn it off",
    "device": "Turn on the radio",
    "how_to": "How do I knit?",
    "convert": "Convert it, please",
    "asks_yes_no": "Is it?",
    "asks_what": "What is it?",
    "asks_who": "Who is it?",
    "long": "blah " * 40,
}


def set_flags(text: str) -> set[str]:
    return {name for name, is_set in zip(NAMES, flags_of(text), strict=True) if is_set}


def test_every_flag_has_an_example() -> None:
    assert ASKED.keys() == set(NAMES)
    assert len(NAMES) == len(set(NAMES)) == len(WORDS) + len(PATTERNS) + 1


@pytest.mark.parametrize("name", ASKED)
def test_a_flag_is_set_by_its_wording(name: str) -> None:
    assert name in set_flags(ASKED[name])
    assert name in set_flags(ASKED[name].upper())


def test_plain_words_set_no_flag() -> None:
    assert set_flags("Tulips bloom") == set()


def test_only_the_ends_of_a_long_text_are_read() -> None:
    filling = "tulip " * 400
    assert "today" not in set_flags(f"{filling} today {filling}")
    assert "today" in set_flags(f"{filling} today")


@given(st.text())
def test_any_text_has_its_flags(text: str) -> None:
    assert len(flags_of(text)) == len(NAMES)
