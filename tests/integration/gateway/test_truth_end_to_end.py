"""A stream over the real gateway whose upstream changes a known share of its answers behind the cache's back."""

import itertools
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from string import ascii_lowercase

import pytest
import redis
from asgiref.sync import sync_to_async

from caching.models import CachePolicy, JudgedPair
from caching.tuning import tune
from tests.changing_upstream import ChangingUpstream, running_changing_upstream
from tests.gateway_house import House, WordEmbedder, bearer, hash_of, open_house

TOPICS = 80
PLANTED = 0.25
#: Added to a question they leave a similarity of .949 and of .866.
NEAR, FAR = ("please", "kindly", "gladly"), ("please and thanks", "if you please", "as we said")


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Words that no other topic's share a place with in the embedder's vectors."""

    words: str
    changes: bool
    near: bool

    @property
    def question(self) -> str:
        return f"Which office handles the requests of {self.words}"

    def rephrased(self, number: int) -> str:
        return f"{self.question} {(NEAR if self.near else FAR)[number]}"

    def answer(self, *, changed: bool) -> str:
        return f"The office of {self.words} is in {'Munich' if changed else 'Berlin'}."


def topics() -> list[Topic]:
    """Return topics of which PLANTED change, all of them asked in the way that is less alike."""
    taken = {hash_of(word) for word in f"which office handles the requests of {' '.join(NEAR + FAR)}".split()}
    free: dict[int, str] = {}
    for letters in itertools.product(ascii_lowercase, repeat=3):
        place = hash_of(word := "".join(letters))
        if place not in taken:
            free.setdefault(place, word)
    words = iter(free.values())
    planted = round(TOPICS * PLANTED)
    return [
        Topic(words=" ".join(itertools.islice(words, 3)), changes=n < planted, near=n >= 2 * planted)
        for n in range(TOPICS)
    ]


@pytest.fixture(scope="module")
def upstream() -> Iterator[ChangingUpstream]:
    with running_changing_upstream() as running:
        yield running


@pytest.fixture
async def house(
    upstream: ChangingUpstream,
    transactional_db: None,
    cache_redis: "redis.Redis",
    state_redis: "redis.Redis",
) -> AsyncIterator[House]:
    async with open_house(upstream.as_demo, WordEmbedder()) as opened:
        opened.parts.auditor._dice = random.Random(20).random
        # What the freshness score makes of this embedder's vectors has no meaning.
        policy = await CachePolicy.objects.aget(tenant=opened.tenant)
        policy.freshness_cut = 1.0
        await sync_to_async(policy.save)()
        await opened.parts.policies.refresh()
        yield opened


async def ask(house: House, question: str) -> tuple[str, str]:
    """Ask and return the cache status and the answer; what goes on behind is finished."""
    answered = await house.ask(house.alice, question)
    await house.parts.auditor.drain()
    return answered["cache"]["status"], answered["answer"]


async def truth(house: House) -> dict[str, object]:
    shown = await house.client.get("/stats", headers=bearer(house.alice))
    return dict(shown.json()["semantic_truth"])


async def test_audits_find_the_planted_wrong_share_and_tighten_the_floor(
    house: House, upstream: ChangingUpstream
) -> None:
    stream = topics()
    by_words = {topic.words: topic for topic in stream}
    has_changed = False

    def answer(prompt: str) -> str:
        topic = by_words[" ".join(prompt.split()[6:9])]
        return topic.answer(changed=has_changed and topic.changes)

    upstream.answer = answer
    for topic in stream:
        assert (await ask(house, topic.question))[0] == "miss"

    has_changed = True
    served, wrong = 0, 0
    for topic in random.Random(1).sample(stream, len(stream)):
        status, text = await ask(house, topic.rephrased(0))
        assert status == "hit_semantic"
        served += 1
        wrong += text != topic.answer(changed=topic.changes)
    assert wrong / served == PLANTED
    for topic in random.Random(2).sample(stream, len(stream)):
        status, text = await ask(house, topic.rephrased(1))
        served += status == "hit_semantic"
        wrong += status == "hit_semantic" and text != topic.answer(changed=topic.changes)

    found = await truth(house)
    audited = await JudgedPair.objects.filter(tenant=house.tenant, origin="audit").acount()
    audits = sum(record.purpose == "audit" for record in house.records)
    assert 0.1 * served < audited == audits < 0.3 * served
    assert (found["audited"], found["unsure"]) == (audited, 0)
    low, high = found["interval"]["low"], found["interval"]["high"]  # type: ignore[index]
    assert low < wrong / served < high
    assert low < PLANTED < high
    assert found["floor_in_effect"] == found["floor"] == 0.85

    change = await sync_to_async(tune)(house.tenant.pk)
    assert change is not None
    assert (change.audited, change.wrong) == (found["audited"], found["wrong"])
    assert 0.866 < change.after <= 0.88
    await house.parts.policies.refresh()
    assert (await truth(house))["floor_in_effect"] == change.after
    assert (await CachePolicy.objects.aget(tenant=house.tenant)).floor == 0.85

    for topic in stream:
        status, text = await ask(house, topic.rephrased(2))
        assert status == ("hit_semantic" if topic.near else "miss")
        assert text == topic.answer(changed=topic.changes)
