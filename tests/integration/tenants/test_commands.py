"""Tenants and keys from the command line."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tenants.key_format import digest_of
from tenants.models import ApiKey, Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_redis")]


def run(*words: str) -> dict[str, object]:
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_a_tenant_and_its_key_are_made() -> None:
    assert run("tenant_create", "alice", "--name", "Alice Ltd", "--rpm", "60")["slug"] == "alice"
    issued = run(
        "key_issue",
        "alice",
        "--label",
        "web",
        "--rpm",
        "5",
        "--models",
        "small-1,auto",
        "--scopes",
        "chat,stats",
    )
    key = ApiKey.objects.get(public_id=issued["public_id"])
    assert key.digest == digest_of(str(issued["key"]))
    assert (key.requests_per_minute, key.allowed_models, key.scopes) == (
        5,
        ["small-1", "auto"],
        ["chat", "stats"],
    )
    assert Tenant.objects.get().requests_per_minute == 60


def test_a_key_is_revoked_by_its_public_id() -> None:
    run("tenant_create", "alice")
    issued = run("key_issue", "alice", "--label", "web", "--expires", "2999-01-01")
    assert run("key_revoke", str(issued["public_id"]))["revoked_at"]
    assert ApiKey.objects.get().revoked_at is not None


@pytest.mark.parametrize(
    "words",
    [
        ("tenant_create", "Not A Slug"),
        ("key_issue", "nobody", "--label", "web"),
        ("key_issue", "alice", "--label", "web", "--scopes", "everything"),
        ("key_issue", "alice", "--label", "web", "--expires", "soon"),
        ("key_issue", "alice", "--label", "web", "--rpm", "0"),
        ("key_revoke", "nothing"),
    ],
)
def test_a_mistake_is_refused_in_words(words: tuple[str, ...]) -> None:
    run("tenant_create", "alice")
    with pytest.raises(CommandError):
        run(*words)


def test_a_slug_is_taken_once() -> None:
    run("tenant_create", "alice")
    with pytest.raises(CommandError, match="already exists"):
        run("tenant_create", "alice")
