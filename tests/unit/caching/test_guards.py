import pytest

from caching.guards import GUARDS, compare_names, compare_numbers, compare_polarity

SAME_NUMBERS = [
    ("A loan of 1,000,000", "A loan of one million"),
    ("250000 people", "two hundred and fifty thousand people"),
    ("Earn 10k a month", "Earn 10,000 a month"),
    ("the 21st century", "the twenty-first century"),
    ("World War II", "World War 2"),
    ("Meet at 5:30 pm", "Meet at 17:30"),
    ("Meet at 5pm", "Meet at 5 p.m. sharp"),
    ("due on 2024-03-05", "due on March 5, 2024"),
    ("due on 5 Mar 2024", "due on 5 March 2024"),
    ("weighs 3.50 kg", "weighs 3.5kg"),
    ("10% off", "10 percent off"),
    ("$5 a day", "5 dollars a day"),
    ("iPhone 12 case", "case for iPhone12"),
    ("\uff11\uff12 eggs", "12 eggs"),
    ("\u0661\u0662 eggs", "12 eggs"),
    ("Which one is better?", "Which is better?"),
    ("One apple", "1 apple"),
    ("What should I do first?", "What should I do?"),
    ("May I ask?", "Could I ask?"),
    ("100 dollars", "100"),
    ("March on Rome", "Walk to Rome"),
    ("no numbers", "none here"),
]

OTHER_NUMBERS = [
    ("3 apples and 4 pears", "3 apples and 5 pears"),
    ("3 apples and 3 pears", "3 apples and pears"),
    ("twenty days", "thirty days"),
    ("lost 5 games", "lost games"),
    ("Python 3.11", "Python 3.12"),
    ("at -5 degrees", "at 5 degrees"),
    ("due in March", "due in April"),
    ("due on 5 May", "due on 5 June"),
    ("at 9:00", "at 10:00"),
    ("at 9 am", "at 9 pm"),
    ("5 thousand", "5 million"),
    ("the third law", "the second law"),
    ("World War I", "World War II"),
    ("one day", "two days"),
]


@pytest.mark.parametrize(("a", "b"), SAME_NUMBERS)
def test_the_same_numbers_agree_in_any_notation(a: str, b: str) -> None:
    assert compare_numbers(a, b) is None
    assert compare_numbers(b, a) is None


@pytest.mark.parametrize(("a", "b"), OTHER_NUMBERS)
def test_other_numbers_refuse(a: str, b: str) -> None:
    assert compare_numbers(a, b) == "numbers"
    assert compare_numbers(b, a) == "numbers"


@pytest.mark.parametrize(
    ("a", "b"),
    [("5 kg of rice", "5 lbs of rice"), ("20 USD", "€20"), ("for 3 days", "for 3 weeks"), ("2gb", "2tb")],
)
def test_other_units_refuse(a: str, b: str) -> None:
    assert compare_numbers(a, b) == "units"
    assert compare_numbers(b, a) == "units"


SAME_POLARITY = [
    ("Why is it safe?", "Why is it not unsafe?"),
    ("Is it not possible?", "Isn’t it possible?"),
    ("How do I get less unhappy?", "How do I get more happy?"),
    ("Should I go or not?", "Should I go?"),
    ("How can I raise my income?", "How can I increase my income?"),
    ("How do I live without sugar?", "How do I live with no sugar?"),
    ("Compare buying and selling", "Compare selling and buying"),
    ("Is it easy to buy a house before winter?", "Is buying a house before winter simple?"),
]

OPPOSITE = [
    ("Can dogs eat grapes?", "Can't dogs eat grapes?"),
    ("Which foods are healthy?", "Which foods are unhealthy?"),
    ("How do I gain weight?", "How do I lose weight?"),
    ("Should I eat before running?", "Should I eat after running?"),
    ("How do I enable cookies?", "How do I disable cookies?"),
    ("What is legal here?", "What is illegal here?"),
    ("Is it the best phone?", "Is it the worst phone?"),
    ("Can I travel with a visa?", "Can I travel without a visa?"),
    ("What should I do?", "What should I never do?"),
]


@pytest.mark.parametrize(("a", "b"), SAME_POLARITY)
def test_an_even_number_of_turns_agrees(a: str, b: str) -> None:
    assert compare_polarity(a, b) is None
    assert compare_polarity(b, a) is None


@pytest.mark.parametrize(("a", "b"), OPPOSITE)
def test_an_odd_number_of_turns_refuses(a: str, b: str) -> None:
    assert compare_polarity(a, b) == "polarity"
    assert compare_polarity(b, a) == "polarity"


def test_long_texts_are_not_judged_by_parity() -> None:
    story = "the garden of the house was full of flowers and the gate stood open all the summer long so we went in"
    assert compare_polarity(f"{story} and did not speak", f"{story} and did speak") is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Is Paris a big city?", "Is Rome a big city?"),
        ("Who was the father of Mozart?", "Who was the father of Bach?"),
        ("What does the NHS do?", "What does the FBI do?"),
    ],
)
def test_two_names_that_the_other_text_lacks_refuse(a: str, b: str) -> None:
    assert compare_names(a, b) == "names"
    assert compare_names(b, a) == "names"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Is Paris a big city?", "is paris big"),
        ("How far is Paris?", "How far is Paris from Rome?"),
        ("What is Sam's job?", "What job does Sam have?"),
        ("How To Boil An Egg", "How do I boil an Egg"),
        ("Why do I sneeze?", "What makes people sneeze? Tell me."),
        ("Paris is big. Why?", "Rome is big. Why?"),
    ],
)
def test_a_name_on_one_side_or_no_known_name_is_no_clash(a: str, b: str) -> None:
    assert compare_names(a, b) is None


def test_guards_have_names_of_their_own() -> None:
    assert [guard.name for guard in GUARDS] == ["numbers", "polarity", "names"]
