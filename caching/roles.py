"""Finds out whether two English questions turn roles around: from A to B, from B to A. Pure."""

from collections.abc import Sequence

from caching.stems import stem_of, words_in

#: What stands on the sides of these words isn't the same the other way round.
_ONE_WAY = frozenset({"to", "into", "onto", "than", "before", "after", "without", "instead", "against"})
#: Running before eating is eating after running.
_SAME_WAY = (*((word, word) for word in sorted(_ONE_WAY)), ("before", "after"), ("after", "before"))
#: With these words it is: compare A to B, the distance from A to B, similar to.
_BOTH_WAYS = words_in(
    "compare compared comparing comparison similar similarity related relate relation relationship "
    "connect connected connection married equal equivalent difference different differ versus vs distance "
    "far next close between opposite parallel attached linked"
)
#: Around these words two things say the same in either order: "the capital is what?"
_LISTING = frozenset({"and", "or", "nor", "a", "an", "the", "is", "are", "was", "were"})
FILLING = words_in(
    "a an the my your his her our their its this that these those of some any do does did is are was were "
    "be i you we he she it they can could should would will may might how what which who why when where "
    "in on at"
)
_BE = frozenset({"is", "are", "was", "were", "be", "been", "being", "got", "get", "gets"})
#: How many words on each side of a word tell what stands there.
_REACH = 2
#: How many words tell that two texts say the same of me.
_LEAST_SAID = 2
#: The longest name that is looked for on both sides.
_LONGEST = 4


def roles_swapped(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two texts, as lists of words in lower case, exchange what acts and what is acted upon."""
    if not (_BOTH_WAYS.isdisjoint(a) and _BOTH_WAYS.isdisjoint(b)):
        return False
    return (
        _exchanged(a, b)
        or _turned_around(a, b)
        or _passive_turned(a, b)
        or _passive_turned(b, a)
        or _turned_on_me(a, b)
    )


def _exchanged(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two things have changed places around the same words, which do more than to list them."""
    if len(a) != len(b) or a == b:
        return False
    first = next(place for place, (ours, theirs) in enumerate(zip(a, b, strict=True)) if ours != theirs)
    last = len(a) - next(
        place
        for place, (ours, theirs) in enumerate(zip(reversed(a), reversed(b), strict=True))
        if ours != theirs
    )
    ours, theirs = list(a[first:last]), list(b[first:last])
    return any(
        _is_exchange(ours, theirs, left, right)
        for left in range(1, _LONGEST + 1)
        for right in range(1, _LONGEST + 1)
        if left + right < len(ours)
    )


def _turned_on_me(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether the same is said of what I do in one text and of what is done to me in the other."""
    if ("i" in a) == ("i" in b) or ("me" in a) == ("me" in b) or ("i" in a) == ("me" in a):
        return False
    ours, theirs = (
        {stem_of(word) for word in words if word not in FILLING and word != "me"} for words in (a, b)
    )
    return ours == theirs and len(ours) >= _LEAST_SAID


def _is_exchange(ours: list[str], theirs: list[str], left: int, right: int) -> bool:
    if ours[:left] != theirs[-left:] or ours[-right:] != theirs[:right]:
        return False
    between = ours[left:-right]
    return between == theirs[right:-left] and not _LISTING.issuperset(between)


def _turned_around(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether what stands left of a one-way word in one text stands right of it in the other."""
    for word, other in _SAME_WAY:
        if word not in a or other not in b:
            continue
        (left, right), (other_left, other_right) = _sides(a, word), _sides(b, other)
        if not (left.isdisjoint(other_left) and right.isdisjoint(other_right)):
            left, other_left = left - other_left, other_left - left
            right, other_right = right - other_right, other_right - right
        if not left.isdisjoint(other_right) and not right.isdisjoint(other_left):
            return True
    return False


def _sides(words: Sequence[str], word: str) -> tuple[set[str], set[str]]:
    """Return what stands left and right of the first such word; "to B from A" is read as "from A to B"."""
    place = words.index(word)
    if word in {"to", "into"} and "from" in words:
        source = words.index("from")
        behind = words[source + 1 : place] if source < place else words[source + 1 :]
        ahead = words[place + 1 : source] if place < source else words[place + 1 :]
        return set(_stems(behind)[:_REACH]), set(_stems(ahead)[:_REACH])
    # An infinitive has a "to" too, with other things around it.
    reach = 1 if word in {"to", "into", "onto"} else _REACH
    return set(_stems(words[:place])[-reach:]), set(_stems(words[place + 1 :])[:reach])


def _stems(words: Sequence[str]) -> list[str]:
    return [stem_of(word) for word in words if word not in FILLING]


def _passive_turned(passive: Sequence[str], active: Sequence[str]) -> bool:
    """Whether a passive text has its things in the order of an active one, so that they acted the other way."""
    if "by" not in passive or "by" in active or _BE.isdisjoint(passive):
        return False
    place = passive.index("by")
    patient, agent, others = _stems(passive[:place]), _stems(passive[place + 1 :]), _stems(active)
    if len(patient) < _REACH or not agent or len(patient) + len(agent) != len(others):
        return False
    if patient[0] not in others or agent[0] not in others:
        return False
    return others.index(agent[0]) - others.index(patient[0]) >= _REACH
