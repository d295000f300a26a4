"""Which requests may use the caches, and whose entries they share. Pure."""

import re
from dataclasses import dataclass

from caching.personal import holds_details, speaks_of_oneself
from caching.policy import CacheRules
from caching.time_words import time_rule

#: Longest question that may be embedded; the worker knows the model's limit in tokens.
MAX_QUESTION_CHARACTERS = 8_000
#: WordPiece reads longer words as one unknown token: two different ones would have the same vector.
_UNREAD_WORD = re.compile(r"\w{101}")


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
    """Or anything else that isn't text."""
    has_more: bool
    """More is asked for than a text, such as the probabilities of its tokens."""
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


def _bypass_reason(facts: RequestFacts, *, personal: bool) -> str | None:
    if reason := _uncommon_reason(facts):
        return reason
    if facts.temperature is not None and facts.temperature > 1.0:
        return "high_temperature"
    if personal and not facts.user:
        return "personal_details"
    return "time_sensitive" if time_rule(facts.question) else None


def _uncommon_reason(facts: RequestFacts) -> str | None:
    """Say what is more than one text for another, if anything is: a stored answer has no room for it."""
    if facts.has_tools:
        return "tools"
    if facts.has_images:
        return "images"
    if facts.has_more:
        return "more_than_text"
    return "several_answers" if facts.answers > 1 else None


def _no_semantic_reason(facts: RequestFacts, rules: CacheRules) -> str | None:
    if rules.semantic_mode == "off" or not rules.semantic_enabled:
        return "semantic_off"
    if not facts.question.strip():
        return "no_text"
    if len(facts.question) > MAX_QUESTION_CHARACTERS:
        return "too_long"
    if _UNREAD_WORD.search(facts.question):
        return "unreadable"
    return "too_many_turns" if facts.turns > rules.max_turns else None


def _owner(facts: RequestFacts, rules: CacheRules, *, personal: bool) -> str:
    if facts.user and (personal or rules.sharing == "user"):
        return f"key:{facts.key_public_id}/user:{facts.user}"
    return "tenant" if rules.sharing == "tenant" and not personal else f"key:{facts.key_public_id}"


def _is_personal(facts: RequestFacts, rules: CacheRules) -> bool:
    if holds_details(facts.texts):
        return True
    return rules.personal == "first_person" and speaks_of_oneself(facts.question)
