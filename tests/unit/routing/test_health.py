"""What a process learns of keys and targets from its own attempts."""

import logging

import pytest

from routing.catalog import EncryptedKey
from routing.health import (
    COOL_SECONDS,
    DUE,
    KEY_RULES,
    LANE_RULES,
    MOST_COOL_SECONDS,
    READY,
    Health,
    Lane,
    Outcome,
    Rest,
    key_name,
    lane_of,
)

FIRST, SECOND = (EncryptedKey(uid=f"{number}" * 36, ciphertext=f"sealed-{number}") for number in (1, 2))
SMALL, SMALL_2 = lane_of("demo/small-1", FIRST), lane_of("demo/small-1", SECOND)
LARGE = lane_of("demo/large-1", FIRST)


class World:
    """A Health with a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.health = Health(clock=lambda: self.now, wall=lambda: self.now + 1e9, dice=lambda: 1.0)

    def state(self, lane: Lane) -> str:
        return self.health.look(lane).state

    async def probed(self, lane: Lane, outcome: Outcome) -> None:
        assert await self.health.claim(lane)
        self.health.note(lane, outcome, probe=True)


@pytest.fixture
def world() -> World:
    return World()


def test_what_nothing_is_known_of_is_ready(world: World) -> None:
    assert world.health.look(SMALL) is READY
    world.health.note(SMALL, Outcome.ANSWERED)
    assert world.health.look(SMALL) is READY
    assert world.health.rests() == {}


@pytest.mark.parametrize("outcome", [Outcome.KEY_REFUSED, Outcome.OUT_OF_QUOTA])
async def test_a_refused_key_is_out_at_all_its_targets_until_one_call_sees_it_taken(
    world: World, outcome: Outcome
) -> None:
    world.health.note(SMALL, outcome)
    assert (world.state(SMALL), world.state(LARGE), world.state(SMALL_2)) == ("resting", "resting", "ready")
    world.now += KEY_RULES.first_rest_s
    assert world.health.look(SMALL) is DUE
    assert await world.health.claim(SMALL)
    assert (world.state(SMALL), world.state(LARGE)) == ("resting", "resting")
    assert not await world.health.claim(LARGE)
    world.health.note(SMALL, Outcome.ANSWERED, probe=True)
    assert (world.state(SMALL), world.state(LARGE)) == ("ready", "ready")


async def test_a_key_that_is_refused_again_stays_out_since_the_first_time(world: World) -> None:
    world.health.note(SMALL, Outcome.KEY_REFUSED)
    since = world.health.rests()[SMALL.of_key].since
    world.now += KEY_RULES.first_rest_s
    await world.probed(SMALL, Outcome.OUT_OF_QUOTA)
    rest = world.health.rests()[SMALL.of_key]
    assert (rest.since, rest.reason, rest.openings) == (since, "out_of_quota", 2)
    assert world.state(SMALL) == "resting"


async def test_a_refused_request_shows_that_the_key_is_taken(world: World) -> None:
    world.health.note(SMALL, Outcome.KEY_REFUSED)
    world.now += KEY_RULES.first_rest_s
    await world.probed(SMALL, Outcome.KEY_TAKEN)
    assert world.state(SMALL) == "ready"


def test_a_rate_limit_cools_the_lane_at_least_as_long_as_the_provider_says(world: World) -> None:
    world.health.note(SMALL, Outcome.RATE_LIMITED, retry_after=20.0)
    look = world.health.look(SMALL)
    assert (look.state, look.limited) == ("resting", True)
    assert 120.0 <= look.until <= 122.0
    assert (world.state(LARGE), world.state(SMALL_2)) == ("ready", "ready")
    world.now = 119.9
    assert world.state(SMALL) == "resting"
    world.now = 122.0
    assert world.state(SMALL) == "ready"


@pytest.mark.parametrize(
    ("asked", "least"), [(None, COOL_SECONDS), (1e12, MOST_COOL_SECONDS), (0.0, 0.0), (0.2, 0.2)]
)
def test_a_rest_for_a_rate_limit_is_bounded(world: World, asked: float | None, least: float) -> None:
    world.health.note(SMALL, Outcome.RATE_LIMITED, retry_after=asked)
    world.now += least * 1.1
    assert world.state(SMALL) == "ready"


def test_a_shorter_limit_does_not_end_a_longer_one(world: World) -> None:
    world.health.note(SMALL, Outcome.RATE_LIMITED, retry_after=60.0)
    world.health.note(SMALL, Outcome.RATE_LIMITED, retry_after=1.0)
    world.now += 30.0
    assert world.state(SMALL) == "resting"


async def test_failures_open_the_lane_alone(world: World) -> None:
    for _ in range(LANE_RULES.failures_in_a_row):
        world.health.note(SMALL, Outcome.FAILED)
    assert (world.state(SMALL), world.state(LARGE), world.state(SMALL_2)) == ("resting", "ready", "ready")
    world.now += LANE_RULES.first_rest_s
    await world.probed(SMALL, Outcome.ANSWERED)
    assert world.state(SMALL) == "ready"


@pytest.mark.parametrize("outcome", [Outcome.NOTHING, Outcome.KEY_TAKEN, Outcome.RATE_LIMITED])
async def test_a_probe_that_tells_nothing_of_the_lane_is_followed_by_another(
    world: World, outcome: Outcome
) -> None:
    for _ in range(LANE_RULES.failures_in_a_row):
        world.health.note(SMALL, Outcome.FAILED)
    world.now += LANE_RULES.first_rest_s
    assert await world.health.claim(SMALL)
    world.health.note(SMALL, outcome, probe=True, retry_after=0.0)
    assert world.health.look(SMALL) is DUE


async def test_only_one_call_gets_the_probe_and_an_early_one_only_on_demand(world: World) -> None:
    world.health.note(SMALL, Outcome.KEY_REFUSED)
    assert not await world.health.claim(SMALL)
    assert await world.health.claim(SMALL, early=True)
    assert not await world.health.claim(SMALL, early=True)


async def test_a_target_that_heals_under_one_key_is_tried_under_the_others(world: World) -> None:
    for lane in (SMALL, SMALL_2):
        for _ in range(LANE_RULES.failures_in_a_row):
            world.health.note(lane, Outcome.FAILED)
    for _ in range(3):
        world.now += LANE_RULES.longest_rest_s
        await world.probed(SMALL_2, Outcome.FAILED)
        await world.probed(SMALL, Outcome.FAILED)
    world.now += 5.0
    assert await world.health.claim(SMALL, early=True)
    assert world.state(SMALL_2) == "resting"
    world.health.note(SMALL, Outcome.ANSWERED, probe=True)
    assert (world.state(SMALL), world.health.look(SMALL_2)) == ("ready", DUE)


def test_a_new_secret_begins_with_a_clean_slate(world: World) -> None:
    world.health.note(SMALL, Outcome.KEY_REFUSED)
    replaced = EncryptedKey(uid=FIRST.uid, ciphertext="sealed anew")
    assert world.state(lane_of("demo/small-1", replaced)) == "ready"


def test_a_keys_name_holds_nothing_of_its_secret() -> None:
    assert key_name(FIRST).startswith(FIRST.uid)
    assert FIRST.ciphertext not in key_name(FIRST)


def test_a_provider_without_keys_has_lanes_too(world: World) -> None:
    lane = lane_of("demo/small-1", None)
    world.health.note(lane, Outcome.KEY_REFUSED)
    assert world.state(lane) == "ready"
    for _ in range(LANE_RULES.failures_in_a_row):
        world.health.note(lane, Outcome.FAILED)
    assert world.state(lane) == "resting"


def test_what_others_tell_is_believed_within_bounds(world: World) -> None:
    far = Rest(reason="failing", since=1e9, until=1e12)
    world.health.tell(SMALL.circuit, far)
    assert world.health.look(SMALL).until == world.now + LANE_RULES.longest_rest_s
    world.health.tell(SMALL.limit, far)
    assert world.health.look(SMALL).until <= world.now + MOST_COOL_SECONDS * 1.1
    world.health.tell(SMALL.limit, None)
    world.health.tell(SMALL.circuit, None)
    assert world.health.look(SMALL) is READY


def test_rests_that_are_over_are_not_listed(world: World) -> None:
    world.health.note(SMALL, Outcome.RATE_LIMITED, retry_after=1.0)
    assert [rest.reason for rest in world.health.rests().values()] == ["rate_limited"]
    world.now += 5.0
    assert world.health.rests() == {}


def test_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing.health._MOST_KEPT", 50)
    for number in range(500):
        lane = Lane(f"demo/model-{number}", "key")
        world.health.note(lane, Outcome.FAILED)
        world.health.note(lane, Outcome.RATE_LIMITED)
    world.health.note(SMALL, Outcome.KEY_REFUSED)
    kept = (world.health._circuits, world.health._cool, world.health._why)
    assert all(len(names) <= 51 for names in kept)
    assert world.state(SMALL) == "resting"


def test_a_key_that_is_taken_out_is_one_line_of_level_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        world.health.note(SMALL, Outcome.KEY_REFUSED)
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage() == "a provider key was taken out"
    assert vars(line)["key"] == FIRST.uid[:8]
    assert vars(line)["reason"] == "refused_key"
    assert FIRST.ciphertext not in str(vars(line))
