import pytest

from caching.guards import compare_identifiers, compare_kinds, compare_quotes, compare_slots


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is error ERR_TIMEOUT?", "What is error ERR_REFUSED?"),
        ("Where is ORD-48213?", "Where is ORD-48231?"),
        ("ticket 0042", "ticket 0043"),
        ("How do I open report.pdf?", "How do I open report.docx?"),
        ("Use get_user_by_id", "Use get_user_by_name"),
        ("parseInt in a loop", "parseFloat in a loop"),
        ("sort() of a list", "sorted() of a list"),
        ("git push --force", "git push --tags"),
        ("delete /etc/hosts", "delete /etc/passwd"),
        ("mail to ann@example.com", "mail to bob@example.com"),
        ("open https://example.com/a", "open https://example.com/b"),
        ("B2B marketing", "B2C marketing"),
        ("iPhone 14 Pro battery", "iPhone 14 battery"),
    ],
)
def test_other_identifiers_refuse(a: str, b: str) -> None:
    assert compare_identifiers(a, b) == "identifiers"
    assert compare_identifiers(b, a) == "identifiers"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What does GPT-4 cost?", "the price of GPT 4"),
        ("error 0x80070005 of Windows", "0X80070005, a Windows error?"),
        ("How do I use `os.path.join`?", "how to use path.join of os"),
        ("Why is main.py slow?", "Why is it slow?"),
        ("a 5kg bag", "a bag of 5 kg"),
        ("the 2nd and/or 3rd", "the 3rd or 2nd"),
    ],
)
def test_the_same_identifier_or_none_agrees(a: str, b: str) -> None:
    assert compare_identifiers(a, b) is None
    assert compare_identifiers(b, a) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("the capital of austria", "the capital of australia"),
        ("hotels in New Delhi", "hotels in mumbai"),
        ("Is C++ hard?", "Is C# hard?"),
        ("US tax law", "UK tax law"),
        ("my left knee hurts", "my left elbow hurts"),
    ],
)
def test_another_thing_of_the_same_kind_refuses(a: str, b: str) -> None:
    assert compare_kinds(a, b) == "kinds"
    assert compare_kinds(b, a) == "kinds"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("the economy of India", "the Indian economy"),
        ("jobs in the U.S.", "american jobs"),
        ("how far is Paris", "how far is Paris from Rome"),
        ("is python fun in london", "is it fun in London"),
        ("tell us of Peru", "tell me of Peru"),
    ],
)
def test_other_names_of_a_thing_and_things_of_other_kinds_agree(a: str, b: str) -> None:
    assert compare_kinds(a, b) is None
    assert compare_kinds(b, a) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Who taught Agnes Varga to paint?", "Who taught Milo Petri to paint?"),
        ("Agnes Varga painted this when?", "Milo Petri painted this when?"),
        ("What is it like to work at Zentrix?", "What is it like to work at Quorvia?"),
        ("Which are the best schools?", "Which are the best schools in India?"),
    ],
)
def test_another_name_in_the_same_place_refuses(a: str, b: str) -> None:
    assert compare_slots(a, b) == "slots"
    assert compare_slots(b, a) == "slots"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is it like to work at Zentrix?", "What is it like to work at zentrix?"),
        ("What is it like to work at Zentrix?", "What is it like to work at Zentirx?"),
        ("What is it like to work at Zentrix?", "How is working at Quorvia?"),
        ("Explain the law of gravity", "Describe the law of gravity"),
        ("Is Kolkata a big city?", "Is Calcutta a big city?"),
        ("Which are the best schools?", "Which really are the best schools?"),
        ("the best schools of Delhi", "the best schools of Delhi in India"),
    ],
)
def test_other_words_and_other_spellings_of_a_name_agree(a: str, b: str) -> None:
    assert compare_slots(a, b) is None
    assert compare_slots(b, a) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ('How do I say "good morning"?', 'How do I say "see you soon"?'),
        ("What does \u201cyolo\u201d mean?", "What does \u00abasap\u00bb mean?"),
        ("rename 'alpha' please", "rename `omega` please"),
        ("\u300c\u72ac\u300d", "\u300c\u732b\u300d"),
    ],
)
def test_other_quotations_refuse(a: str, b: str) -> None:
    assert compare_quotes(a, b) == "quotes"
    assert compare_quotes(b, a) == "quotes"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ('What is "machine learning"?', "What does 'Machine Learning' mean?"),
        ('What is "machine learning"?', "What is machine learning?"),
        ('"We are late" is a sentence', '"We\'re late" is a sentence'),
        ("the dogs' and the cats' food", "the cows' and the pigs' food"),
    ],
)
def test_the_same_quotation_or_none_agrees(a: str, b: str) -> None:
    assert compare_quotes(a, b) is None
    assert compare_quotes(b, a) is None
