from tenants.limits import Window, windows_of
from tenants.local_share import LocalShare
from tenants.policy import KeyPolicy, RequestLimits, TenantPolicy
from tenants.windows import DAY_SECONDS, MINUTE_SECONDS

NOON = 1_800_000_000.0


def policy(*, tenant: RequestLimits, key: RequestLimits) -> tuple[TenantPolicy, KeyPolicy]:
    holder = KeyPolicy(
        public_id="k1", label="", scopes=frozenset(), models=frozenset(), limits=key, expires_at=None
    )
    return TenantPolicy(tenant_id=7, slug="a", version=1, limits=tenant, keys={}, parts={}), holder


def minute(limit: int) -> Window:
    return Window(name="key", owner="k1", seconds=MINUTE_SECONDS, limit=limit)


def test_every_limit_that_is_set_becomes_a_window() -> None:
    tenant, key = policy(tenant=RequestLimits(per_minute=5), key=RequestLimits(per_minute=2, per_day=9))
    found = windows_of(tenant, key, RequestLimits(per_minute=100))
    assert [(window.name, window.seconds, window.limit) for window in found] == [
        ("key", MINUTE_SECONDS, 2),
        ("key", DAY_SECONDS, 9),
        ("tenant", MINUTE_SECONDS, 5),
        ("gateway", MINUTE_SECONDS, 100),
    ]


def test_a_tenant_without_limits_is_still_held_to_the_ceiling() -> None:
    tenant, key = policy(tenant=RequestLimits(), key=RequestLimits())
    assert [window.limit for window in windows_of(tenant, key, RequestLimits())] == [1_000_000]


def test_a_process_admits_only_its_share() -> None:
    share = LocalShare(processes=4)
    admitted = [share.admit([minute(8)], NOON).admitted for _ in range(5)]
    assert admitted == [True, True, False, False, False]


def test_a_share_is_never_nothing() -> None:
    assert LocalShare(processes=10).admit([minute(1)], NOON).admitted


def test_a_request_that_one_window_refuses_is_counted_by_none() -> None:
    share = LocalShare(processes=1)
    wide = Window(name="tenant", owner="7", seconds=DAY_SECONDS, limit=10)
    for _ in range(3):
        verdict = share.admit([minute(1), wide], NOON)
    assert [state.remaining for state in verdict.states] == [0, 9]


def test_a_new_window_starts_from_nothing() -> None:
    share = LocalShare(processes=1)
    assert share.admit([minute(1)], NOON).admitted
    assert share.admit([minute(1)], NOON + MINUTE_SECONDS).admitted


def test_reset_is_the_rest_of_the_window() -> None:
    verdict = LocalShare(processes=1).admit([minute(5)], NOON - NOON % 60 + 45)
    assert verdict.states[0].reset_s == 15
