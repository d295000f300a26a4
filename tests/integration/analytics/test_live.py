import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator as UntypedCommunicator
from channels.auth import AuthMiddlewareStack
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.sessions.models import Session
from django.test import Client

from analytics import consumers
from analytics.live import LiveStats, live
from analytics.nudges import Nudges, group_of
from analytics.routing_ws import websocket_urlpatterns
from tenants.models import Membership, Tenant, User
from tests.integration.analytics.storing import store
from tests.records import record_of

ApplicationCommunicator: Any = UntypedCommunicator
APPLICATION = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))


@pytest.fixture(autouse=True)
async def layer(state_redis: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A quick clock, and no connection of the layer left behind."""
    monkeypatch.setattr(consumers, "_PUSH_SECONDS", 0.05)
    yield
    await get_channel_layer().flush()
    await live.close()


def _signed_in(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


@pytest.fixture
def member(alice: Tenant) -> tuple[User, str]:
    user = User.objects.create_user("bob@example.com", "-")
    Membership.objects.create(user=user, tenant=alice)
    return user, _signed_in(user)


@pytest.fixture
def outsider(charlie: Tenant) -> str:
    user = User.objects.create_user("charlie@example.com", "-")
    Membership.objects.create(user=user, tenant=charlie)
    return _signed_in(user)


class Socket(ApplicationCommunicator):  # type: ignore[misc]  # asgiref's communicator has no types
    """The browser's end (that of channels.testing needs daphne)."""

    def __init__(self, cookie: str = "", *, origin: str = "http://localhost", slug: str = "alice") -> None:
        headers = [(b"origin", origin.encode()), (b"cookie", f"sessionid={cookie}".encode())]
        scope = {"type": "websocket", "path": f"/ws/t/{slug}/stats", "query_string": b"", "headers": headers}
        super().__init__(APPLICATION, {**scope, "subprotocols": []})

    async def connect(self) -> int:
        """Return the code of a refusal, or 0."""
        await self.send_input({"type": "websocket.connect"})
        answer: dict[str, Any] = await self.receive_output(timeout=30)
        return int(answer.get("code") or 1000) if answer["type"] == "websocket.close" else 0

    async def read(self) -> dict[str, str]:
        """Return the text of each figure in the next message."""
        message: dict[str, Any] = await self.receive_output(timeout=30)
        return {figure["name"]: figure["text"] for figure in json.loads(message["text"])["figures"]}

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(timeout=30)


async def test_a_member_gets_the_figures_at_once_and_again_when_they_change(
    member: tuple[User, str], alice: Tenant
) -> None:
    socket = Socket(member[1])
    assert await socket.connect() == 0
    assert (await socket.read())["requests"] == "0"
    await sync_to_async(store)([record_of(alice.pk, cache_status="hit_exact")])
    with Nudges() as nudges:
        nudges.give([alice.pk])
        assert (await socket.read())["requests"] == "1"
    await socket.disconnect()


async def test_a_lost_nudge_is_made_up_for(
    member: tuple[User, str], alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "_LOOK_SECONDS", 0.05)
    socket = Socket(member[1])
    await socket.connect()
    await socket.read()
    await sync_to_async(store)([record_of(alice.pk)])
    assert (await socket.read())["requests"] == "1"
    await socket.disconnect()


async def test_an_outsider_is_refused(outsider: str, alice: Tenant) -> None:
    assert await Socket(outsider).connect() == 4404


async def test_an_anonymous_visitor_is_refused(alice: Tenant) -> None:
    assert await Socket().connect() == 4404


async def test_another_origin_is_refused(member: tuple[User, str]) -> None:
    assert await Socket(member[1], origin="https://evil.example").connect() == 1000


async def test_messages_from_the_browser_are_ignored(member: tuple[User, str]) -> None:
    socket = Socket(member[1])
    await socket.connect()
    await socket.read()
    await socket.send_input({"type": "websocket.receive", "text": '{"type": "stats.changed"}'})
    await socket.send_input({"type": "websocket.receive", "bytes": b"\0\xff"})
    assert await socket.receive_nothing(timeout=0.3)
    await socket.disconnect()


@pytest.mark.parametrize("ended", ["membership", "person", "session"])
async def test_a_socket_ends_with_the_right_to_it(
    member: tuple[User, str], monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    monkeypatch.setattr(consumers, "_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(consumers, "_LOOK_SECONDS", 0.05)
    socket = Socket(member[1])
    await socket.connect()
    await socket.read()
    if ended == "membership":
        await Membership.objects.all().adelete()
    elif ended == "person":
        await User.objects.aupdate(is_active=False)
    else:
        await Session.objects.all().adelete()
    assert await socket.receive_output(timeout=30) == {"type": "websocket.close", "code": 4404}
    await socket.wait()


async def test_a_nudge_of_another_tenant_changes_nothing(member: tuple[User, str], charlie: Tenant) -> None:
    socket = Socket(member[1])
    await socket.connect()
    await socket.read()
    await sync_to_async(store)([record_of(charlie.pk)])
    await get_channel_layer().group_send(group_of(charlie.pk), {"type": "stats.changed"})
    assert await socket.receive_nothing(timeout=0.3)
    await socket.disconnect()


async def test_many_pages_ask_postgres_once(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    stats, asked = LiveStats(), 0
    ask = stats._ask

    async def counted(tenant_id: int) -> Any:
        nonlocal asked
        asked += 1
        return await ask(tenant_id)

    monkeypatch.setattr(stats, "_ask", counted)
    await stats.open()
    answers = await asyncio.gather(*(stats.figures(alice.pk) for _ in range(20)))
    await stats.close()
    assert (asked, len(answers)) == (1, 20)


async def test_an_open_socket_holds_no_connection_to_postgres(member: tuple[User, str]) -> None:
    await live.open()
    sockets = [Socket(member[1]) for _ in range(10)]
    for socket in sockets:
        await socket.connect()
        await socket.read()
    assert live._database is not None
    stats = live._database._pool.get_stats()
    assert stats["pool_size"] == stats["pool_available"]
    for socket in sockets:
        await socket.disconnect()
