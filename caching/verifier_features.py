"""Compares two questions and says in numbers how they differ: what the verifier's trees look at. Pure.

Every figure is the same whichever of the two questions is stored. `_low` and `_high` are the smaller and the
larger of the two sides' figures: a `_low` above 0 is an exchange, a `_high` alone an addition.
"""

# ruff: noqa: SIM905 (word lists are read and edited as text)

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from caching.verifier_lexicon import Lexicon
from caching.verifier_text import CONTENT, OTHER, YES_NO, Reading, Token
from caching.verifier_words import OPPOSITES, Kind

#: Of words without a partner, only so many a side are looked at one by one: time must be bounded.
_MOST_LOOSE = 6
_TYPO = 0.55
_RELATIONS = ("synonym", "opposite", "broader", "sibling")
_ASKED = ("how_much", "how", "why", "who", "where", "when", "what", YES_NO, OTHER)
_ARGUMENTS = frozenset(
    "from to before after than by over under into without against for in on of with between".split()
)
_OPPOSITES = {
    word: frozenset().union(
        *(sides[1 - side] for sides in OPPOSITES for side in (0, 1) if word in sides[side])
    )
    for sides in OPPOSITES
    for words in sides
    for word in words
}
_NO_WORD = Token("", "", Kind.ARTICLE, 0.0, -1)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which words of two questions are the same (stem by stem), and which have no partner."""

    pairs: tuple[tuple[int, int], ...]
    """Places, in the order of the first text."""
    loose_a: tuple[int, ...]
    loose_b: tuple[int, ...]


def align(a: Reading, b: Reading) -> Alignment:
    """Pair the words of the same stem, first come, first paired; the common head and tail before all."""
    head, tail = _common_ends(a.stems, b.stems)
    pairs = [(place, place) for place in range(head)]
    free: dict[str, list[int]] = {}
    for place in range(len(b.stems) - tail - 1, head - 1, -1):
        free.setdefault(b.stems[place], []).append(place)
    loose_a = []
    for place in range(head, len(a.stems) - tail):
        if places := free.get(a.stems[place]):
            pairs.append((place, places.pop()))
        else:
            loose_a.append(place)
    pairs += [(len(a.stems) - back, len(b.stems) - back) for back in range(tail, 0, -1)]
    loose_b = sorted(place for places in free.values() for place in places)
    return Alignment(tuple(pairs), tuple(loose_a), tuple(loose_b))


def _common_ends(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    """Return how many items two sequences share at their beginning and at their end, without overlap."""
    shorter = min(len(a), len(b))
    head = next((place for place in range(shorter) if a[place] != b[place]), shorter)
    tail = next((back for back in range(shorter - head) if a[-1 - back] != b[-1 - back]), shorter - head)
    return head, tail


def pair_features(a: Reading, b: Reading, similarity: float, lexicon: Lexicon) -> list[float]:
    """Return the figures of FEATURES, in that order. Neither reading is too long."""
    found = align(a, b)
    loose_a = [a.tokens[place] for place in found.loose_a]
    loose_b = [b.tokens[place] for place in found.loose_b]
    values = [similarity]
    values += _cover(a, b, found, loose_a, loose_b)
    values += _kinds(loose_a, loose_b)
    values += _partners(loose_a, loose_b, lexicon)
    values += _characters(a, b, loose_a, loose_b)
    values += _order(a, b, found)
    values += _slot(a, b, found, lexicon)
    values += _questions(a, b, lexicon)
    values += _arguments(a, b)
    values += _tenses(a, b)
    values += _sizes(a, b)
    return values


def _low_high(ours: float, theirs: float) -> tuple[float, float]:
    return (ours, theirs) if ours <= theirs else (theirs, ours)


_COVER = (
    "cover_low", "cover_high", "content_cover_low", "content_cover_high", "loose_weight_low", "loose_weight_high",
    "heaviest_loose_low", "heaviest_loose_high", "loose_content_low", "loose_content_high", "same_words",
    "matched_content",
)  # fmt: skip


def _cover(
    a: Reading, b: Reading, found: Alignment, loose_a: list[Token], loose_b: list[Token]
) -> Iterable[float]:
    all_a, all_b = _weight(a.tokens), _weight(b.tokens)
    off_a, off_b = _weight(loose_a), _weight(loose_b)
    yield from _low_high(1 - off_a / all_a if all_a else 0.0, 1 - off_b / all_b if all_b else 0.0)
    content_a, content_b = _content(a.tokens), _content(b.tokens)
    missing_a, missing_b = _content(loose_a), _content(loose_b)
    weight_a, weight_b = _weight(missing_a), _weight(missing_b)
    yield from _low_high(
        1 - weight_a / max(_weight(content_a), 0.1), 1 - weight_b / max(_weight(content_b), 0.1)
    )
    yield from _low_high(weight_a, weight_b)
    yield from _low_high(
        max((token.weight for token in missing_a), default=0.0),
        max((token.weight for token in missing_b), default=0.0),
    )
    yield from _low_high(len(missing_a), len(missing_b))
    yield sum(a.tokens[i].word == b.tokens[j].word for i, j in found.pairs) / max(len(found.pairs), 1)
    yield sum(a.tokens[i].kind in CONTENT for i, _ in found.pairs)


def _weight(tokens: Iterable[Token]) -> float:
    return sum(token.weight for token in tokens)


def _content(tokens: Iterable[Token]) -> list[Token]:
    return [token for token in tokens if token.kind in CONTENT]


_KINDS = tuple(f"{kind.name.lower()}_{end}" for kind in Kind for end in ("low", "high"))


def _kinds(loose_a: list[Token], loose_b: list[Token]) -> Iterable[float]:
    ours, theirs = Counter(token.kind for token in loose_a), Counter(token.kind for token in loose_b)
    for kind in Kind:
        yield from _low_high(ours[kind], theirs[kind])


_PARTNERS = (
    "likeness_low", "likeness_high", "least_like_low", "least_like_high", "unexplained_low", "unexplained_high",
    *_RELATIONS, "listed_opposite", "typo", "turns",
)  # fmt: skip


def _partners(loose_a: list[Token], loose_b: list[Token], lexicon: Lexicon) -> list[float]:
    """How near the words without a partner come to each other."""
    ours = _heaviest(_content(loose_a))
    theirs = _heaviest(_content(loose_b))
    relations: Counter[str] = Counter()
    table = [[_nearness(x, y, lexicon, relations) for y in theirs] for x in ours]
    best_a = [max(row, default=0.0) for row in table]
    best_b = [max((row[place] for row in table), default=0.0) for place in range(len(theirs))]
    opposites = sum(
        bool((found := _OPPOSITES.get(x.word)) and any(y.word in found for y in loose_b)) for x in loose_a
    )
    negations = sum(token.kind is Kind.NEGATION for token in (*loose_a, *loose_b))
    turns = (max(opposites, relations["opposite"]) + negations) % 2
    return [
        *_low_high(_mean(best_a, ours), _mean(best_b, theirs)),
        *_low_high(min(best_a, default=1.0), min(best_b, default=1.0)),
        *_low_high(_unexplained(best_a, ours), _unexplained(best_b, theirs)),
        *(relations[name] for name in _RELATIONS),
        opposites,
        relations["typo"],
        turns,
    ]


def _heaviest(tokens: list[Token]) -> list[Token]:
    if len(tokens) <= _MOST_LOOSE:
        return tokens
    return sorted(tokens, key=lambda token: -token.weight)[:_MOST_LOOSE]


def _nearness(x: Token, y: Token, lexicon: Lexicon, relations: Counter[str]) -> float:
    """Return how alike two words are, 0 to 1, and count what they are to each other."""
    if x.kind is Kind.NUMBER or y.kind is Kind.NUMBER:
        return 0.0
    relation = lexicon.relation(x.known, y.known)
    if relation:
        relations[relation] += 1
    likeness = max(lexicon.likeness(x.known, y.known), 0.0)
    if x.known < 0 or y.known < 0:
        spelling = _spelled_alike(x.word, y.word)
        relations["typo"] += spelling >= _TYPO
        likeness = max(likeness, spelling)
    return likeness


def _spelled_alike(a: str, b: str) -> float:
    """Return the share of neighbouring letters that two words have in common, 0 to 1."""
    ours, theirs = Counter(zip(f"^{a}", f"{a}$", strict=True)), Counter(zip(f"^{b}", f"{b}$", strict=True))
    return 2 * (ours & theirs).total() / (len(a) + len(b) + 2)


def _mean(best: list[float], tokens: list[Token]) -> float:
    total = _weight(tokens)
    return (
        sum(value * token.weight for value, token in zip(best, tokens, strict=True)) / total if total else 1.0
    )


def _unexplained(best: list[float], tokens: list[Token]) -> float:
    return sum((1 - value) * token.weight for value, token in zip(best, tokens, strict=True))


_CHARACTERS = ("pieces", "loose_letters")


def _characters(a: Reading, b: Reading, loose_a: list[Token], loose_b: list[Token]) -> Iterable[float]:
    yield 2 * len(a.pieces & b.pieces) / max(len(a.pieces) + len(b.pieces), 1)
    ours = "".join(token.word for token in loose_a[:12])
    theirs = "".join(token.word for token in loose_b[:12])
    yield _spelled_alike(ours, theirs) if ours or theirs else 1.0


_ORDER = ("out_of_order", "swaps", "neighbours_low", "neighbours_high", "names_swapped", "moved")


def _order(a: Reading, b: Reading, found: Alignment) -> Iterable[float]:
    content = [(i, j) for i, j in found.pairs if a.tokens[i].kind in CONTENT]
    places = [j for _, j in content]
    yield 1 - _longest_rise(places) / len(places) if places else 0.0
    yield sum(later < earlier for earlier, later in pairwise(places))
    ours, theirs = _neighbours(a.tokens), _neighbours(b.tokens)
    shared = len(ours & theirs)
    yield from _low_high(shared / max(len(ours), 1), shared / max(len(theirs), 1))
    names = [j for i, j in content if a.tokens[i].kind in {Kind.NAME, Kind.RARE, Kind.NUMBER}]
    yield len(names) - _longest_rise(names)
    every = [j for _, j in found.pairs]
    yield len(every) - _longest_rise(every)


def _longest_rise(places: Sequence[int]) -> int:
    """Return the length of the longest rising subsequence."""
    ends: list[int] = []
    for place in places:
        where = bisect_left(ends, place)
        ends[where : where + 1] = [place]
    return len(ends)


def _neighbours(tokens: Sequence[Token]) -> set[tuple[str, str]]:
    content = [token.stem for token in tokens if token.kind in CONTENT]
    return set(pairwise(content))


_SLOT = (
    "head", "tail", "middle_low", "middle_high", "one_slot", "slot_likeness", "slot_weight_low",
    "slot_weight_high",     "slot_content_low",
)  # fmt: skip


def _slot(a: Reading, b: Reading, found: Alignment, lexicon: Lexicon) -> Iterable[float]:
    """What two questions that differ in one place only have there."""
    head, tail = _common_ends(a.stems, b.stems)
    longest = max(len(a.stems), len(b.stems), 1)
    ours, theirs = a.tokens[head : len(a.tokens) - tail], b.tokens[head : len(b.tokens) - tail]
    yield head / longest
    yield tail / longest
    yield from _low_high(len(ours), len(theirs))
    is_slot = len(ours) == len(found.loose_a) and len(theirs) == len(found.loose_b)
    yield is_slot and max(len(ours), len(theirs)) <= 3 and bool(ours or theirs)
    yield lexicon.likeness(ours[0].known, theirs[0].known) if len(ours) == len(theirs) == 1 else -1.0
    yield from _low_high(_weight(ours), _weight(theirs))
    yield min(len(_content(ours)), len(_content(theirs)))


_QUESTIONS = (
    "asks_same", "asks_differ", "asks_loosely", *(f"asks_{name}" for name in _ASKED), "focus_same",
    "focus_likeness",     "subject_same", "first_same", "numeric", "sentences_low", "sentences_high",
)  # fmt: skip


def _questions(a: Reading, b: Reading, lexicon: Lexicon) -> Iterable[float]:
    is_same = a.asks == b.asks
    yield is_same
    yield not is_same and OTHER not in {a.asks, b.asks} and YES_NO not in {a.asks, b.asks}
    yield not is_same and (OTHER in {a.asks, b.asks} or YES_NO in {a.asks, b.asks})
    for name in _ASKED:
        yield (a.asks == name) + (b.asks == name)
    content_a, content_b = _content(a.tokens), _content(b.tokens)
    last_a, last_b = _last(content_a), _last(content_b)
    yield last_a.stem == last_b.stem
    yield 1.0 if last_a.stem == last_b.stem else lexicon.likeness(last_a.known, last_b.known)
    yield _first(content_a).stem == _first(content_b).stem
    yield _first(a.tokens).stem == _first(b.tokens).stem
    yield min(_numbers(a), _numbers(b))
    yield from _low_high(a.sentences, b.sentences)


def _last(tokens: Sequence[Token]) -> Token:
    return tokens[-1] if tokens else _NO_WORD


def _first(tokens: Sequence[Token]) -> Token:
    return tokens[0] if tokens else _NO_WORD


def _numbers(reading: Reading) -> int:
    return sum(token.kind is Kind.NUMBER for token in reading.tokens)


_ARGUMENT = ("argument_differs", "argument_swapped", "argument_lost")


def _arguments(a: Reading, b: Reading) -> list[float]:
    """What follows a preposition here and there: from Rome to Oslo, from Oslo to Rome."""
    ours, theirs = _followers(a), _followers(b)
    differ = swapped = 0
    for word in ours.keys() & theirs.keys():
        if ours[word].isdisjoint(theirs[word]):
            differ += 1
            swapped += not ours[word].isdisjoint(b.stems) and not theirs[word].isdisjoint(a.stems)
    return [differ, swapped, len(ours.keys() ^ theirs.keys())]


def _followers(reading: Reading) -> dict[str, set[str]]:
    """Return the first word of matter behind each preposition."""
    found: dict[str, set[str]] = {}
    waiting: list[str] = []
    for token in reading.tokens:
        if token.word in _ARGUMENTS:
            waiting.append(token.word)
        elif waiting and token.kind in CONTENT:
            for word in waiting:
                found.setdefault(word, set()).add(token.stem)
            waiting = []
    return found


_TENSES = (
    "past_apart",
    "former_apart",
    "future_apart",
    "duty_apart",
    "denials_apart",
    "he_she_apart",
    "either_apart",
)
_DUTY = frozenset("should must need ought may might".split())
_FORMER = frozenset(("used", "use"))


def _tenses(a: Reading, b: Reading) -> list[float]:
    """How far the two are apart in when, whether and of whom something is said."""
    return [abs(ours - theirs) for ours, theirs in zip(_time_of(a), _time_of(b), strict=True)]


def _time_of(reading: Reading) -> list[int]:
    """Return marks of tense, duty, denial, gender and choice."""
    kinds = Counter(token.kind for token in reading.tokens)
    words = {token.word for token in reading.tokens}
    former = any(ours.word in _FORMER and then.word == "to" for ours, then in pairwise(reading.tokens))
    return [
        min(kinds[Kind.PAST], 1), former, min(kinds[Kind.FUTURE], 1), not words.isdisjoint(_DUTY),
        kinds[Kind.NEGATION], kinds[Kind.MASCULINE] - kinds[Kind.FEMININE], ("or" in words) - ("and" in words),
    ]  # fmt: skip


_SIZES = ("words_low", "words_high", "words_ratio", "words_apart")


def _sizes(a: Reading, b: Reading) -> Iterable[float]:
    low, high = _low_high(len(a.tokens), len(b.tokens))
    yield low
    yield high
    yield low / max(high, 1)
    yield high - low


FEATURES: tuple[str, ...] = (
    "similarity", *_COVER, *_KINDS, *_PARTNERS, *_CHARACTERS, *_ORDER, *_SLOT, *_QUESTIONS, *_ARGUMENT,
    *_TENSES, *_SIZES,
)  # fmt: skip
"""The names of the figures; a model file lists the same ones."""
