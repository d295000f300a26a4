"""What one process knows of provider keys and of targets: which rest, why, and until when. No I/O.

A *lane* is one provider key at one target. Refusals of the key itself (401, 403, no credit) take the key out at
all its targets. Rate limits and failures are a lane's: providers limit each model by itself, and a model that is
broken says nothing of the key's other models. With several keys, one whose lane fails is passed over while its
siblings serve the target; a target's circuit is open when every lane of it is.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from hashlib import sha256
from random import random
from typing import Literal

from routing.catalog import EncryptedKey
from routing.circuit import Closed, Event, HalfOpen, Open, Rules, State, admits, after

log = logging.getLogger(__name__)

#: One refusal is enough; staff are told, and every ten minutes one call sees whether it holds.
KEY_RULES = Rules(
    failures_in_a_row=1,
    failure_rate=1.0,
    least_calls=1,
    window_s=10.0,
    first_rest_s=600.0,
    longest_rest_s=600.0,
    probe_s=30.0,
)
LANE_RULES = Rules(
    failures_in_a_row=3,
    failure_rate=0.5,
    least_calls=20,
    window_s=10.0,
    first_rest_s=2.0,
    longest_rest_s=30.0,
    probe_s=30.0,
)

#: How long a rate-limited lane is left alone when the provider doesn't say; at most, whatever it says.
COOL_SECONDS = 5.0
MOST_COOL_SECONDS = 120.0
_JITTER = 0.1
#: How long a probe that is another process's keeps this one's calls away.
_OTHERS_PROBE_SECONDS = 1.0
_MOST_KEPT = 10_000

Reason = Literal["refused_key", "out_of_quota", "rate_limited", "failing"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One key at one target."""

    target: str
    """Its full name."""
    key: str
    """key_name() of the key; empty for providers without keys."""

    @property
    def of_key(self) -> str:
        return f"key:{self.key}"

    @property
    def circuit(self) -> str:
        return f"lane:{self.key}:{self.target}"

    @property
    def limit(self) -> str:
        return f"cool:{self.key}:{self.target}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """Why something is left alone, in the form that processes tell each other."""

    reason: Reason
    since: float
    """Unix seconds."""
    until: float
    """Unix seconds. Rate limits end then; what failed is tried by one call then."""
    openings: int = 1
    """How often in succession."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Whether a lane may be used."""

    state: Literal["ready", "due", "resting"]
    """due: by a single call, which claims it first."""
    until: float = 0.0
    """When a resting one returns (monotonic)."""
    limited: bool = False
    """It rests because the provider asked for it: no call may go there sooner."""


READY = Look(state="ready")
DUE = Look(state="due")


class Outcome(Enum):
    """What an attempt says of its lane."""

    ANSWERED = auto()
    FAILED = auto()
    RATE_LIMITED = auto()
    KEY_REFUSED = auto()
    OUT_OF_QUOTA = auto()
    KEY_TAKEN = auto()
    """The request was refused, but not the key."""
    NOTHING = auto()


@lru_cache(maxsize=_MOST_KEPT)
def key_name(key: EncryptedKey) -> str:
    """Return what names the key with its present secret: a new secret begins with a clean slate.

    Made of the row's uid and of the ciphertext, which tells nothing of the secret.
    """
    return f"{key.uid}.{sha256(key.ciphertext.encode()).hexdigest()[:8]}"


@lru_cache(maxsize=_MOST_KEPT)
def lane_of(target: str, key: EncryptedKey | None) -> Lane:
    """target: its full name. key: None for providers without keys."""
    return Lane(target, key_name(key) if key else "")


class Health:
    """What this process learnt and was told. All methods but `rests` and `tell` are for the path of calls."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        dice: Callable[[], float] = random,
    ) -> None:
        self._clock, self._wall, self._dice = clock, wall, dice
        self._circuits: dict[str, State] = {}
        self._cool: dict[str, float] = {}
        self._why: dict[str, tuple[Reason, float]] = {}
        """Reason and beginning (Unix seconds) of each rest."""

    def look(self, lane: Lane) -> Look:
        """Tell whether a call may use the lane now."""
        now = self._clock()
        cool_until = self._cool.get(lane.limit, 0.0)
        if now < cool_until:
            return Look(state="resting", until=cool_until, limited=True)
        look = READY
        for name in (lane.of_key, lane.circuit):
            state = self._circuits.get(name)
            if state is None or isinstance(state, Closed):
                continue
            if admits(state, now) == "none":
                until = state.until if isinstance(state, Open) else state.lost_at
                look = Look(state="resting", until=max(until, look.until))
            elif look is READY:
                look = DUE
        return look

    async def claim(self, lane: Lane, *, early: bool = False) -> bool:
        """Take the lane's single probe; whoever gets it must `note` the outcome as a probe's.

        early: before its rest has ended, for a call that has nowhere else to go.
        """
        return bool(self._begin_probe(lane, early))

    def note(
        self, lane: Lane, outcome: Outcome, *, probe: bool = False, retry_after: float | None = None
    ) -> None:
        """Learn from an attempt. retry_after: seconds that the provider asked for."""
        if outcome is Outcome.RATE_LIMITED:
            self._cool_down(lane, retry_after)
        of_key, of_circuit = _VERDICTS[outcome]
        if lane.key:
            self._note_key(lane, _event(of_key, probe), outcome)
        healed = self._happens(lane.circuit, _event(of_circuit, probe), LANE_RULES, "failing")
        if healed:
            self._hasten(lane)

    def _note_key(self, lane: Lane, event: Event | None, outcome: Outcome) -> None:
        reason: Reason = "out_of_quota" if outcome is Outcome.OUT_OF_QUOTA else "refused_key"
        was_in = lane.of_key not in self._why
        self._happens(lane.of_key, event, KEY_RULES, reason)
        if was_in and lane.of_key in self._why:
            key = lane.key.partition(".")[0][:8]
            extra = {"target": lane.target, "key": key, "reason": reason}
            log.error("a provider key was taken out", extra=extra)

    def tell(self, name: str, rest: Rest | None) -> None:
        """Take over what another process (or staff) decided. None: no rest any more."""
        self._why.pop(name, None)
        if rest is None:
            self._circuits.pop(name, None)
            self._cool.pop(name, None)
            return
        self._why[name] = (rest.reason, rest.since)
        # Clocks of servers differ a little, and what was written may be anything.
        longest = _longest(name)
        until = self._clock() + min(max(rest.until - self._wall(), -longest), longest)
        if name.startswith("cool:"):
            self._cool[name] = until
        else:
            self._circuits[name] = Open(until=until, openings=max(1, rest.openings))

    def rests(self) -> dict[str, Rest]:
        """Return everything that is left alone now, by name."""
        now = self._clock()
        for name in [name for name, until in self._cool.items() if until <= now]:
            self._drop(name)
        return {name: rest for name in self._why if (rest := self._rest(name)) is not None}

    def changed(self, name: str, rest: Rest | None) -> None:
        """Called after each rest that begins, is prolonged or ends here; for whoever tells others."""

    def _happens(self, name: str, event: Event | None, rules: Rules, reason: Reason) -> bool:
        """Move a circuit on; return whether it was closed by this."""
        if event is None or (event is Event.PROBE_ABANDONED and self._is_closed(name)):
            return False
        before = self._circuits.get(name) or Closed(window_began=self._clock())
        state = after(before, event, self._clock(), rules)
        self._keep(name, state)
        if isinstance(state, Open) and state != before:
            self._rests(name, reason, event)
        elif isinstance(state, Closed) and not isinstance(before, Closed):
            self._why.pop(name, None)
            self.changed(name, None)
            return True
        return False

    def _rests(self, name: str, reason: Reason, event: Event) -> None:
        if event is Event.PROBE_ABANDONED:
            return
        since = self._why[name][1] if name in self._why else self._wall()
        self._why[name] = (reason, since)
        self.changed(name, self._rest(name))

    def _rest(self, name: str) -> Rest | None:
        reason, since = self._why[name]
        state = self._circuits.get(name)
        until, openings = self._cool.get(name, 0.0), 1
        if isinstance(state, Open | HalfOpen):
            until = state.until if isinstance(state, Open) else self._clock()
            openings = state.openings
        return Rest(reason=reason, since=since, until=self._wall() + until - self._clock(), openings=openings)

    def _begin_probe(self, lane: Lane, early: bool) -> list[str]:
        """Return the names that are probed by a call on this lane; none if it may not go."""
        now = self._clock()
        names = [name for name in (lane.of_key, lane.circuit) if not self._is_closed(name)]
        for name in names:
            state = self._circuits[name]
            if admits(state, now) == "none" and not (early and isinstance(state, Open)):
                return []
        for name in names:
            rules = KEY_RULES if name == lane.of_key else LANE_RULES
            self._circuits[name] = after(self._circuits[name], Event.PROBE_BEGAN, now, rules)
        return names

    def _is_closed(self, name: str) -> bool:
        return isinstance(self._circuits.get(name), Closed | None)

    def _leave_to_another(self, names: Iterable[str]) -> None:
        """The probe is another process's: look again in a while."""
        now = self._clock()
        for name in names:
            if isinstance(state := self._circuits.get(name), HalfOpen):
                self._circuits[name] = Open(until=now + _OTHERS_PROBE_SECONDS, openings=state.openings)

    def _hasten(self, lane: Lane) -> None:
        """A target that works again under one key is worth a probe under its others."""
        now = self._clock()
        for name, state in self._circuits.items():
            if isinstance(state, Open) and name.startswith("lane:") and name.split(":", 2)[2] == lane.target:
                self._circuits[name] = replace(state, until=min(state.until, now))

    def _cool_down(self, lane: Lane, retry_after: float | None) -> None:
        asked = COOL_SECONDS if retry_after is None else min(retry_after, MOST_COOL_SECONDS)
        until = self._clock() + asked * (1.0 + _JITTER * self._dice())
        name = lane.limit
        if until > self._cool.get(name, 0.0) and asked > 0:
            self._make_room(self._cool)
            self._cool[name] = until
            self._why[name] = ("rate_limited", self._wall())
            self.changed(name, self._rest(name))

    def _keep(self, name: str, state: State) -> None:
        if name not in self._circuits:
            self._make_room(self._circuits)
        self._circuits[name] = state

    def _make_room(self, kept: dict[str, State] | dict[str, float]) -> None:
        """Drop what is worth least when staff's changes have left more names behind than there are lanes."""
        if len(kept) >= _MOST_KEPT:
            resting = [name for name in kept if name in self._why]
            for name in [name for name in kept if name not in self._why] or resting[: _MOST_KEPT // 2]:
                self._drop(name)

    def _drop(self, name: str) -> None:
        for known in (self._circuits, self._cool, self._why):
            known.pop(name, None)


_SUCCEEDED, _FAILED = Event.SUCCEEDED, Event.FAILED

#: What an outcome means for the key and for the lane; None: nothing.
_VERDICTS: dict[Outcome, tuple[Event | None, Event | None]] = {
    Outcome.ANSWERED: (_SUCCEEDED, _SUCCEEDED),
    Outcome.FAILED: (None, _FAILED),
    Outcome.RATE_LIMITED: (None, None),
    Outcome.KEY_REFUSED: (_FAILED, None),
    Outcome.OUT_OF_QUOTA: (_FAILED, None),
    Outcome.KEY_TAKEN: (_SUCCEEDED, None),
    Outcome.NOTHING: (None, None),
}
_OF_PROBES = {_SUCCEEDED: Event.PROBE_SUCCEEDED, _FAILED: Event.PROBE_FAILED, None: Event.PROBE_ABANDONED}


def _event(event: Event | None, probe: bool) -> Event | None:
    return _OF_PROBES[event] if probe else event


def _longest(name: str) -> float:
    if name.startswith("cool:"):
        return MOST_COOL_SECONDS * (1.0 + _JITTER)
    return (KEY_RULES if name.startswith("key:") else LANE_RULES).longest_rest_s
