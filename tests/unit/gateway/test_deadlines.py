"""A target's own bounds hold before the deployment's."""

from dataclasses import replace

from django.conf import LazySettings

from gateway.deadlines import Deadlines, deadlines_of
from tests.demo_upstream import target


def test_a_target_without_bounds_has_the_deployments(settings: LazySettings) -> None:
    settings.UPSTREAM_CONNECT_SECONDS, settings.UPSTREAM_TOTAL_SECONDS = 2.0, 120.0
    settings.UPSTREAM_FIRST_TOKEN_SECONDS, settings.UPSTREAM_BETWEEN_CHUNKS_SECONDS = 60.0, 30.0
    assert deadlines_of(target("any"), 1000.0) == Deadlines(
        connect_s=2.0, first_token_s=60.0, between_chunks_s=30.0, total_at=1120.0
    )


def test_a_targets_own_bounds_hold_each_by_itself(settings: LazySettings) -> None:
    settings.UPSTREAM_CONNECT_SECONDS, settings.UPSTREAM_FIRST_TOKEN_SECONDS = 2.0, 60.0
    own = replace(target("any"), between_chunks_s=0.5, total_s=600.0)
    assert deadlines_of(own, 1000.0) == Deadlines(
        connect_s=2.0, first_token_s=60.0, between_chunks_s=0.5, total_at=1600.0
    )
