"""Sensible-looking answers to arbitrary prompts: a little knowledge, a little arithmetic, and plausible prose.

The same prompt always has the same answer from the same model. Models differ in length and style.
"""

import hashlib
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from gateway.demo import knowledge

_WORD = re.compile(r"[^\W\d_][\w'-]*")
# A hyphen, slash or x without spaces is more often a date, a range or a size than a calculation.
_SUM = re.compile(
    r"(?<![\w.])(-?\d{1,12}(?:\.\d{1,6})?)"
    r"(?:\s*(\+|\*|% of)\s*|\s+(plus|minus|-|x|times|multiplied by|/|divided by|percent of)\s+)"
    r"(-?\d{1,12}(?:\.\d{1,6})?)(?![\w.]\w)",
    re.IGNORECASE,
)
_GREETING = re.compile(r"\W*(?:hi|hello|hey|good (?:morning|afternoon|evening))\b", re.IGNORECASE)
_THANKS = re.compile(r"\W*(?:thanks|thank you|cheers)\b", re.IGNORECASE)
_STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below
    between both but by can could did do does doing down during each explain few for from further get
    give had has have having he help her here how i if in into is it its just let like make me more
    most my new need no nor not now of off on once only or other our out over own please same she should
    show so some such tell than that the their them then there these they this those through to too
    under until up us use using very was we were what when where which while who why will with would
    write you your
    """.split()  # noqa: SIM905 (read as prose)
)


def text_of(content: Any) -> str:
    """Return the text of a message's content, which may be a list of parts."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def answer(prompt: str, before: Sequence[str], model: str) -> str:
    """Return the answer of a model to a prompt; `before` are the texts of the earlier messages."""
    brief = "large" not in model
    known = _known(prompt)
    if known is not None:
        return known[0] if brief else " ".join(known)
    topic = _content_words(prompt) or _content_words(" ".join(before))
    if not topic:
        return _VAGUE
    return _brief(topic, prompt) if brief else _thorough(topic, prompt)


def _known(prompt: str) -> tuple[str, str] | None:
    """Return the fact asked for and a sentence more, if this is something known."""
    if sum_asked := _SUM.search(prompt):
        left, symbol, word, right = sum_asked.groups()
        return _calculated(left, symbol or word, right)
    words = len(_WORD.findall(prompt))
    if words <= 6 and _GREETING.match(prompt):
        return (
            "Hello! How can I help you today?",
            "Ask me anything: a fact, a calculation or a longer task.",
        )
    if words <= 8 and _THANKS.match(prompt):
        return ("You're welcome!", "Let me know if there is anything else.")
    return knowledge.look_up(prompt) if words <= 25 else None


def _calculated(left: str, operator: str, right: str) -> tuple[str, str]:
    a, b = Fraction(left), Fraction(right)
    match operator.lower():
        case "+" | "plus":
            symbol, result = "+", a + b
        case "-" | "minus":
            symbol, result = "-", a - b
        case "/" | "divided by":
            if b == 0:
                return ("Division by zero is undefined.", "No number times zero gives the dividend.")
            symbol, result = "/", a / b
        case "% of" | "percent of":
            return (f"{left}% of {right} = {_written(a * b / 100)}", _EXACTLY)
        case _:
            symbol, result = "*", a * b
    return (
        f"{left} {symbol} {right} = {_written(result)}",
        "I calculated it exactly, without rounding on the way.",
    )


def _written(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number.numerator)
    return f"{float(number):.6f}".rstrip("0").rstrip(".")


def _content_words(text: str) -> list[str]:
    """Return what a text is about: its different content words, the first eight of them."""
    words = (word.strip("'-") for word in _WORD.findall(text[:20_000]))
    content = (word for word in words if len(word) > 2 and word.lower() not in _STOP_WORDS)
    return list(dict.fromkeys(word if word[1:].lower() != word[1:] else word.lower() for word in content))[:8]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _pick(options: Sequence[str], prompt: str, salt: str) -> str:
    digest = hashlib.sha256(f"{salt}|{prompt}".encode(errors="surrogatepass")).digest()
    return options[digest[0] % len(options)]


def _brief(topic: Sequence[str], prompt: str) -> str:
    opening = _pick(_OPENINGS, prompt, "opening").format(first=topic[0], all=_listed(topic[:3]))
    advice = _pick(_ADVICE, prompt, "advice").format(first=topic[0], last=topic[-1])
    return f"{opening} {advice}"


def _thorough(topic: Sequence[str], prompt: str) -> str:
    points = [
        f"{number}. **{word.capitalize() if word.islower() else word}**: "
        + _pick(_POINTS, prompt, word).format(word=word, other=topic[number % len(topic)])
        for number, word in enumerate(topic[:5], start=1)
    ]
    opening = _pick(_OPENINGS, prompt, "opening").format(first=topic[0], all=_listed(topic[:4]))
    ending = _pick(_ENDINGS, prompt, "ending").format(first=topic[0], last=topic[-1])
    return "\n\n".join((opening, "\n".join(points), ending))


_VAGUE = "I need a little more to go on: what would you like to know?"
_EXACTLY = "I calculated it without rounding on the way."
_OPENINGS = (
    "In short, it comes down to {all}.",
    "The main thing about {first} is to see how {all} fit together.",
    "There are a few sides to {all}; here is what usually matters.",
    "A good way to think about {all} is to start from what you want to achieve.",
)
_ADVICE = (
    "Start with {first}, keep it simple, and check the result before you go on to {last}.",
    "Decide what you expect of {first} first; {last} then follows with little effort.",
    "Most people do well with the ordinary way of handling {first} and adjust {last} later.",
)
_POINTS = (
    "be clear about what {word} has to do, and write it down before you change anything.",
    "measure {word} as it is today, so that you can tell whether {other} improved it.",
    "keep {word} apart from {other}; mixing the two is the most common mistake.",
    "begin with the smallest version of {word} that works, then extend it.",
    "plan for {word} going wrong, and decide beforehand what happens to {other} then.",
)
_ENDINGS = (
    "Taken together, that settles {first}; come back to {last} once the first steps work.",
    "If you have to choose, put {first} before {last}.",
    "With these in place, {first} should hold up well, and {last} can be refined over time.",
)
