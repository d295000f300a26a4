"""Makes labelled pairs out of plain questions: small edits that keep what is asked, and ones that change it.

Each edit takes a question and a random source and returns the edited question, or None where it doesn't apply.
"""

# ruff: noqa: E501, SIM905 (frames of sentences read better on one line; edits need no secret randomness)

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from caching.verifier import shipped_lexicon
from caching.verifier_text import stem
from caching.verifier_words import CONTRACTIONS, NUMBER_WORDS, OPPOSITES
from gateway.training.edit_words import (
    ADDITIONS,
    DEEDS,
    FIRST_NAMES,
    LAST_NAMES,
    MODIFIERS,
    OBJECTS,
    SORTS,
    SYNONYMS,
    TRAITS,
)

Edit = Callable[[str, Random], str | None]
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True, slots=True)
class EditedPair:
    """A question and its edit."""

    a: str
    b: str
    same: bool
    kind: str


def _like(original: str, word: str) -> str:
    """Give a word the capital of what it replaces."""
    return word[:1].upper() + word[1:] if original[:1].isupper() else word


def _swap_listed(text: str, rng: Random, lists: Iterable[tuple[str, ...]]) -> str | None:
    """Replace one item of one of the lists by another of the same list."""
    lower = text.lower()
    found = []
    for items in lists:
        for item in items:
            place = lower.find(item.lower())
            if place >= 0 and re.search(rf"(?<!\w){re.escape(item)}(?!\w)", text, re.IGNORECASE):
                found.append((item, items))
    if not found:
        return None
    item, items = rng.choice(found)
    others = [other for other in items if other.lower() not in lower and item.lower() not in other.lower()]
    if not others:
        return None
    other = rng.choice(others)
    return re.sub(
        rf"(?<!\w){re.escape(item)}(?!\w)", lambda match: _like(match[0], other), text, flags=re.IGNORECASE
    )


# What changes the question.


def change_sort(text: str, rng: Random) -> str | None:
    """Another thing of the same sort: Python -> Java."""
    return _swap_listed(text, rng, SORTS)


def change_opposite(text: str, rng: Random) -> str | None:
    """The opposite: enable -> disable."""
    words = list(_WORD.finditer(text))
    rng.shuffle(words)
    for match in words:
        word = match[0].lower()
        for sides in OPPOSITES:
            for side in (0, 1):
                if word in sides[side] and word not in {"like", "man", "and", "all", "can", "with", "day"}:
                    other = _like(match[0], rng.choice(sorted(sides[1 - side])))
                    return text[: match.start()] + other + text[match.end() :]
    return None


def change_related(text: str, rng: Random) -> str | None:
    """A word's opposite, or a word of the same sort, by the lexicon."""
    lexicon = shipped_lexicon()
    found = [match for match in _WORD.finditer(text) if match[0].islower() and len(match[0]) > 3]
    rng.shuffle(found)
    for match in found[:4]:
        if others := _relatives(lexicon.place(match[0])):
            other = lexicon.words[rng.choice(others)]
            if other not in text.lower():
                return text[: match.start()] + other + text[match.end() :]
    return None


#: Rarer words and rarer senses make edits that nobody would ask.
_COMMONEST = 6_000


@cache
def _relatives(word: int) -> tuple[int, ...]:
    """Return opposites and siblings of a word, without its synonyms; () for words with several meanings."""
    lexicon = shipped_lexicon()
    senses = lexicon.senses.get(word, ())
    if not senses or len(senses) > 4:
        return ()
    near = (place for place in range(_COMMONEST) if place != word and len(lexicon.senses.get(place, ())) <= 4)
    return tuple(
        place
        for place in near
        if lexicon.relation(word, place) in {"opposite", "sibling"}
        and stem(lexicon.words[place]) != stem(lexicon.words[word])
    )


_AUXILIARY = re.compile(
    r"\b(is|are|was|were|can|could|should|would|will|do|does|did|has|have|must)\b(?! not)( (?:i|you|we|they|he|she|it|people|there|the \w+|\w+ing)\b)?",
    re.IGNORECASE,
)


def change_negation(text: str, rng: Random) -> str | None:
    """With or without a "not"."""
    bare = re.sub(r"\b(not|never) |n't\b", "", text, count=1)
    if bare != text:
        return bare
    if rng.random() < 0.4 and " to " in text:
        return text.replace(" to ", " not to ", 1)
    if rng.random() < 0.3 and re.search(r"\bwith\b", text):
        return re.sub(r"\bwith\b", "without", text, count=1)
    if not _AUXILIARY.search(text):
        return None
    return _AUXILIARY.sub(lambda match: f"{match[0]} not", text, count=1)


def change_time(text: str, rng: Random) -> str | None:
    """Before for after, until for since."""
    pairs = {
        "before": "after",
        "after": "before",
        "until": "since",
        "since": "until",
        "during": "after",
        "while": "before",
    }
    return _exchange(text, pairs)


def _exchange(text: str, pairs: Mapping[str, str]) -> str | None:
    pattern = re.compile(rf"\b({'|'.join(pairs)})\b", re.IGNORECASE)
    changed = pattern.sub(lambda match: _like(match[0], pairs[match[0].lower()]), text, count=1)
    return changed if changed != text else None


_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


def change_number(text: str, rng: Random) -> str | None:
    """One number to another."""
    found = list(_DIGITS.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    value = int(re.sub(r"\D", "", match[0])[:9])
    other = rng.choice([value + 1, value + 2, max(value - 1, 0), value * 2 + 1, value * 10, value + 5])
    return f"{text[: match.start()]}{other}{text[match.end() :]}" if other != value else None


_PERSON = re.compile(r"(?<!^)(?<![.?!] )\b([A-Z][a-z]+ [A-Z][a-z]+)\b")


def change_person(text: str, rng: Random) -> str | None:
    """Somebody else's name."""
    found = sorted(
        set(_PERSON.findall(text)) | {name for name in FIRST_NAMES if re.search(rf"\b{name}\b", text)}
    )
    if not found:
        return None
    name = rng.choice(found)
    other = rng.choice(FIRST_NAMES) + (f" {rng.choice(LAST_NAMES)}" if " " in name else "")
    return text.replace(name, other) if other != name else None


def change_gender(text: str, rng: Random) -> str | None:
    """He for she, his for her."""
    pairs = {
        "he": "she", "she": "he", "him": "her", "his": "her", "her": "his", "boyfriend": "girlfriend",
        "girlfriend": "boyfriend", "boy": "girl", "girl": "boy", "men": "women", "women": "men", "man": "woman",
        "woman": "man", "boys": "girls", "girls": "boys", "wife": "husband", "husband": "wife", "son": "daughter",
        "daughter": "son", "male": "female", "female": "male", "mother": "father", "father": "mother",
    }  # fmt: skip
    pattern = re.compile(rf"\b({'|'.join(pairs)})\b", re.IGNORECASE)
    changed = pattern.sub(lambda match: _like(match[0], pairs[match[0].lower()]), text)
    return changed if changed != text else None


def change_tense(text: str, rng: Random) -> str | None:
    """Another time of the verb."""
    if rng.random() < 0.4 and (match := re.match(r"^(Is|Are) ((?:[A-Z]\w+ ?){1,2}|\w+) (.+)$", text)):
        return f"Did {match[2].strip()} use to be {match[3]}"
    choices = {
        "is": ("was", "will be"), "are": ("were", "will be"), "was": ("is",), "were": ("are",), "do": ("did", "will"),
        "does": ("did", "will"), "did": ("do", "will"), "will": ("did", "would"), "has": ("had",), "have": ("had",),
    }  # fmt: skip
    pattern = re.compile(rf"\b({'|'.join(choices)})\b", re.IGNORECASE)
    match = pattern.search(text)
    if not match:
        return None
    other = rng.choice(choices[match[0].lower()])
    return text[: match.start()] + _like(match[0], other) + text[match.end() :]


def change_modal(text: str, rng: Random) -> str | None:
    """Can for must, should for can."""
    if not (
        match := re.search(r"\b(can|could|should|must|may|might|need to|have to)\b", text, re.IGNORECASE)
    ):
        return None
    if re.search(r"\bhow (?:can|could)\b", text, re.IGNORECASE):
        return None
    others = [word for word in ("can", "should", "must", "might") if word != match[0].lower()]
    return text[: match.start()] + _like(match[0], rng.choice(others)) + text[match.end() :]


def change_asked(text: str, rng: Random) -> str | None:
    """Why for how, when for where."""
    match = re.search(
        r"\b(what|why|how|when|where|who|which)\b(?! (?:many|much|long|far|old))", text, re.IGNORECASE
    )
    if not match:
        return None
    choices = {
        "what": ("who", "where", "why"), "why": ("how", "when", "where"), "how": ("why", "when", "where"),
        "when": ("where", "how", "why"), "where": ("when", "how", "why"), "who": ("when", "where", "why"),
        "which": ("how many", "whose"),
    }  # fmt: skip
    return (
        text[: match.start()] + _like(match[0], rng.choice(choices[match[0].lower()])) + text[match.end() :]
    )


def change_order(text: str, rng: Random) -> str | None:
    """The two sides of a direction or of a comparison, swapped."""
    patterns = (
        r"\bfrom ([\w+#]+) to ([\w+#]+)", r"\b(?:convert|change|translate|turn) ([\w+#]+) (?:to|into) ([\w+#]+)",
        r"([A-Z]\w+) (?:better|worse|faster|bigger|older|cheaper|richer|stronger|more \w+|less \w+) than ([A-Z]?\w+)",
        r"\b([A-Z]\w+) (?:beat|beats|defeat|defeats|invade|invades|attack|own|owns|buy|buys|love|loves|hate|hates|marry|kill|kills|owe|owes|sue|sues) ([A-Z]\w+)",
        r"\b(\w+) (?:before|after|without|instead of) ([\w]+)\b", r"\b(\w+) (?:in|on|inside|over|under) (?:a |an |the )?(\w+)\?*$",
    )  # fmt: skip
    for pattern in patterns:
        if (match := re.search(pattern, text)) and match[1].lower() != match[2].lower():
            middle = text[match.end(1) : match.start(2)]
            return text[: match.start(1)] + match[2] + middle + match[1] + text[match.end(2) :]
    return None


def change_quantity(text: str, rng: Random) -> str | None:
    """All for some, and for or, most for least."""
    pairs = {
        "all": "some", "every": "some", "some": "all", "most": "least", "least": "most", "more": "less", "less": "more",
        "many": "few", "few": "many", "both": "neither", "any": "every", "always": "sometimes", "only": "also",
        "half": "double", "twice": "half", "or": "and", "first": "last", "last": "first",
    }  # fmt: skip
    return _exchange(text, pairs)


def add_detail(text: str, rng: Random) -> str | None:
    """A restriction at the end."""
    addition = rng.choice(ADDITIONS)
    if addition.split()[-1].lower() in text.lower():
        return None
    bare = text.rstrip(" ?.!")
    return f"{bare} {addition}{text[len(bare) :].strip()}"


def add_modifier(text: str, rng: Random) -> str | None:
    """Another adjective behind an article."""
    found = list(re.finditer(r"\b(a|an|the|some|my) (?=[a-z]{3,})", text))
    if not found:
        return None
    match = rng.choice(found)
    return f"{text[: match.end()]}{rng.choice(MODIFIERS)} {text[match.end() :]}"


def drop_detail(text: str, rng: Random) -> str | None:
    """A restriction at the end left out."""
    match = re.search(
        r" (?:in|for|on|with|without|after|during|at|under|from|before|while|when|if) [^,?.]{3,40}(?=[?.!]*$)",
        text,
    )
    if not match or match.start() < 0.4 * len(text):
        return None
    return text[: match.start()] + text[match.end() :]


# What keeps the question.


def keep_typo(text: str, rng: Random) -> str | None:
    """One slip of the finger, in the middle of a word or between two."""
    place = rng.randrange(1, max(len(text) - 2, 2))
    if len(text) < 12 or not text[place].isalpha() or text[place - 1].isdigit():
        return None
    match rng.randrange(5):
        case 0:
            return text[:place] + text[place + 1 :]
        case 1:
            return text[:place] + text[place] + text[place:]
        case 2:
            return text[:place] + rng.choice(_LETTERS) + text[place + 1 :]
        case _:
            swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
            return swapped if not text[place + 1].isdigit() else None


def keep_contraction(text: str, rng: Random) -> str | None:
    """What is -> what's, and back."""
    for short, words in CONTRACTIONS.items():
        long = " ".join(words)
        if "'" not in short:
            continue
        if re.search(rf"\b{short}\b", text, re.IGNORECASE):
            return re.sub(rf"\b{short}\b", lambda match: _like(match[0], long), text, flags=re.IGNORECASE)  # noqa: B023
        if re.search(rf"\b{long}\b(?!\?)", text, re.IGNORECASE):
            return re.sub(rf"\b{long}\b", lambda match: _like(match[0], short), text, flags=re.IGNORECASE)  # noqa: B023
    return None


_BEFORE = (
    "Please tell me: ", "Can you tell me ", "Could you please tell me ", "I was wondering, ", "Hi, ", "Hello, ", "Hey, ",
    "Quick question: ", "Question: ", "I want to know ", "I'd like to know: ", "Do you know ", "Just curious, ", "So, ",
    "Excuse me, ", "OK so ", "Please explain: ", "Help: ", "I have a question. ", "Does anyone know ",
)  # fmt: skip
_BEHIND = (
    " Thanks!",
    " please",
    " Thank you.",
    " Any ideas?",
    ", please?",
    " Please help.",
    " Thanks in advance.",
)


def keep_politeness(text: str, rng: Random) -> str | None:
    """Words around the question that ask nothing."""
    if rng.random() < 0.3:
        return text + rng.choice(_BEHIND)
    opening = rng.choice(_BEFORE)
    return opening + (
        text[0].lower() + text[1:] if rng.random() < 0.7 and not text.startswith("I ") else text
    )


def keep_filler(text: str, rng: Random) -> str | None:
    """An adverb that says nothing."""
    match = re.search(r"\b(is|are|do|does|can|should|to|that \w+)\b ", text)
    if not match:
        return None
    return (
        text[: match.end()]
        + rng.choice("really actually exactly just truly simply currently basically".split())
        + " "
        + text[match.end() :]
    )


def keep_letters(text: str, rng: Random) -> str | None:
    """Capitals, full stops and question marks as people leave them out."""
    match rng.randrange(4):
        case 0:
            changed = text.lower()
        case 1:
            changed = text.rstrip("?.! ")
        case 2:
            changed = text.rstrip("?.! ") + rng.choice(["??", " ?", ".", "?!"])
        case _:
            changed = text.lower().rstrip("?.! ").replace(",", "").replace("'", "")
    return changed if changed != text else None


def keep_article(text: str, rng: Random) -> str | None:
    """One article less."""
    found = list(re.finditer(r"\b(a|an|the) ", text))
    if not found:
        return None
    match = rng.choice(found)
    return text[: match.start()] + text[match.end() :]


def keep_synonym(text: str, rng: Random) -> str | None:
    """Another word for the same."""
    return _swap_listed(text, rng, SYNONYMS)


_HOW = re.compile(
    r"^how (?:do|can|should|could|would|to)(?: (?:i|you|we|one|people))? (?P<deed>[a-z].+?)[?. ]*$",
    re.IGNORECASE,
)
_BEST_WAY = re.compile(
    r"^what (?:is|are|'s) (?:the |some )?(?:best |easiest |good )?ways? (?:to|of) (?P<deed>[a-z].+?)[?. ]*$",
    re.IGNORECASE,
)
_WHAT_IS = re.compile(r"^what (?:is|are) (?P<thing>.{3,60}?)[?. ]*$", re.IGNORECASE)
_SHOULD = re.compile(r"^(?P<verb>is|are|can|should|does|do|will|was) (?P<rest>.+?)[?. ]*$", re.IGNORECASE)


def keep_phrase(text: str, rng: Random) -> str | None:
    """The same question by another turn of phrase."""
    if match := _HOW.match(text) or _BEST_WAY.match(text):
        deed = re.sub(r"\bmyself\b", "yourself", match["deed"]) if rng.random() < 0.3 else match["deed"]
        return rng.choice(
            [
                f"How do I {deed}?", f"How can I {deed}?", f"How can you {deed}?", f"How do you {deed}?", f"How to {deed}?",
                f"What is the best way to {deed}?", f"What's a good way to {deed}?", f"What should I do to {deed}?",
                f"In order to {deed}, what should I do?", f"If I want to {deed}, what should I do?", f"What are ways to {deed}?",
                f"How should I {deed}?", f"How would you {deed}?", f"What do I need to do to {deed}?", f"I want to {deed}, how?",
                f"What are the steps to {deed}?", f"How does one {deed}?", f"how to {deed}", f"{_like('A', deed)}: how?",
            ]
        )  # fmt: skip
    if match := _WHAT_IS.match(text):
        thing = match["thing"]
        return rng.choice(
            [
                f"Tell me {thing}", f"Can you tell me {thing}?", f"Do you know what {thing} is?", f"{_like('A', thing)}?",
                f"What would you say is {thing}?", f"What exactly is {thing}?", f"{thing}", f"I need to know {thing}.",
            ]
        )  # fmt: skip
    if match := _SHOULD.match(text):
        whole = f"{match['verb'].lower()} {match['rest']}"
        return rng.choice(
            [
                f"Do you think {match['rest']}?" if match["verb"].lower() == "do" else f"Tell me, {whole}?",
                f"I'd like to know: {whole}?",
                f"{_like('A', whole)} or not?",
            ]
        )
    return None


def keep_both(text: str, rng: Random) -> str | None:
    """The two sides of an "and", "or" or "between", swapped."""
    match = re.search(r"\b(?:between |both )?([\w+#]+) (?:and|or|vs\.?|versus) ([\w+#]+)\b", text)
    if not match or not re.search(r"\b(?:difference|between|or|vs|versus|both)\b", text):
        return None
    middle = text[match.end(1) : match.start(2)]
    return text[: match.start(1)] + match[2] + middle + match[1] + text[match.end(2) :]


def keep_front(text: str, rng: Random) -> str | None:
    """A phrase of the end at the front."""
    match = re.search(r" ((?:in|for|on|at|during|after|before|without|as|with) [^,?.]{3,40}?)([?. ]*)$", text)
    if (
        not match
        or match.start() < 0.4 * len(text)
        or not re.match(r"(?:what|how|which|who|is|are|can|should|why)\b", text, re.IGNORECASE)
    ):
        return None
    rest = text[: match.start()]
    return f"{_like('A', match[1])}, {rest[0].lower()}{rest[1:]}?"


def keep_number(text: str, rng: Random) -> str | None:
    """A number in words."""
    words = {value: word for word, value in reversed(NUMBER_WORDS.items()) if word != "dozen"}
    match = re.search(r"\b\d{1,2}\b(?![.,:]\d)", text)
    if not match or match[0] not in words:
        return None
    return text[: match.start()] + words[match[0]] + text[match.end() :]


CHANGES: Mapping[str, Edit] = {
    "sort": change_sort, "opposite": change_opposite, "negation": change_negation, "time": change_time,
    "number": change_number, "person": change_person, "gender": change_gender, "tense": change_tense,
    "modal": change_modal, "asked": change_asked, "order": change_order, "quantity": change_quantity,
    "add_detail": add_detail, "add_modifier": add_modifier, "drop_detail": drop_detail,
    "related": change_related,
}  # fmt: skip
"""Edits that ask for another answer, by kind."""
KEEPS: Mapping[str, Edit] = {
    "typo": keep_typo, "contraction": keep_contraction, "politeness": keep_politeness, "filler": keep_filler,
    "letters": keep_letters, "article": keep_article, "synonym": keep_synonym, "phrase": keep_phrase,
    "both": keep_both, "front": keep_front, "number_word": keep_number,
}  # fmt: skip
"""Edits that ask for the same answer, by kind."""


def edited_pairs(texts: Iterable[str], rng: Random, *, each: int = 2) -> Iterator[EditedPair]:
    """Yield up to `each` pairs of either label per text; kinds that fit rarely are tried first."""
    for text in texts:
        for same, edits in ((False, CHANGES), (True, KEEPS)):
            for kind in _order_of(edits, rng)[:each]:
                if pair := _edited(text, kind, rng, same=same):
                    yield pair


def _order_of(edits: Mapping[str, Edit], rng: Random) -> list[str]:
    kinds = list(edits)
    rng.shuffle(kinds)
    return kinds


def _edited(text: str, kind: str, rng: Random, *, same: bool) -> EditedPair | None:
    """Edit a text; now and then both sides get a further edit that keeps the question."""
    edited = (KEEPS if same else CHANGES)[kind](text, rng)
    if edited is None or (edited.strip().lower() == text.strip().lower() and kind != "letters"):
        return None
    if rng.random() < (0.35 if not same else 0.3):
        other = rng.choice(list(KEEPS))
        edited = KEEPS[other](edited, rng) or edited
    a, b = (text, edited) if rng.random() < 0.5 else (edited, text)
    return EditedPair(a=a, b=b, same=same, kind=kind) if a != b else None


def template_pairs(rng: Random, *, count: int) -> Iterator[EditedPair]:
    """Yield pairs out of templates, for what plain questions seldom hold: swapped roles, traits, pronouns."""
    for _ in range(count):
        yield from _roles(rng)
        yield from _traits(rng)
        yield from _pronouns(rng)
        yield from _opinions(rng)
        yield from _ends(rng)
        yield from _contraries(rng)


def _pair(a: str, b: str, rng: Random, *, same: bool, kind: str) -> EditedPair:
    return (
        EditedPair(a=a, b=b, same=same, kind=kind)
        if rng.random() < 0.5
        else EditedPair(a=b, b=a, same=same, kind=kind)
    )


def _roles(rng: Random) -> Iterator[EditedPair]:
    deed, done = rng.choice(DEEDS)
    one = rng.choice(FIRST_NAMES)
    other = (
        rng.choice([name for name in FIRST_NAMES if name != one])
        if rng.random() < 0.4
        else f"the {rng.choice(OBJECTS)}"
    )
    asked = f"Did {one} {deed} {other}?"
    opening = other[0].lower() + other[1:] if other.startswith("the") else other
    yield _pair(asked, f"Was {opening} {done} by {one}?", rng, same=True, kind="passive")
    yield _pair(asked, f"Was {one} {done} by {other}?", rng, same=False, kind="roles")
    if not other.startswith("the"):
        yield _pair(asked, f"Did {other} {deed} {one}?", rng, same=False, kind="roles")
        also = rng.choice(["at the party", "last year", "in the story", "in the end"])
        yield _pair(
            f"Why did {one} {deed} {other} {also}?",
            f"Why was {other} {done} by {one} {also}?",
            rng,
            same=True,
            kind="passive",
        )
        yield _pair(
            f"Why did {one} {deed} {other} {also}?",
            f"Why did {other} {deed} {one} {also}?",
            rng,
            same=False,
            kind="roles",
        )


def _traits(rng: Random) -> Iterator[EditedPair]:
    good, bad = rng.choice(TRAITS)
    frame = rng.choice(["How can I become {}?", "How do I become {}?", "How can a person get {}?", "What can I do to be {}?", "Why do people become {}?", "Is it good to be {} at work?"])  # fmt: skip
    word, contrary = rng.choice(good), rng.choice(bad)
    yield _pair(
        frame.format(f"more {word}"), frame.format(f"less {contrary}"), rng, same=True, kind="double_opposite"
    )
    yield _pair(
        frame.format(f"less {word}"), frame.format(f"more {contrary}"), rng, same=True, kind="double_opposite"
    )
    yield _pair(frame.format(f"more {word}"), frame.format(f"less {word}"), rng, same=False, kind="degree")
    yield _pair(
        frame.format(f"more {word}"), frame.format(f"more {contrary}"), rng, same=False, kind="degree"
    )
    if len(good) > 1:
        yield _pair(
            frame.format(f"more {good[0]}"),
            frame.format(f"more {good[1]}"),
            rng,
            same=True,
            kind="trait_synonym",
        )


_ENDS = (
    ("convert {} to {}", ("miles", "kilometers", "PDF", "Word", "JSON", "XML", "Celsius", "Fahrenheit", "text", "HTML",
                          "images", "video", "decimal", "binary", "CSV", "Excel", "dollars", "euros", "grams", "ounces")),
    ("translate this from {} to {}", ("English", "French", "Spanish", "German", "Hindi", "Latin", "Korean", "Dutch")),
    ("get from {} to {}", ("Rome", "Oslo", "Boston", "Denver", "Delhi", "Lima", "Leeds", "Cairo", "Seoul", "Lyon")),
    ("book a flight from {} to {}", ("Rome", "Oslo", "Boston", "Denver", "Delhi", "Lima", "Leeds", "Cairo", "Seoul")),
    ("migrate from {} to {}", ("MySQL", "Postgres", "AWS", "Azure", "Angular", "React", "Windows", "Linux", "Java", "Go")),
    ("switch from {} to {}", ("iPhone", "Android", "teaching", "nursing", "Mac", "Windows", "coffee", "tea", "law")),
    ("move files from {} to {}", ("a phone", "a laptop", "the cloud", "an SD card", "Dropbox", "a server", "a tablet")),
    ("send money from {} to {}", ("India", "Canada", "PayPal", "my bank", "the UK", "Mexico", "Venmo", "Kenya")),
)  # fmt: skip
_ASKED_BOTH = (
    ("Is {} better than {}?", "Would you say {} is better than {}?"),
    ("Did {} come before {}?", "Is it true that {} came before {}?"),
    ("Why is {} cheaper than {}?", "How come {} is cheaper than {}?"),
    ("Does {} depend on {}?", "Is it so that {} depends on {}?"),
    ("Can {} cause {}?", "Is it possible that {} causes {}?"),
    ("How many {} are in {}?", "What number of {} are in {}?"),
    ("Should I learn {} before {}?", "Is it wise to learn {} before {}?"),
    ("What does {} owe {}?", "How much does {} owe {}?"),
)
_BOTH_THINGS = (
    "Java Python Rust Ruby Kotlin Perl Scala".split(), "stress anxiety insomnia migraine obesity fatigue".split(),
    "Spain France Italy Norway Chile Ghana".split(), "grams ounces pounds liters cups pints".split(),
    "Anna Ben Carla Omar Priya Luca".split(), "gold silver copper steel wood glass".split(),
)  # fmt: skip


def _ends(rng: Random) -> Iterator[EditedPair]:
    """Yield where from and where to, swapped and not."""
    deed, things = rng.choice(_ENDS)
    one, other = rng.sample(things, 2)
    there, back = deed.format(one, other), deed.format(other, one)
    opening, another = rng.sample(
        ["How do I {}?", "How can I {}?", "What is the way to {}?", "I want to {}", "Please help me {}", "How to {}", "{}", "Best way to {}?"],
        2,
    )  # fmt: skip
    yield _pair(opening.format(there), opening.format(back), rng, same=False, kind="ends")
    yield _pair(opening.format(there), another.format(back), rng, same=False, kind="ends")
    yield _pair(opening.format(there), another.format(there), rng, same=True, kind="ends_kept")
    asked, again = rng.choice(_ASKED_BOTH)
    one, other = rng.sample(rng.choice(_BOTH_THINGS), 2)
    yield _pair(asked.format(one, other), asked.format(other, one), rng, same=False, kind="sides")
    yield _pair(asked.format(one, other), again.format(other, one), rng, same=False, kind="sides")
    yield _pair(asked.format(one, other), again.format(one, other), rng, same=True, kind="sides_kept")


_MATTERS = (
    "notifications", "dark mode", "my account", "a file", "the firewall", "a folder", "my card", "the app", "an entry",
    "a user", "cookies", "location services", "a device", "the service", "a message", "auto renewal", "my contract",
)  # fmt: skip
_CONTRARY_DEEDS = (
    ("enable", "disable"), ("turn on", "turn off"), ("lock", "unlock"), ("encrypt", "decrypt"), ("install", "uninstall"),
    ("hide", "show"), ("add", "remove"), ("start", "stop"), ("import", "export"), ("open", "close"), ("mute", "unmute"),
    ("subscribe to", "unsubscribe from"), ("activate", "deactivate"), ("block", "unblock"), ("connect", "disconnect"),
    ("upload", "download"), ("freeze", "unfreeze"), ("upgrade", "downgrade"), ("archive", "restore"), ("buy", "sell"),
    ("accept", "decline"), ("follow", "unfollow"), ("zip", "unzip"), ("load", "unload"), ("check in", "check out"),
)  # fmt: skip


def _contraries(rng: Random) -> Iterator[EditedPair]:
    """Yield a deed and what undoes it."""
    ours, theirs = rng.choice(_CONTRARY_DEEDS)
    matter = rng.choice(_MATTERS)
    opening, another = rng.sample(
        ["How do I {} {}?", "How can I {} {}?", "What is the way to {} {}?", "I want to {} {}", "Steps to {} {}", "how to {} {}", "Where do I {} {}?"],
        2,
    )  # fmt: skip
    yield _pair(
        opening.format(ours, matter), opening.format(theirs, matter), rng, same=False, kind="contrary"
    )
    yield _pair(
        opening.format(ours, matter), another.format(theirs, matter), rng, same=False, kind="contrary"
    )
    yield _pair(
        opening.format(ours, matter), another.format(ours, matter), rng, same=True, kind="contrary_kept"
    )


def _pronouns(rng: Random) -> Iterator[EditedPair]:
    one, other = rng.sample(FIRST_NAMES, 2)
    deed = rng.choice(
        ["help", "blame", "call", "leave", "trust", "forgive", "invite", "ignore", "believe", "follow"]
    )
    frame = rng.choice(["If {} and {} met again, would {} {} {}?", "When {} and {} were at work, did {} {} {}?", "Do {} and {} know whether {} should {} {}?"])  # fmt: skip
    asked = frame.format(one, other, "he", deed, "her")
    yield _pair(asked, frame.format(one, other, "she", deed, "him"), rng, same=False, kind="pronoun")
    yield _pair(asked, frame.format(other, one, "he", deed, "her"), rng, same=True, kind="both")


def _opinions(rng: Random) -> Iterator[EditedPair]:
    who = rng.choice(["critics", "doctors", "voters", "students", "parents", "Germans", "Italians", "experts", "farmers", "teachers", "historians"])  # fmt: skip
    what = rng.choice(["the best singer", "the greatest leader", "the worst actor", "the fastest runner", "the best school", "the greatest painter", "the richest man", "the most important scientist"])  # fmt: skip
    where = rng.choice(["in the world", "in Europe", "of all time", "in the country", "today"])
    asked = f"Who do {who} think is {what} {where}?"
    yield _pair(asked, f"Who is {what} {where} according to {who}?", rng, same=True, kind="opinion")
    contrary = change_opposite(asked, rng) or change_sort(asked, rng)
    if contrary:
        yield _pair(
            f"Who is {what} {where} according to {who}?", contrary, rng, same=False, kind="opinion_changed"
        )
    person = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
    trade, other = rng.sample(["a doctor", "an actor", "a pilot", "a nurse", "an author", "a lawyer", "a chef", "an engineer", "a teacher"], 2)  # fmt: skip
    nation = rng.choice(["French", "Indian", "Mexican", "Polish", "Korean", "Irish", "Turkish"])
    article, noun = trade.split()
    del article
    yield _pair(
        f"Is {person} a {nation} {noun}?", f"Is {person} {trade} and {nation}?", rng, same=True, kind="and"
    )
    yield _pair(f"Is {person} {trade}?", f"Is {person} {other}?", rng, same=False, kind="sort")
    yield _pair(
        f"Is {person} {trade}?",
        f"Is {person} a {rng.choice(MODIFIERS)} {noun}?",
        rng,
        same=False,
        kind="add_modifier",
    )
    yield _pair(
        f"Is {person} {trade} or {other}?",
        f"Is {person} simultaneously {trade} and {other}?",
        rng,
        same=False,
        kind="logic",
    )
    yield _pair(f"Is {person} {trade}?", f"Did {person} use to be {trade}?", rng, same=False, kind="tense")
