import pytest

from caching.guards import compare_polarity

SAME_POLARITY = [
    ("Why is it safe?", "Why is it not unsafe?"),
    ("Is it not dangerous?", "Is it safe?"),
    ("Is it not possible?", "Isn\u2019t it possible?"),
    ("How do I get less unhappy?", "How do I get more happy?"),
    ("How do I become more confident?", "How do I become less insecure?"),
    ("Should I go or not?", "Should I go?"),
    ("How can I raise my income?", "How can I increase my income?"),
    ("How do I live without sugar?", "How do I live with no sugar?"),
    ("Compare buying and selling", "Compare selling and buying"),
    ("Is it easy to buy a house before winter?", "Is buying a house before winter simple?"),
    ("How do I stop my dog from barking?", "How do I get my dog not to bark?"),
    ("I can't log in", "I'm unable to log in"),
    ("Can I pay withou tcash?", "Can I pay without cash?"),
    ("I don't know my PIN, who can help me?", "The machine keeps swallowing cards"),
    ("Is Java faster than Python?", "Is Python slower than Java?"),
    ("Should I eat before exercise?", "Should I exercise after eating?"),
    ("Did the dog chase the cat?", "Was the cat chased by the dog?"),
    ("the way from Oslo to Bergen", "the way to Bergen from Oslo"),
    ("the distance from Oslo to Bergen", "the distance from Bergen to Oslo"),
    ("difference between tea and coffee", "difference between coffee and tea"),
    ("How can I sell shoes online quickly?", "How can I sell shoes quickly online?"),
    ("What is the capital of Norway?", "The capital of Norway is what?"),
]

OPPOSITE = [
    ("Can dogs eat grapes?", "Can't dogs eat grapes?"),
    ("What should I do after moving?", "What should I do prior to moving?"),
    ("Which foods are healthy?", "Which foods are unhealthy?"),
    ("How do I gain weight?", "How do I lose weight?"),
    ("Should I eat before running?", "Should I eat after running?"),
    ("How do I enable cookies?", "How do I disable cookies?"),
    ("What is legal here?", "What is illegal here?"),
    ("Is it the best phone?", "Is it the worst phone?"),
    ("Can I travel with a visa?", "Can I travel without a visa?"),
    ("What should I do?", "What should I never do?"),
    ("Is he a doctor?", "Did he use to be a doctor?"),
    ("a hot summer", "a cold winter"),
    ("How do I turn the lights on?", "How do I turn the lights off?"),
    ("How do I log in?", "How do I log out?"),
    ("What causes hypertension?", "What causes hypotension?"),
    ("Is the export harmful?", "Is the export harmless?"),
    ("How do I import a file?", "How do I export a file?"),
    ("Convert feet to metres", "Convert metres to feet"),
    ("trains from Oslo to Bergen", "trains from Bergen to Oslo"),
    ("Can I lend money to my company?", "Can my company lend money to me?"),
    ("Does my landlord owe me interest?", "Do I owe my landlord interest?"),
    ("Keep the changes", "Discard the changes"),
    ("Did the dog bite the man?", "Did the man bite the dog?"),
    ("Did the dog chase the cat?", "Was the dog chased by the cat?"),
    ("Replace tea with milk", "Replace milk with tea"),
    ("Is Java faster than Python?", "Is Python faster than Java?"),
]


@pytest.mark.parametrize(("a", "b"), SAME_POLARITY)
def test_an_even_number_of_turns_agrees(a: str, b: str) -> None:
    assert compare_polarity(a, b) is None
    assert compare_polarity(b, a) is None


@pytest.mark.parametrize(("a", "b"), OPPOSITE)
def test_an_odd_number_of_turns_refuses(a: str, b: str) -> None:
    assert compare_polarity(a, b) == "polarity"
    assert compare_polarity(b, a) == "polarity"


STORY = (
    "the garden of the house was full of flowers and the gate stood open all summer long so we went in and "
)


def test_long_texts_are_judged_where_they_differ_in_few_words() -> None:
    assert compare_polarity(f"{STORY}did not speak", f"{STORY}did speak") == "polarity"


def test_long_texts_that_differ_in_many_words_are_not_judged() -> None:
    other = (
        "as we passed by that day nobody was there to stop us and every window of the old place stood wide"
    )
    assert compare_polarity(f"{STORY}did not speak", f"{other} so we did speak of our own will") is None
