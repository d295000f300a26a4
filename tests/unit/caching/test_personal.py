import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caching.personal import (
    ADDRESSES,
    IDENTIFIERS,
    INTRODUCED_NAMES,
    INTRODUCTIONS,
    MOST_CHARACTERS,
    holds_details,
    repeats_details,
    speaks_of_oneself,
)

DETAILS = {
    "email": ["Write to ann.lee@example.co.uk", "me@x.org is mine"],
    "international_phone": ["Ring +49 30 901820", "+1-202-555-0147"],
    "national_phone": [
        "Call 020 7946 0958",
        "ring 0171/2345678",
        "le 06 12 34 56 78",
        "text 07911 123456",
        "(030) 901820 at work",
    ],
    "national_id": ["AB 12 34 56 C", "ABCDE1234F", "12345678Z", "RSSMRA85T10A562S", "1 85 05 78 006 084 36"],
    "street": ["I sent it to 12 Baker Street", "send it to 4b Old Mill Lane"],
    "strasse": ["Musterstraße 12 in Jena", "Am Lindenweg 7a"],
    "rue": ["12 rue de la Paix", "5 bis, avenue du Parc"],
    "postcode": ["deliver to NW1 6XE"],
    "local_phone": ["(202) 555-0147", "call 202.555.0147 after six"],
    "social_security": ["078-05-1120 is the number"],
    "card": ["4111 1111 1111 1111", "pay with 5500-0000-0000-0004", "3782 822463 10005"],
    "long_number": ["look at 9834512076"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"],
    "numbered": ["Where is order #58213?", "account number 7741", "Ticket ID: AB-9921", "my case is 73551"],
    "uuid": ["1b4e28ba-2fa1-11d2-883f-0016d3cca427"],
    "secret": ["use sk-abcdefghij0123456789"],
    "name": ["My name is Ann", "my dog's name is Rex", "My full name’s Ann Lee"],
    "called": ["I am called Bo", "I'm named after nobody"],
    "own_field": ["My address is 5 Elm Street", "my date of birth is March 3", "My pin code is 4411"],
    "own_word": ["my password is hunter2", "My username is annlee"],
    "home": ["I live at the corner of Elm Street"],
    "birth": ["I was born on 3 March", "I was born in 1985", "I was born 3 March 1985"],
    "birth_date": ["DOB: 03/04/1985", "she was born on 12.03.1980", "date of birth is 1980-03-12"],
    "called_elsewhere": [
        "Ich heiße Anna",
        "mein Name ist Bo",
        "je m’appelle Anna",
        "Me llamo Ana",
        "mi chiamo Ugo",
    ],
    "i_am": ["I am John Smith", "I'm Dr. Ann Lee"],
    "signed": ["Best regards, Ann"],
    "named": ["Name: John Smith", "patient: Maria Lopez"],
    "diagnosis": ["I have been diagnosed with asthma", "I was recently diagnosed"],
    "call_me": ["Please call me Ishmael"],
    "speaking": ["This is Ann Lee speaking"],
}

ORDINARY = [
    "My card is not working",
    "My password is wrong, what now?",
    "How do I change my address?",
    "Is my name on the list?",
    "Why do they call me lazy?",
    "Which new policy 1991 brought reform?",
    "What is 123456 times 789?",
    "How far is 1,000,000,000 metres?",
    "Is 1000000000 a billion?",
    "What is pi: 3.14159265358979?",
    "Who won in 1998-2002?",
    "What happened on 2024-01-15?",
    "Explain @property in Python",
    "Use x @ y for matrices",
    "Where was Mozart born?",
    "The enemy name is a spoiler",
    "We live at sea level",
    "What does version 10.15.7 change?",
    "I am Indian American",
    "Explain name: String",
    "What comes after 0 200 300?",
    "How many streets has 5 Main Roads?",
    "What does ISO 27001 say?",
    "My team is Manchester United",
]


@pytest.mark.parametrize("text", [text for examples in DETAILS.values() for text in examples])
def test_a_detail_is_found(text: str) -> None:
    assert holds_details([text])
    assert holds_details(["Hello.", f"So: {text}, what now?"])


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_wording_holds_no_detail(text: str) -> None:
    assert not holds_details([text])


def test_every_pattern_has_an_example() -> None:
    assert (
        DETAILS.keys()
        == IDENTIFIERS.keys()
        | ADDRESSES.keys()
        | INTRODUCTIONS.keys()
        | INTRODUCED_NAMES.keys()
        | {"numbered"}
    )


def test_too_much_text_to_search_counts_as_personal() -> None:
    half = "b " * (MOST_CHARACTERS // 4)
    assert not holds_details([half, half])
    assert holds_details([half, half, "b"])
    assert repeats_details(half * 3, [])


def test_an_answer_with_an_identifier_is_personal_wherever_it_comes_from() -> None:
    assert repeats_details("We wrote to ann@example.com.", ["Did you write to me?"])
    assert not repeats_details("We wrote to you.", ["Did you write to me?"])


def test_an_answer_that_repeats_an_introduced_name_is_personal() -> None:
    asked = ["Good day, my name is Ottilie.", "Which city is the capital of Peru?"]
    assert repeats_details("Dear Ottilie, it is Lima.", asked)
    assert not repeats_details("It is Lima.", asked)


@pytest.mark.parametrize(
    "asked",
    ["I am Ottilie Brandt.", "Ich heiße Ottilie", "Thanks and regards,\nOttilie", "je m’appelle Ottilie"],
)
def test_a_name_is_known_however_it_was_introduced(asked: str) -> None:
    assert repeats_details("Dear Ottilie, it is Lima.", [asked])


def test_an_answer_may_name_a_public_place() -> None:
    assert holds_details(["I moved to 12 Baker Street"])
    assert not repeats_details(
        "The museum is at 221B Baker Street, London NW1 6XE.", ["Where is the museum?"]
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("How do I pay?", True), ("It’s mine", True), ("How does one pay?", False)]
)
def test_first_person_wording_is_told_apart(text: str, expected: bool) -> None:
    assert speaks_of_oneself(text) is expected


_ASCII = st.characters(codec="ascii")
_LOWER_ASCII = st.characters(codec="ascii", exclude_characters=string.ascii_uppercase)
_PATTERNS = {**IDENTIFIERS, **ADDRESSES, **INTRODUCTIONS, **INTRODUCED_NAMES}


@pytest.mark.parametrize("name", _PATTERNS)
@settings(max_examples=25)
@given(data=st.data())
def test_whatever_a_pattern_matches_is_found(name: str, data: st.DataObject) -> None:
    # Introductions are looked for in lower case: "my password is A" is "is a ..." there, which gives nothing away.
    alphabet = _LOWER_ASCII if name in INTRODUCTIONS else _ASCII
    text = data.draw(st.from_regex(_PATTERNS[name], fullmatch=True, alphabet=alphabet))
    assert holds_details([text])
