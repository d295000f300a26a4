"""Edits of word problems: other numbers, facts or questions make another answer, other wording doesn't."""

# ruff: noqa: E501 (frames of sentences read better on one line; edits need no secret randomness)

import re
from collections.abc import Iterable, Iterator, Mapping
from random import Random

from gateway.training.edit_words import FIRST_NAMES
from gateway.training.edits import KEEPS, Edit, EditedPair, change_number, keep_number

_SENTENCE = re.compile(r"(?<=[.?!])\s+")
_NUMBERED = re.compile(r"\d")
_COUNTED = re.compile(r"\b\d+ (?:\w+ )?([a-z]{3,}s)\b")
_WHO = re.compile(rf"\b(?:{'|'.join(FIRST_NAMES)}|[A-Z][a-z]{{2,}})\b")
_COMMON_STARTS = frozenset(
    [
        "The",
        "How",
        "What",
        "When",
        "She",
        "They",
        "His",
        "Her",
        "There",
        "Each",
        "Every",
        "After",
        "Then",
        "For",
        "And",
        "But",
        "This",
        "That",
        "Its",
        "Now",
        "Who",
        "Why",
    ]
)
_FACTS = (
    "{who} then gave half of them to a friend.", "{who} lost one third of them on the way.", "Then {number} more were bought.",
    "A neighbour brought {number} {things} later.", "{who} already had {number} {things} at home.", "One of them was broken.",
    "The price went up by {number} percent afterwards.", "{who} has to share everything with {number} friends.",
    "It takes {number} minutes longer on rainy days.", "Twice as many were sold the next day.", "{who} also paid a fee of ${number}.",
    "{number} of the {things} were thrown away.", "The rest was kept for the next week.", "{who} doubled that on the last day.",
)  # fmt: skip
_ASIDES = (
    "{who} likes music.", "The weather was fine that day.", "{who}'s sister is {number} years old.", "The shop opened at {number} o'clock.",
    "It was a Sunday.", "{who} was wearing a red hat.", "A friend of {who} owns {number} bicycles.",
)  # fmt: skip
_TURNS = {
    "more": "fewer", "fewer": "more", "less": "more", "twice": "half", "half": "twice", "double": "half", "each": "in all",
    "left": "used", "total": "difference", "altogether": "at first", "remaining": "used", "every": "every other", "gave": "got",
    "bought": "sold", "sold": "bought", "loses": "wins", "gains": "loses", "added": "removed", "before": "after", "after": "before",
    "first": "second", "increase": "decrease", "increased": "decreased", "earn": "spend", "earns": "spends", "spends": "earns",
    "spend": "earn", "week": "month", "month": "year", "day": "week", "hour": "day", "hours": "days", "minutes": "hours", "days": "weeks",
    "weeks": "months", "percent": "points", "dozen": "score", "oldest": "youngest", "taller": "shorter", "older": "younger",
}  # fmt: skip


def _parts(text: str) -> tuple[list[str], str]:
    """Return the facts and the question of a problem."""
    sentences = _SENTENCE.split(text.strip())
    return sentences[:-1], sentences[-1]


def _filled(frame: str, text: str, rng: Random) -> str:
    names = [name for name in _WHO.findall(text) if name not in _COMMON_STARTS]
    things = _COUNTED.findall(text)
    return frame.format(
        who=rng.choice(names) if names else "Everyone",
        number=rng.randrange(2, 60),
        things=rng.choice(things) if things else "pieces",
    )


def change_fact(text: str, rng: Random) -> str | None:
    """One more fact that counts."""
    facts, question = _parts(text)
    if not facts:
        return None
    facts.insert(rng.randrange(1, len(facts) + 1), _filled(rng.choice(_FACTS), text, rng))
    return " ".join([*facts, question])


def change_less(text: str, rng: Random) -> str | None:
    """One fact less."""
    facts, question = _parts(text)
    if len(facts) < 2:
        return None
    del facts[rng.randrange(len(facts))]
    return " ".join([*facts, question])


def change_turn(text: str, rng: Random) -> str | None:
    """One word that turns a fact or the question around."""
    found = [match for match in re.finditer(r"\b[a-z]+\b", text) if match[0] in _TURNS]
    if not found:
        return None
    match = rng.choice(found)
    return text[: match.start()] + _TURNS[match[0]] + text[match.end() :]


def change_question(text: str, rng: Random) -> str | None:
    """Another question about the same facts."""
    facts, question = _parts(text)
    things = [thing for thing in _COUNTED.findall(text) if thing not in question]
    if not facts:
        return None
    asked = ["How much money is left in the end?", "How many were there at the beginning?", "How long did it take altogether?", "What is the average?", "How many are there per person?"]  # fmt: skip
    if things:
        thing = rng.choice(things)
        asked += [f"How many {thing} are there in total?", f"How many {thing} are left?", _filled(f"How many {thing} does {{who}} have?", text, rng)] * 2  # fmt: skip
    return " ".join([*facts, rng.choice(asked)])


def change_two(text: str, rng: Random) -> str | None:
    """Two numbers exchanged."""
    found = list(re.finditer(r"\d+(?:\.\d+)?", text))
    if len(found) < 2:
        return None
    one, other = sorted(rng.sample(found, 2), key=lambda match: match.start())
    if one[0] == other[0]:
        return None
    return text[: one.start()] + other[0] + text[one.end() : other.start()] + one[0] + text[other.end() :]


def change_unit(text: str, rng: Random) -> str | None:
    """Another thing counted in one place only."""
    things = sorted(set(_COUNTED.findall(text)))
    if len(things) < 2:
        return None
    one, other = rng.sample(things, 2)
    return text.replace(one, other, 1)


def keep_aside(text: str, rng: Random) -> str | None:
    """A sentence that doesn't count."""
    facts, question = _parts(text)
    if not facts:
        return None
    facts.insert(rng.randrange(1, len(facts) + 1), _filled(rng.choice(_ASIDES), text, rng))
    return " ".join([*facts, question])


def keep_request(text: str, rng: Random) -> str | None:
    """The problem as somebody puts it to an assistant."""
    before = rng.choice(["Solve this: ", "Please solve: ", "Help me with this problem. ", "Math problem: ", "Can you solve this? ", "Answer this: ", ""])  # fmt: skip
    behind = rng.choice([" Show your work.", " Explain step by step.", " Thanks!", "", " Please answer."])
    return f"{before}{text}{behind}"


PROBLEM_CHANGES: Mapping[str, Edit] = {
    "problem_number": change_number, "problem_fact": change_fact, "problem_less": change_less, "problem_turn": change_turn,
    "problem_question": change_question, "problem_two": change_two, "problem_unit": change_unit,
}  # fmt: skip
PROBLEM_KEEPS: Mapping[str, Edit] = {
    "problem_request": keep_request, "problem_word": keep_number, **{f"problem_{kind}": KEEPS[kind] for kind in ("typo", "letters", "synonym", "article", "filler")},
}  # fmt: skip


def problem_pairs(texts: Iterable[str], rng: Random, *, each: int = 2) -> Iterator[EditedPair]:
    """Yield up to `each` pairs of either label per word problem."""
    for text in texts:
        for same, edits in ((False, PROBLEM_CHANGES), (True, PROBLEM_KEEPS)):
            for kind in rng.sample(sorted(edits), min(each, len(edits))):
                edited = edits[kind](text, rng)
                if edited and same and rng.random() < 0.4:
                    edited = PROBLEM_KEEPS[rng.choice(sorted(PROBLEM_KEEPS))](edited, rng) or edited
                if edited and not same and rng.random() < 0.3:
                    edited = PROBLEM_KEEPS[rng.choice(sorted(PROBLEM_KEEPS))](edited, rng) or edited
                if edited and edited != text:
                    yield EditedPair(a=text, b=edited, same=same, kind=kind)


def is_problem(text: str) -> bool:
    """Whether a text reads like a word problem: several numbers and a question at the end."""
    return len(_NUMBERED.findall(text)) >= 2 and len(_SENTENCE.split(text)) >= 2 and "?" in text[-200:]
