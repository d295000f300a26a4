"""Finds out whether two short English texts say the opposite of each other. Pure."""

import re
import unicodedata

#: Longer texts hold several statements, so that the parity of their negations says nothing.
MOST_WORDS = 25

_NEGATIONS = frozenset(
    {
        "not", "no", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "without", "cannot",
        "cant", "dont", "doesnt", "didnt", "isnt", "arent", "wasnt", "werent", "wont", "wouldnt", "shouldnt",
        "couldnt", "hasnt", "havent", "hadnt", "aint", "lack", "lacks", "lacking", "except", "excluding",
    }
)  # fmt: skip
#: These deny nothing: "... or not?", "not only".
_EMPTY_NEGATIONS = re.compile(r"\b(?:why or why not|or not|or no|if not|not only|not just|no matter)\b")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_NEGATING_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "mis", "de")

#: Two sides of a scale each; a word of one side against a word of the other turns the meaning around.
_OPPOSITES = """
    increase raise gain grow boost rise maximize expand | decrease reduce lower lose lessen minimize cut fall
    more most | less least fewer
    good better best great positive | bad worse worst terrible poor negative
    buy purchase acquire | sell
    before prior | after
    start begin open launch enable activate | stop end finish close quit cease disable deactivate cancel
    add insert include attach install create | remove delete exclude detach uninstall destroy erase
    allow permit let accept approve | forbid prohibit prevent deny reject refuse decline ban block avoid
    love like enjoy | hate dislike detest
    win | lose
    up above over upper | down below under beneath
    high tall | low short
    long | short brief
    big large huge | small little tiny
    fast quick rapid | slow
    hot warm | cold cool
    easy simple | hard difficult complicated complex tough
    cheap inexpensive affordable | expensive costly
    strong | weak
    rich wealthy | poor
    young | old elderly
    new | old used
    safe secure | dangerous risky harmful
    legal lawful | illicit
    true right correct | false wrong
    happy glad cheerful | sad depressed miserable
    male man men boy husband father son brother | female woman women girl wife mother daughter sister
    always | rarely seldom
    push | pull
    import | export
    encrypt encode | decrypt decode
    borrow | lend
    arrive come enter | leave depart exit go
    early | late
    first | last
    majority | minority
    maximum max | minimum min
    advantage benefit pro pros | disadvantage drawback con cons
    success succeed | failure fail
    healthy | sick ill
    brave courageous | cowardly fearful timid scared
    calm relaxed | anxious nervous stressed
    optimistic hopeful | pessimistic hopeless
    humble modest | arrogant proud
    generous | selfish stingy greedy
    smart intelligent clever wise | stupid dumb foolish
    beautiful pretty handsome attractive | ugly
    polite | rude
    lazy | hardworking productive active diligent
    visible | hidden
    public | private
    inside indoor internal | outside outdoor external
    light bright | dark heavy
    full | empty
    wet | dry
    thick fat | thin slim
    deep | shallow
    loud noisy | quiet silent
    clean | dirty
    rough | smooth gentle
    ancient | modern
    guilty | innocent
    ascending | descending
    lock | unlock
    ally friend | enemy
    remember | forget
    build | demolish
    pass | fail
    north northern | south southern
    east eastern | west western
    left | right
    front | back rear
    income revenue | expense expenditure
    profit | loss
    credit | debit
    deposit | withdraw withdrawal
    hire employ | fire dismiss
    love | hatred
    day | night
    birth born | death die
"""


def polarity_agrees(a: str, b: str) -> bool:
    """Whether an even number of negations and opposites lies between two texts (longer ones always agree)."""
    ours, theirs = _words(a), _words(b)
    if max(len(ours), len(theirs)) > MOST_WORDS:
        return True
    turns = _negations(ours) + _negations(theirs) + _opposites(set(ours), set(theirs))
    return turns % 2 == 0


def _words(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    return _WORD.findall(_EMPTY_NEGATIONS.sub(" ", text))


def _negations(words: list[str]) -> int:
    return sum(word in _NEGATIONS or word.endswith("n't") for word in words)


def _opposites(a: set[str], b: set[str]) -> int:
    """Count the opposites between two sets of words; words that both have are left out."""
    only_a, only_b = {_stem(word) for word in a - b}, {_stem(word) for word in b - a}
    only_a, only_b = only_a - only_b, only_b - only_a
    listed = sum(
        bool((only_a & left and only_b & right) or (only_a & right and only_b & left))
        for left, right in _OPPOSITE_STEMS
    )
    return listed + _prefixed(only_a, only_b) + _prefixed(only_b, only_a)


def _prefixed(words: set[str], others: set[str]) -> int:
    """Count the words whose negation by prefix is among the others: happy, unhappy."""
    return sum(
        len(word) >= 3 and any(prefix + word in others for prefix in _NEGATING_PREFIXES) for word in words
    )


def _stem(word: str) -> str:
    """Cut English endings, roughly; both sides of a comparison are cut alike."""
    for ending in ("ingly", "ing", "edly", "ed", "ies", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_OPPOSITE_STEMS = tuple(
    (frozenset(map(_stem, left.split())), frozenset(map(_stem, right.split())))
    for left, right in (line.split("|") for line in _OPPOSITES.strip().splitlines())
)
