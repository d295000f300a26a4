"""Deleting answers before their time, from L2, from L1 and from the memory of every process; blocking.

L1's values name their entry, key, model and tags, but hold no question: what is chosen by prompt or scope is found
in L2 first, then in L1 as copies of what was found. Answers that L2 doesn't hold (it was off, or their question is
too long for it) can't be chosen so; `Purged.unsearched` tells how many those are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import redis
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Lookup, Q, QuerySet, TextField
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from caching import answers
from caching.answers import BrokenAnswer, StoredAnswer
from caching.cache_redis import REDIS_ERRORS, answer_key, answer_keys, asked_keys, blocking_client
from caching.exact import CacheUnavailable
from caching.models import CacheEntry, CachePolicy, JudgedPair, Tombstone
from tenants.snapshots import announce

_BATCH = 1000
_MOST_PATTERN = 200
#: More of them than anybody needs, and few enough to be matched in no time.
_MOST_WILDCARDS = 10


@TextField.register_lookup
class ILike(Lookup[str]):
    """Postgres' ILIKE: unlike a regular expression it can't be made to take for ever."""

    lookup_name = "ilike"

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        left, left_values = self.process_lhs(compiler, connection)
        right, right_values = self.process_rhs(compiler, connection)
        return f"{left} ILIKE {right}", (*left_values, *right_values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which answers of a tenant a purge takes: all, or those to which every given condition applies.

    Raises ValueError for a selection that is unclear.
    """

    everything: bool = False
    tag: str | None = None
    model: str | None = None
    """As stored: `provider/name` or the bare name."""
    older_than_s: float | None = None
    entries: frozenset[UUID] | None = None
    key: str | None = None
    """Public id of the API key whose question was answered."""
    scope: bytes | None = None
    """Digest of all but the last user turn."""
    prompt: str | None = None
    """Part of the last user turn, in any case; `*` stands for any text."""
    request: UUID | None = None
    """The request whose answer was kept."""

    def __post_init__(self) -> None:
        if not self.everything and self._conditions == 0:
            raise ValueError("a purge needs a condition, or everything")
        if self.everything and self._conditions:
            raise ValueError("everything leaves no room for conditions")
        if self.prompt is not None:
            _check_pattern(self.prompt)

    @property
    def needs_questions(self) -> bool:
        """Whether L2 has to be asked which answers are meant."""
        return self.prompt is not None or self.scope is not None

    @property
    def _conditions(self) -> int:
        given = (self.tag, self.model, self.older_than_s, self.entries)
        given_too = (self.key, self.scope, self.prompt, self.request)
        return sum(condition is not None for condition in (*given, *given_too))


@dataclass(frozen=True, kw_only=True, slots=True)
class Purged:
    """How many answers a purge took (or would take): entries of L2 with their aliases, values of L1."""

    entries: int
    exact: int
    pinned: int = 0
    """Those of the entries that staff had pinned."""
    unsearched: int | None = None
    """Values of L1 whose question isn't known; None: the selection doesn't ask for questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """The entries that were chosen in L2, as L1 knows them."""

    entries: frozenset[UUID]
    keys: frozenset[bytes]
    """Of L1."""


def purge(tenant_id: int, selection: Selection, *, dry_run: bool) -> Purged:
    """Delete the selected answers of a tenant from L2, L1 and the memory of every process, or only count them.

    Memory is dropped within a second, as soon as each process has the tenant's policy of the new version. A purge
    of everything is in effect as soon, however much there is to delete: every fingerprint is another from then on.
    Raises CacheUnavailable when L1 can't be asked; then L2 is done already and the call may be repeated.
    """
    if selection.everything and not dry_run:
        _raise_epoch(tenant_id)
    chosen = _found(tenant_id, selection)
    entries, pinned = _purge_entries(tenant_id, selection, dry_run=dry_run)
    try:
        exact, unsearched = _purge_exact(tenant_id, selection, chosen, dry_run=dry_run)
    except REDIS_ERRORS as error:
        raise CacheUnavailable("connection") from error
    finally:
        if not dry_run:
            # Last: what is read from L1 under the new version must not be what is being deleted.
            announce(tenant_id)
    return Purged(
        entries=entries,
        exact=exact,
        pinned=pinned,
        unsearched=unsearched if selection.needs_questions else None,
    )


def drop_copies(tenant_id: int, entry: UUID, *, at: Sequence[bytes] = (), but: bytes | None = None) -> int:
    """Delete the entry's answer from L1, where other questions got it; return how many values went.

    at: fingerprints of the questions to look at; none: all of the tenant's values are gone through. but: the
    fingerprint that keeps it, the entry's own. Raises CacheUnavailable.
    """
    kept = None if but is None else answer_key(tenant_id, but).encode()
    try:
        with blocking_client() as client:
            places = [tuple(answer_key(tenant_id, fingerprint).encode() for fingerprint in at)]
            dropped = 0
            for keys in places if at else _in_batches(client, answer_keys(tenant_id)):
                going = [
                    key
                    for key, answer in _answers(client, keys)
                    if answer and answer.entry == entry and key != kept
                ]
                dropped += client.unlink(*going) if going else 0
    except REDIS_ERRORS as error:
        raise CacheUnavailable("connection") from error
    return dropped


def _purge_entries(tenant_id: int, selection: Selection, *, dry_run: bool) -> tuple[int, int]:
    """Return how many entries go, and how many of them are pinned."""
    chosen = _entries(tenant_id, selection)
    going = CacheEntry.objects.filter(
        Q(id__in=chosen.values("id")) | Q(alias_of__in=chosen.values("id")), tenant_id=tenant_id
    )
    with transaction.atomic():
        pinned = going.filter(pinned=True).count()
        if dry_run:
            return going.count(), pinned
        if selection.everything:
            Tombstone.objects.filter(tenant_id=tenant_id).delete()
            JudgedPair.objects.filter(tenant_id=tenant_id).update(question="", stored_question="")
        return going.delete()[0], pinned


def _raise_epoch(tenant_id: int) -> None:
    """Change every fingerprint of the tenant: what is stored can't be found any more, at once."""
    with transaction.atomic():
        policy = CachePolicy.objects.select_for_update().filter(tenant_id=tenant_id).first()
        if policy is not None:
            policy.epoch += 1
            policy.save(update_fields=["epoch"])


def _entries(tenant_id: int, selection: Selection) -> QuerySet[CacheEntry]:
    wanted = Q(tenant_id=tenant_id)
    if selection.tag is not None:
        wanted &= Q(tags__contains=[selection.tag])
    if selection.model is not None:
        wanted &= Q(model=selection.model) | _full_name(selection.model)
    if selection.older_than_s is not None:
        wanted &= Q(created_at__lt=timezone.now() - timedelta(seconds=selection.older_than_s))
    if selection.entries is not None:
        wanted &= Q(id__in=selection.entries)
    if selection.key is not None:
        wanted &= Q(key_public_id=selection.key)
    if selection.scope is not None:
        wanted &= Q(scope=selection.scope)
    if selection.request is not None:
        wanted &= Q(request_id=selection.request)
    if selection.prompt is not None:
        wanted &= Q(question__ilike=_like(selection.prompt))
    return CacheEntry.objects.filter(wanted).order_by()


def _full_name(name: str) -> Q:
    provider, _, model = name.partition("/")
    return Q(provider=provider, model=model)


def _check_pattern(pattern: str) -> None:
    if "\0" in pattern or len(pattern) > _MOST_PATTERN or pattern.count("*") > _MOST_WILDCARDS:
        raise ValueError(
            f"a prompt's pattern has {_MOST_PATTERN} characters and {_MOST_WILDCARDS} `*` at most"
        )
    if not pattern.replace("*", "").strip():
        raise ValueError("a prompt's pattern that fits everything: purge everything instead")


def _like(pattern: str) -> str:
    """Return the SQL pattern: a text that holds this one, where `*` stands for any text."""
    literal = re.sub(r"([\\%_])", r"\\\1", pattern)
    return f"%{literal.replace('*', '%')}%"


def _found(tenant_id: int, selection: Selection) -> _Chosen:
    """Return what L1's values alone don't tell: which questions were chosen, and whose answers aliases share."""
    if not selection.needs_questions and selection.entries is None:
        return _Chosen(entries=frozenset(), keys=frozenset())
    rows = list(_entries(tenant_id, selection).values_list("id", "fingerprint", "alias_of"))
    return _Chosen(
        # In L1 an alias's answer names its entry.
        entries=frozenset(alias_of or entry for entry, _, alias_of in rows),
        keys=frozenset(answer_key(tenant_id, bytes(fingerprint)).encode() for _, fingerprint, _ in rows),
    )


def _purge_exact(tenant_id: int, selection: Selection, chosen: _Chosen, *, dry_run: bool) -> tuple[int, int]:
    """Go through all of the tenant's values: copies of an entry have fingerprints that no entry knows.

    Return how many go, and how many could not be judged.
    """
    purged = unsearched = 0
    with blocking_client() as client:
        for keys in _in_batches(client, answer_keys(tenant_id)):
            found = [] if selection.everything else list(_answers(client, keys))
            going = list(keys) if selection.everything else list(_going(found, selection, chosen))
            purged += len(going)
            if selection.needs_questions:
                left = set(keys).difference(going)
                unsearched += _unknown(tenant_id, [answer for key, answer in found if key in left and answer])
            if going and not dry_run:
                client.unlink(*going)
        if selection.everything and not dry_run:
            for keys in _in_batches(client, asked_keys(tenant_id)):
                client.unlink(*keys)
    return purged, unsearched


def _in_batches(client: "redis.Redis", pattern: str) -> Iterator[tuple[Any, ...]]:
    """Give the names of all keys that fit, many at a time."""
    found = client.scan_iter(match=pattern, count=_BATCH)
    while keys := tuple(islice(found, _BATCH)):
        yield keys


def _going(
    found: list[tuple[Any, StoredAnswer | None]], selection: Selection, chosen: _Chosen
) -> Iterator[Any]:
    now = timezone.now().timestamp()
    for key, answer in found:
        if answer is None or key in chosen.keys or _is_meant(answer, selection, chosen, now):
            yield key


def _is_meant(answer: StoredAnswer, selection: Selection, chosen: _Chosen, now: float) -> bool:
    if answer.entry in chosen.entries:
        return True
    return not selection.needs_questions and _applies(selection, answer, now)


def _unknown(tenant_id: int, left: list[StoredAnswer]) -> int:
    """Return how many of these answers belong to no entry of L2."""
    entries = [answer.entry for answer in left]
    known = set(
        CacheEntry.objects.filter(tenant_id=tenant_id, id__in=set(entries)).values_list("id", flat=True)
    )
    return sum(entry not in known for entry in entries)


def _answers(client: "redis.Redis", keys: tuple[Any, ...]) -> Iterator[tuple[Any, StoredAnswer | None]]:
    """Give each key that has a value, and the answer; None for a broken one."""
    for key, value in zip(keys, client.mget(keys), strict=True):
        if not isinstance(value, bytes):
            continue
        try:
            yield key, answers.load(value)
        except BrokenAnswer:
            yield key, None


def _applies(selection: Selection, answer: StoredAnswer, now: float) -> bool:
    model = (answer.model, f"{answer.provider}/{answer.model}")
    return (
        (selection.tag is None or selection.tag in answer.tags)
        and (selection.model is None or selection.model in model)
        and (selection.older_than_s is None or answer.created_at < now - selection.older_than_s)
        and (selection.entries is None or answer.entry in selection.entries)
        and (selection.key is None or selection.key == answer.key_public_id)
        and (selection.request is None or selection.request == answer.request_id)
    )
