import re

import pytest
import redis
from django.test import Client
from pytest_django import Settings

from tenants.models import Membership, Tenant, User
from tests.integration.analytics.storing import store
from tests.records import record_of

PASSWORD = "a long enough passphrase"


@pytest.fixture
def member(alice: Tenant, state_redis: "redis.Redis") -> User:
    user = User.objects.create_user("bob@example.com", PASSWORD)
    Membership.objects.create(user=user, tenant=alice)
    return user


@pytest.fixture
def outsider(charlie: Tenant, state_redis: "redis.Redis") -> User:
    user = User.objects.create_user("charlie@example.com", PASSWORD)
    Membership.objects.create(user=user, tenant=charlie)
    return user


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _figure(page: str, name: str) -> str:
    found = re.search(rf'data-figure="{name}">([^<]*)<', page)
    assert found
    return found[1]


def test_a_member_reads_this_months_figures_without_javascript(member: User, alice: Tenant) -> None:
    store(
        [
            record_of(alice.pk, cache_status="miss", cost_nano=124_000, total_ms=900.0),
            record_of(alice.pk, cache_status="hit_exact", saved_nano=124_000, total_ms=1.0),
            record_of(alice.pk, cache_status="hit_semantic", saved_nano=124_000, total_ms=9.0),
        ]
    )
    page = _signed_in(member).get("/t/alice/").content.decode()
    assert (_figure(page, "requests"), _figure(page, "hit_ratio")) == ("3", "66.7%")
    assert (_figure(page, "cost"), _figure(page, "saved")) == ("$0.000124", "$0.000248")


def test_an_outsider_gets_the_same_404_as_for_no_tenant(outsider: User, alice: Tenant) -> None:
    client = _signed_in(outsider)
    foreign, missing = client.get("/t/alice/"), client.get("/t/nobody/")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    token = rb'name="csrfmiddlewaretoken" value="\w+"'
    assert re.sub(token, b"", foreign.content) == re.sub(token, b"", missing.content)


def test_an_anonymous_visitor_is_sent_to_the_login(alice: Tenant, state_redis: "redis.Redis") -> None:
    for address in ("/", "/t/alice/"):
        response = Client().get(address)
        assert (response.status_code, response["Location"]) == (302, f"/login/?next={address}")


def test_staff_need_the_permission(alice: Tenant, state_redis: "redis.Redis") -> None:
    plain = User.objects.create_user("plain@example.com", PASSWORD, is_staff=True)
    ops = User.objects.create_superuser("ops@example.com", PASSWORD)
    assert _signed_in(plain).get("/t/alice/").status_code == 404
    assert _signed_in(ops).get("/t/alice/").status_code == 200


def test_home_lists_only_the_persons_own_tenants(member: User, charlie: Tenant) -> None:
    page = _signed_in(member).get("/").content.decode()
    assert "/t/alice/" in page
    assert "/t/charlie/" not in page


def test_text_of_a_tenant_is_escaped(member: User, alice: Tenant) -> None:
    alice.name = "<script>alert(1)</script>"
    alice.save()
    page = _signed_in(member).get("/t/alice/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_login_and_logout(member: User) -> None:
    client = Client()
    response = client.post("/login/", {"username": "Bob@example.com", "password": PASSWORD})
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_login_does_not_send_people_to_other_sites(member: User) -> None:
    response = Client().post(
        "/login/?next=https://evil.example/", {"username": member.email, "password": PASSWORD}
    )
    assert response["Location"] == "/"


def test_a_login_without_the_csrf_token_is_refused(member: User) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/login/", {"username": member.email, "password": PASSWORD}).status_code == 403


@pytest.mark.usefixtures("one_window")
def test_guesses_for_one_address_are_limited_from_wherever_they_come(member: User) -> None:
    answers = [
        Client(REMOTE_ADDR=f"192.0.2.{i}").post("/login/", {"username": member.email, "password": "no"})
        for i in range(12)
    ]
    assert [each.status_code for each in answers] == [200] * 10 + [429] * 2
    assert int(answers[-1]["Retry-After"]) >= 1


@pytest.mark.usefixtures("one_window")
def test_guesses_from_one_place_are_limited_whomever_they_are_for(member: User) -> None:
    answers = [
        Client().post("/login/", {"username": f"{i}@example.com", "password": "no"}) for i in range(21)
    ]
    assert [each.status_code for each in answers] == [200] * 20 + [429]


def test_without_redis_pages_are_served_and_logins_are_not(member: User, settings: Settings) -> None:
    client = _signed_in(member)
    nowhere = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": nowhere}
    assert client.get("/t/alice/").status_code == 200
    response = Client().post("/login/", {"username": member.email, "password": PASSWORD})
    assert (response.status_code, response["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("address", ["/", "/t/alice/", "/login/"])
def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(member: User, address: str) -> None:
    client = Client() if address == "/login/" else _signed_in(member)
    response = client.get(address)
    page = response.content.decode()
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=|https?://", page)
    assert "object-src 'none'" in response["Content-Security-Policy"]
