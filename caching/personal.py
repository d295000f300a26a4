"""Recognises personal details in a text. Pure.

Identifiers (addresses, numbers) are found in every language, words that introduce a detail in English. All
patterns are linear in the text's length: they run on the request path. No checksum is asked for: on twelve
thousand ordinary questions the patterns found nothing, and a mistyped card number is as personal as a right one.
"""

import re
from collections.abc import Iterable

#: Longer texts aren't searched but treated as if they held details.
MOST_CHARACTERS = 40_000


def holds_details(texts: Iterable[str]) -> bool:
    """Whether any of the texts carries details of a person: identifiers, or words that introduce some."""
    texts = [_plain(text) for text in texts]
    if sum(map(len, texts)) > MOST_CHARACTERS:
        return True
    return any(
        _holds_identifier(text) or _names_an_address(text) or _introduces_detail(text) for text in texts
    )


def repeats_details(answer_text: str, question_texts: Iterable[str]) -> bool:
    """Whether an answer holds personal details, so that nobody but (key, user) may get it again.

    Identifiers count wherever they come from (the upstream may remember the person); a name counts if one of
    the question's texts introduced it.
    """
    if len(answer_text) > MOST_CHARACTERS or _holds_identifier(answer_text):
        return True
    names = {
        match[match.lastindex or 0].lower()
        for text in question_texts
        for match in _NAME.finditer(_plain(text))
    }
    return bool(names) and not names.isdisjoint(re.findall(r"\w+", answer_text.lower()))


def speaks_of_oneself(text: str) -> bool:
    """Whether a text is worded in the first person."""
    return _FIRST_PERSON.search(_plain(text)) is not None


def _plain(text: str) -> str:
    return text.replace("\u2019", "'")


def _holds_identifier(text: str) -> bool:
    """Whether a pattern finds something. Each is asked only where what all its finds have is there at all."""
    if "@" in text and IDENTIFIERS["email"].search(text):
        return True
    if "+" in text and IDENTIFIERS["international_phone"].search(text):
        return True
    if text.count("-") >= _DASHES_OF_UUID and IDENTIFIERS["uuid"].search(text):
        return True
    if any(key in text for key in _BEGINNINGS_OF_SECRETS) and IDENTIFIERS["secret"].search(text):
        return True
    return _TWO_DIGITS.search(text) is not None and _holds_number(text)


def _holds_number(text: str) -> bool:
    if any(IDENTIFIERS[name].search(text) for name in _WITH_TWO_DIGITS):
        return True
    if not _DIGITS.search(text):
        return False
    return any(IDENTIFIERS[name].search(text) for name in _WITH_FOUR_DIGITS) or _holds_numbered(text.lower())


def _holds_numbered(lower: str) -> bool:
    """Whether a number follows the word for what it numbers: going from the digits back is many times faster."""
    return any(
        _NUMBERED.search(lower, max(0, run.start() - 48), run.end()) for run in _DIGITS.finditer(lower)
    )


def _names_an_address(text: str) -> bool:
    return _ONE_DIGIT.search(text) is not None and any(pattern.search(text) for pattern in ADDRESSES.values())


def _introduces_detail(text: str) -> bool:
    lower = text.lower()
    return any(row in lower and INTRODUCTIONS[name].search(lower) for name, row in _IN_INTRODUCTIONS) or any(
        row in text and INTRODUCED_NAMES[name].search(text) for name, row in _IN_INTRODUCED_NAMES
    )


IDENTIFIERS: dict[str, re.Pattern[str]] = {
    "email": re.compile(r"\w@\w[\w.-]{0,250}\.[A-Za-z]{2}"),
    "international_phone": re.compile(r"\+\d(?:[ ().-]{0,3}\d){7,14}(?!\d)"),
    "local_phone": re.compile(r"(?<![\d.,])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?!\d)"),
    # Written as at home: with the leading zero.
    "national_phone": re.compile(
        r"(?<![\d.,/-])(?:\(0\d{1,4}\) ?\d{2,5}[ -]?\d{2,5}|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,4}|0\d(?:[ .-]\d\d){4})"
        r"(?![\d.,/-]\d|\d)"
    ),
    # Of Britain, India, Spain, Italy, France.
    "national_id": re.compile(
        r"\b(?:[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]|[A-Z]{5}\d{4}[A-Z]|"
        r"(?:\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z]|"
        r"[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]|[12] \d{2} \d{2} \d{2} \d{3} \d{3}(?: \d{2})?)\b"
    ),
    "social_security": re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"),
    "card": re.compile(r"(?<![\d.,-])\d{4}(?:(?:[ -]\d{4}){2,3}|[ -]\d{6}[ -]\d{5})(?!\d)"),
    # Round numbers are amounts.
    "long_number": re.compile(r"(?<![\d.,])(?!\d+000(?!\d))\d{9,}(?![.,]?\d)"),
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "uuid": re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b"),
    "secret": re.compile(r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA)[-_]?[A-Za-z0-9_-]{16}"),
}
"""Identifiers of a person or of something that belongs to one."""

#: A place is somebody's own where it is told, but public where an answer names it.
ADDRESSES: dict[str, re.Pattern[str]] = {
    "street": re.compile(
        r"\b\d{1,5}[A-Za-z]?,? (?:[A-Z][\w'.-]{1,30} ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Court|"
        r"Boulevard|Blvd|Terrace|Close|Crescent)\b"
    ),
    "strasse": re.compile(
        r"\b[A-Z\u00c4\u00d6\u00dc]\w{2,30}(?:stra\u00dfe|strasse|str\.|weg|platz|allee|gasse) \d{1,4}[a-z]?\b"
    ),
    "rue": re.compile(
        r"\b\d{1,4}(?: bis| ter)?,? (?:rue|boulevard|chemin|avenue) (?:de |du |des |d')?(?:la |l')?\w{3}"
    ),
    "postcode": re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b"),
}
"""Addresses in a question."""

_ONE_DIGIT = re.compile(r"\d")
_WITH_TWO_DIGITS = ("iban", "national_phone", "national_id")
_DASHES_OF_UUID = 4
_BEGINNINGS_OF_SECRETS = ("sk", "pk", "ghp", "gho", "xox", "AKIA")
_TWO_DIGITS = re.compile(r"\d\d")
_DIGITS = re.compile(r"\d{4,}")
_WITH_FOUR_DIGITS = ("local_phone", "social_security", "card", "long_number")
_OWNED = (
    "account|acct|order|customer|client|policy|passport|booking|reservation|ticket|invoice|case|member|"
    "membership|patient|employee|student|licen[cs]e|reference|ref|tracking|confirmation|transaction|card|"
    "insurance|tax|nhs"
)
#: With five digits or more, or called a number: "policy 1991" holds a year.
_NUMBERED = re.compile(
    rf"\b(?:{_OWNED})(?:(?: number| no\.?| id| code)(?: is)?[ :#]{{1,3}}[a-z]{{0,4}}-?\d{{4}}"
    r"|(?: is)?[ :#]{1,3}[a-z]{0,4}-?\d{5})"
)

_OWN_FIELD = (
    "address|birthday|birthdate|date of birth|dob|e-?mail|phone|mobile|cell|number|ssn|social security|pin|"
    "passport|licen[cs]e|iban|postcode|zip|account|card|policy|order|booking|reservation|tracking|reference"
)
_OWN_WORD = "password|passcode|passphrase|username|user name|login|handle"
#: What is said of a password that doesn't give it away.
_TALK = (
    "not|no|never|wrong|incorrect|invalid|correct|expired|lost|weak|strong|too|being|still|always|the|a|an|in|"
    "on|to|working|rejected|compromised|safe|secure|hacked|stolen|forgotten|reset|blocked|locked|required|what"
)

# A pattern that begins with plain letters is found fast; that they begin a word is looked up behind them.
INTRODUCTIONS: dict[str, re.Pattern[str]] = {
    "name": re.compile(r"my (?<!\wmy )(?:\w+ |\w+'s ){0,2}name(?:'s| is)\b"),
    "called": re.compile(r"i(?<!\wi)(?:'m| am) (?:called|named)\b"),
    "called_elsewhere": re.compile(
        r"(?:ich hei(?:\u00df|ss)e|mein name ist|je m'appelle|me llamo|mi nombre es|mi chiamo|meu nome \u00e9|"
        r"ik heet) \w"
    ),
    "own_field": re.compile(
        rf"my (?<!\wmy )(?:\w+ )?(?:{_OWN_FIELD})(?: number| code| id| address)?(?: is|:|'s) [^.?!\n]{{0,40}}[\d@]"
    ),
    "own_word": re.compile(rf"my (?<!\wmy )(?:\w+ )?(?:{_OWN_WORD})(?: is|:) (?!(?:{_TALK})\b)\S"),
    "home": re.compile(r"i live at (?<!\wi live at )"),
    "birth": re.compile(r"i(?<!\wi)(?:'m| am| was) born (?:on |in )?(?:the )?(?:\w+ )?\d"),
    "birth_date": re.compile(
        r"(?:born|dob|birth|birthday)(?: on| is| was|:)? (?:the )?\d{1,4}[./-]\d{1,2}[./-]\d{2,4}(?!\d)"
    ),
    "diagnosis": re.compile(r"i(?<!\wi)(?:'ve| have| was|'m| am) (?:just |been |recently ){0,2}diagnosed\b"),
}
"""Wording that hands over a detail, in lower case: English, and names in some other languages."""

INTRODUCED_NAMES: dict[str, re.Pattern[str]] = {
    "call_me": re.compile(r"\b[Cc]all me [A-Z][a-z]+"),
    "i_am": re.compile(
        r"\bI(?: am|'m) (?:Mr\.? |Mrs\.? |Ms\.? |Dr\.? )?[A-Z][a-z]{1,20} "
        r"(?!American|Catholic|Orthodox|Muslim|Christian|Jewish|Indian|Canadian|Man\b|Woman\b)[A-Z][a-z]{1,20}\b"
    ),
    "signed": re.compile(r"\b[Rr]egards,?\s{1,3}[A-Z][a-z]"),
    "named": re.compile(r"\b(?:[Nn]ame|[Pp]atient|[Cc]ustomer|[Ee]mployee): ?[A-Z][a-z]{1,20} [A-Z][a-z]"),
    "speaking": re.compile(r"\b[Tt]his is (?:[A-Z]\w+ ){1,2}(?:speaking|here|writing)\b"),
}
"""The same, where the capital letter tells a name."""

#: What every text has that a pattern finds something in.
_IN_INTRODUCTIONS = (
    ("name", "my "),
    ("called", "called"),
    ("called", "named"),
    ("called_elsewhere", "ich hei"),
    ("called_elsewhere", "mein name ist"),
    ("called_elsewhere", "je m'appelle"),
    ("called_elsewhere", "me llamo"),
    ("called_elsewhere", "mi nombre"),
    ("called_elsewhere", "mi chiamo"),
    ("called_elsewhere", "meu nome"),
    ("called_elsewhere", "ik heet"),
    ("own_field", "my "),
    ("own_word", "my "),
    ("home", "i live at "),
    ("birth", " born "),
    ("birth_date", "born"),
    ("birth_date", "dob"),
    ("birth_date", "birth"),
    ("diagnosis", "diagnosed"),
)
_IN_INTRODUCED_NAMES = (
    ("call_me", "all me "),
    ("speaking", "his is "),
    ("i_am", "I am "),
    ("i_am", "I'm "),
    ("signed", "egards"),
    ("named", ": "),
    ("named", ":"),
)

_NAME = re.compile(
    r"(?i:\bname(?:'s| is)|\bam (?:called|named)|'m (?:called|named)|\bcall me|\bmein name ist|"
    r"\bich hei(?:\u00df|ss)e|\bje m'appelle|\bme llamo|\bmi nombre es|\bmi chiamo|"
    r"\bmeu nome \u00e9|\bik heet) (\w{2,})|"
    r"\b[Tt]his is ([A-Z]\w+) |\bI(?: am|'m) (?:(?:Mr|Mrs|Ms|Dr)\.? )?([A-Z][a-z]+) [A-Z][a-z]|"
    r"\b[Rr]egards,?\s{1,3}([A-Z][a-z]+)"
)
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|i'd|i'll|i've|my|me|mine|myself)\b", re.IGNORECASE)
