"""Which requests may use the caches, and whose entries they share. Pure; knows English wording only.

Identifiers (addresses, numbers) are recognised in every language. Patterns are linear in the text's length: they
run on the request path.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from caching.policy import CacheRules

#: Longest question that may be embedded; the worker knows the model's limit in tokens.
MAX_QUESTION_CHARACTERS = 8_000
#: More text than this is not searched for personal details but treated as if it held some.
MAX_SEARCHED_CHARACTERS = 200_000
#: Of a long question only the two ends ask for something; what lies between is material.
_ASKING_CHARACTERS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestFacts:
    """What the judgement needs of a request."""

    texts: tuple[str, ...]
    """The texts of all messages in order."""
    question: str
    """The last user turn; empty when it has no plain text."""
    turns: int
    """User and assistant messages."""
    has_tools: bool
    has_images: bool
    temperature: float | None
    """None: not set."""
    answers: int
    """How many answers are asked for (`n`)."""
    key_public_id: str
    user: str | None
    """The caller's name for its end user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cacheability:
    """Whether the caches may answer and keep a request, and under whose name."""

    cacheable: bool
    """False: bypass L1 and L2."""
    semantic: bool
    """False: bypass L2."""
    owner: str
    """Sharing scope; part of the fingerprint."""
    reason: str | None
    """Why not cacheable or, else, why not semantic."""


def judge(facts: RequestFacts, rules: CacheRules) -> Cacheability:
    """Say which caches a request may use. Client input can narrow the sharing, never widen it."""
    personal = _is_personal(facts, rules)
    owner = _owner(facts, rules, personal=personal)
    if reason := _bypass_reason(facts, personal=personal):
        return Cacheability(cacheable=False, semantic=False, owner=owner, reason=reason)
    reason = _no_semantic_reason(facts, rules)
    return Cacheability(cacheable=True, semantic=reason is None, owner=owner, reason=reason)


def repeats_details(answer_text: str, question_texts: Iterable[str]) -> bool:
    """Whether an answer holds personal details, so that nobody but (key, user) may get it again.

    Identifiers count wherever they come from (the upstream may remember the person); a name counts if one of
    the question's texts introduced it.
    """
    if len(answer_text) > MAX_SEARCHED_CHARACTERS or _holds_identifier(answer_text):
        return True
    answer = answer_text.lower()
    return any(name.lower() in answer for text in question_texts for name in _INTRODUCED.findall(text))


def is_time_sensitive(question: str) -> bool:
    """Whether the wording asks for something as it is now."""
    if len(question) > 2 * _ASKING_CHARACTERS:
        question = f"{question[:_ASKING_CHARACTERS]}\n{question[-_ASKING_CHARACTERS:]}"
    return any(pattern.search(question) for pattern in _TIME.values())


def holds_details(text: str) -> bool:
    """Whether a text carries details of a person: identifiers, or words that introduce some."""
    return _holds_identifier(text) or _INTRODUCTION.search(text) is not None


def _bypass_reason(facts: RequestFacts, *, personal: bool) -> str | None:
    if facts.has_tools:
        return "tools"
    if facts.has_images:
        return "images"
    if facts.answers > 1:
        return "several_answers"
    if facts.temperature is not None and facts.temperature > 1.0:
        return "high_temperature"
    if personal and not facts.user:
        return "personal_details"
    return "time_sensitive" if is_time_sensitive(facts.question) else None


def _no_semantic_reason(facts: RequestFacts, rules: CacheRules) -> str | None:
    if rules.semantic_mode == "off" or not rules.semantic_enabled:
        return "semantic_off"
    if not facts.question.strip():
        return "no_text"
    if len(facts.question) > MAX_QUESTION_CHARACTERS:
        return "too_long"
    return "too_many_turns" if facts.turns > rules.max_turns else None


def _owner(facts: RequestFacts, rules: CacheRules, *, personal: bool) -> str:
    if facts.user and (personal or rules.sharing == "user"):
        return f"key:{facts.key_public_id}/user:{facts.user}"
    return "tenant" if rules.sharing == "tenant" and not personal else f"key:{facts.key_public_id}"


def _is_personal(facts: RequestFacts, rules: CacheRules) -> bool:
    if sum(map(len, facts.texts)) > MAX_SEARCHED_CHARACTERS or any(map(holds_details, facts.texts)):
        return True
    return rules.personal == "first_person" and _FIRST_PERSON.search(facts.question) is not None


def _holds_identifier(text: str) -> bool:
    return any(pattern.search(text) for pattern in _IDENTIFIERS.values())


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b", re.IGNORECASE)


def _fields(*names: str) -> str:
    return "|".join(names)


_OWN_FIELD = _fields(
    "address", "birthday", "date of birth", "dob", "e-?mail", "phone", "mobile", "cell", "number", "ssn",
    "social security", "password", "passcode", "pin", "passport", "licen[cs]e", "iban", "postcode", "zip",
    "account", "card", "policy", "order", "booking", "reservation", "username", "login", "handle",
)  # fmt: skip
_NUMBERED = _fields(
    "account", "acct", "order", "customer", "client", "policy", "passport", "booking", "reservation", "ticket",
    "invoice", "case", "member", "membership", "patient", "employee", "student", "licen[cs]e", "reference",
    "ref", "tracking", "confirmation", "transaction", "card", "insurance", "tax", "ssn", "nhs",
)  # fmt: skip

#: Identifiers of a person or of something that belongs to one.
_IDENTIFIERS: dict[str, re.Pattern[str]] = {
    "email": re.compile(r"\w@\w[\w.-]{0,250}\.[A-Za-z]{2}"),
    "international_phone": re.compile(r"\+\d(?:[ ().-]{0,3}\d){7,14}(?!\d)"),
    "local_phone": re.compile(r"(?<![\d.,])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\d.,]\d)(?!\d)"),
    "social_security": re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"),
    "card": re.compile(r"(?<![\d.,-])\d{4}(?:[ -]\d{4}){2,3}(?:[ -]?\d{1,4})?(?!\d)"),
    # Round numbers are amounts, not identifiers.
    "long_number": re.compile(r"(?<![\d.,])(?!\d+000(?!\d))\d{9,}(?![\d.,]*\d)"),
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "numbered": re.compile(
        rf"\b(?:{_NUMBERED})(?: (?:number|no\.?|id|code|#))?(?: is)?[ :#]{{1,3}}[A-Z]{{0,4}}-?\d{{4,}}\b",
        re.IGNORECASE,
    ),
    "uuid": re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE),
    "secret": re.compile(r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA)[-_]?[A-Za-z0-9_-]{16}"),
}

#: Wording that hands over a detail.
_INTRODUCTION = _words(
    r"my (?:\w+ )?(?:\w+['’]s )?name(?:['’]s| is)",
    r"i(?:['’]m| am) (?:called|named)",
    r"(?:people|friends|they|everyone|you can) call me",
    r"call me [A-Z][a-z]+",
    r"this is (?:mr|mrs|ms|dr)\b",
    rf"my (?:\w+ )?(?:{_OWN_FIELD})(?: number| code| id)? is",
    r"i live at",
    r"i (?:was born|am born) (?:on|in)",
    r"i(?:['’]ve| have) been diagnosed with",
)  # fmt: skip
_INTRODUCED = re.compile(
    r"(?:\bname(?:['’]s| is)|\bam called|['’]m called|\bcall me) (\w[\w'’-]+)", re.IGNORECASE
)
_FIRST_PERSON = re.compile(r"\b(?:i|i['’](?:m|d|ll|ve)|my|me|mine|myself)\b", re.IGNORECASE)

_SUBJECT = _fields(
    "time", "date", "day", "month", "year", "season", "weather", "temperature", "price", "value", "rate", "status",
    "score", "president", "prime minister", "ceo", "champion", "version", "population", "situation", "events?",
    "affairs", "news", "balance", "location", "exchange rate", "interest rate", "market", "trend", "trends",
    "record", "leader", "king", "queen", "pope", "governor", "mayor", "chancellor", "head", "chairman", "owner",
    "government", "inflation", "unemployment", "law", "laws", "holder", "standings?", "ranking", "traffic",
)  # fmt: skip

#: Wording that asks for something as it is now.
_TIME: dict[str, re.Pattern[str]] = {
    "now": _words(
        r"right now", r"just now", r"at the moment", r"at present", r"(?:as of|until|till|by|from|for) now",
        r"nowadays", r"these days", r"currently", r"presently", r"so far (?:this|today)", r"up[- ]to[- ]date",
        r"real[- ]time (?:data|price|prices|quotes?|updates?)", r"live (?:score|scores|stream|updates?|traffic)",
        r"(?:is|are|was|were|do|does|doing|happening|going on|open|playing|on) (?:\w+ ){0,3}now",
    ),
    "day": _words(
        r"today(?:['’]s)?", r"tonight(?:['’]s)?", r"tomorrow(?:['’]s)?", r"yesterday(?:['’]s)?",
        r"(?:this|last|next|coming|past) (?:week|weekend|month|year|season|quarter|morning|afternoon|evening|night|"
        r"summer|winter|spring|autumn|fall|monday|tuesday|wednesday|thursday|friday|saturday|sunday)",
        r"(?:in|over) the (?:last|past|next|coming) (?:\w+ )?(?:minutes?|hours?|days?|weeks?|months?)",
    ),
    "latest": _words(
        r"latest", r"newest", r"most recent(?:ly)?", r"recently", r"breaking news", r"news (?:about|on|from|today)",
        r"(?:the )?headlines", r"upcoming",
    ),
    "current": _words(rf"current (?:\w+ ){{0,2}}(?:{_SUBJECT})", r"present[- ]day"),
    "weather": _words(
        r"(?:what(?:['’]s| is| will)|how(?:['’]s| is| will)) (?:\w+ ){0,3}weather",
        r"weather (?:forecast|report|in|for|at|like|outside|be)", r"forecast for",
        r"(?:is|will) it (?:be |going to )?(?:rain|raining|snow|snowing|sunny|cloudy|windy|hot|cold)(?: outside| in)?",
        r"(?:do|will) i need (?:a |an |my )?(?:umbrella|rain ?coat|jacket|coat)",
    ),
    "clock": _words(r"what time is it", r"what(?:['’]s| is) the (?:time|date|day)(?= *(?:\?|$|in\b|at\b|now\b))",
        r"what (?:day|date) is it", r"time in [A-Z][a-z]+"),
    "quote": _words(
        r"(?:stock|share|gold|silver|oil|gas|petrol|bitcoin|crypto|ethereum) prices?", r"(?:stock|share) quotes?",
        r"exchange rates?", r"price of (?:gold|silver|oil|gas|petrol|bitcoin|ethereum|\w+ (?:stock|shares?))",
        r"(?:how much|what) is (?:\w+ ){0,2}(?:bitcoin|ethereum) (?:worth|at|trading)",
        r"how(?:['’]s| is) (?:\w+ ){0,3}(?:stock|market) doing",
    ),
    "score": _words(
        r"(?:what(?:['’]s| is| was)|tell me) the (?:\w+ ){0,4}score", r"who(?:['’]s| is) (?:winning|leading|ahead)",
        r"score of the (?:\w+ ){0,3}(?:game|match)", r"did (?:the )?\w+ win (?:the game|their game|last)",
    ),
    "traffic": _words(r"how(?:['’]s| is) (?:the )?traffic", r"traffic (?:on|in|to|from|report|conditions?)"),
}  # fmt: skip


def time_reasons(question: str) -> Sequence[str]:
    """Name the groups of time words that a question holds."""
    return [name for name, pattern in _TIME.items() if pattern.search(question)]
