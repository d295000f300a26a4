import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caching.time_words import TIME_RULES, TimeRule, time_rule

ASKS_FOR_NOW = {
    "now": [
        "What is happening in Tokyo right now?",
        "Is the pharmacy open now?",
        "Who currently leads the league?",
    ],
    "current": ["What is the current interest rate?", "Who is the current prime minister of Norway?"],
    "day": ["What should I cook today?", "Any concerts in Lisbon this weekend?", "Is it a holiday tomorrow?"],
    "past_day": [
        "Who won the game last night?",
        "Which films came out recently?",
        "What happened yesterday?",
    ],
    "latest": ["What is the latest version of Django?", "Name the most recent Nobel laureate"],
    "news": [
        "Give me the news headlines",
        "Any news about the strike?",
        "What's in the news?",
        "sports news",
        "what is trending",
        "Update me on the trial",
    ],
    "weather": [
        "What's the weather like in Oslo?",
        "Will it rain in Bergen?",
        "Do I need an umbrella?",
        "bergen weather",
        "How cold is it in Turku?",
        "Tell me the temperature in Lima",
    ],
    "clock": [
        "What time is it?",
        "What’s the time in Tokyo?",
        "what is the date",
        "Show me the time in Quito",
    ],
    "price": [
        "What is the gold price?",
        "How much is one bitcoin worth?",
        "Convert 100 dollars to euros",
        "How much is 5 euros in yen?",
        "Are the shares up or down?",
        "the exchange rate between euros and pesos",
    ],
    "score": ["What's the score of the Arsenal game?", "Who is winning?"],
    "traffic": [
        "How is the traffic on the ring road?",
        "traffic",
        "Are there accidents on the bridge?",
        "How long does it take to get home?",
    ],
}

ORDINARY = [
    "How does an electric current flow through a wire?",
    "What is the difference between alternating current and direct current?",
    "Explain the currents of the Atlantic ocean",
    "Why do stock prices fluctuate?",
    "How are exchange rates calculated?",
    "I lost my card yesterday, how do I block it?",
    "My latest payment was declined",
    "What is the difference between weather and climate?",
    "How does a weather vane work?",
    "What is the time complexity of merge sort?",
    "If it is noon in Rome, what time is it in Lima?",
    "What is a good credit score?",
    "How do I get more traffic on my website?",
    "What is known about the roman empire?",
    "How is snow made?",
    "Translate 'good morning' into French",
    "What does a priceless painting mean?",
    "What is the capital of France?",
    "I paid in a shop today and it was declined. Why?",
    "Please cancel my order right now!",
    "I am abroad right now. How do I change my PIN?",
    "My transfer has been pending since this morning",
    "It is nine in Rome. What time is it in Lima?",
    "How do I get more traffic to my blog?",
    "What is the average temperature in Lima?",
    "Tom has 3 dogs today. Last week he had 5. How many dogs did he give away?",
]


@pytest.mark.parametrize(
    ("rule", "question"), [(rule, question) for rule, asked in ASKS_FOR_NOW.items() for question in asked]
)
def test_a_question_about_now_is_found_by_its_rule(rule: str, question: str) -> None:
    assert time_rule(question) == rule


@pytest.mark.parametrize("question", ORDINARY)
def test_an_ordinary_question_is_left_alone(question: str) -> None:
    assert time_rule(question) is None


def test_only_a_story_that_brings_its_figures_has_a_today_of_its_own() -> None:
    assert time_rule("Tom has 3 dogs today. He had 5 in May. Is it 2 less?") is None
    assert time_rule("Is it open today?") == "day"
    assert time_rule("There are 2 of them. Which 3 shops near you are open today?") == "day"


def test_every_rule_has_an_example() -> None:
    assert {rule.name for rule in TIME_RULES} == ASKS_FOR_NOW.keys()


def test_material_in_the_middle_of_a_long_text_is_not_read_as_a_question() -> None:
    material = "All of it happened in the garden of the house. " * 50
    assert time_rule(f"Summarise: {material} What is the weather like? {material}") is None
    assert time_rule(f"{material} What is the weather like?") == "weather"


@pytest.mark.parametrize("rule", TIME_RULES, ids=lambda rule: rule.name)
@settings(max_examples=25)
@given(data=st.data())
def test_all_wording_of_a_rule_holds_one_of_its_hints(rule: TimeRule, data: st.DataObject) -> None:
    wording = data.draw(st.from_regex(rule.says, fullmatch=True))
    plain = wording.replace("\u0130", "i").replace("\u0131", "i").replace("\u017f", "s")
    assert not rule.hints.isdisjoint(re.findall(r"\w+", plain.lower()))


@pytest.mark.parametrize(
    "question", ["What t\u0131me is it?", "What t\u0130me is it?", "How i\u017f the traff\u0131c?"]
)
def test_letters_of_an_odd_case_are_read_as_the_patterns_read_them(question: str) -> None:
    assert time_rule(question) in {"clock", "traffic"}
