"""A made-up day of five tenants: some ask more than others, most ask what was asked before. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks import prompts
from benchmarks.zipf import Zipf

Kind = Literal["repeat", "rephrased", "new"]
REPEATS, REPHRASED = 0.60, 0.15
_MOST_KEPT = 5000


@dataclass(frozen=True, kw_only=True)
class Question:
    """`tenant`: its number, the busiest is 0."""

    tenant: int
    kind: Kind
    prompt: str


class _Tenant:
    """What a tenant asked, in an order that stays, and what it has still to ask."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._journeys = prompts.journeys(seed)
        self._wordings: list[Iterator[str]] = []
        """Other words for each capital that it asked for."""
        self._asked: list[str] = []

    def new(self) -> str:
        """Ask for a capital every other time as long as there are any, else for a journey."""
        country = len(self._wordings)
        if country < len(prompts.COUNTRIES) and self._chance.random() < 0.5:
            self._wordings.append(prompts.wordings(prompts.COUNTRIES[country]))
            return self._kept(prompts.capital(prompts.COUNTRIES[country]))
        return self._kept(next(self._journeys))

    def rephrased(self) -> str | None:
        """Ask for a capital again in words not used before; None if there are none."""
        if not self._wordings:
            return None
        prompt = next(self._chance.choice(self._wordings), None)
        return self._kept(prompt) if prompt else None

    def repeated(self, zipf: Zipf) -> str | None:
        return self._asked[zipf.below(len(self._asked))] if self._asked else None

    def _kept(self, prompt: str) -> str:
        if len(self._asked) < _MOST_KEPT:
            self._asked.append(prompt)
        return prompt


def replay(tenants: int = 5, *, seed: int = 1) -> Iterator[Question]:
    """Yield questions for ever: 60 % asked before, 15 % in other words, the rest new.

    Tenants are drawn by Zipf, and so is which of its earlier questions a tenant repeats.
    """
    chance, owners, earlier = random.Random(seed), Zipf(tenants, seed=seed), Zipf(_MOST_KEPT, seed=seed + 1)
    people = [_Tenant(seed + number) for number in range(tenants)]
    while True:
        for number in owners.draw(256):
            yield _question(number, people[number], chance.random(), earlier)


def _question(number: int, tenant: _Tenant, at: float, earlier: Zipf) -> Question:
    if at < REPEATS and (prompt := tenant.repeated(earlier)):
        return Question(tenant=number, kind="repeat", prompt=prompt)
    if REPEATS <= at < REPEATS + REPHRASED and (prompt := tenant.rephrased()):
        return Question(tenant=number, kind="rephrased", prompt=prompt)
    return Question(tenant=number, kind="new", prompt=tenant.new())
