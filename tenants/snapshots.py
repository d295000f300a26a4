"""How a saved change reaches every web process within a second: Postgres -> state Redis -> memory.

A save bumps the policy version in its own transaction. After the commit the whole policy is built and written
to the state Redis under a rising serial. Web processes look at the serial four times a second; when Redis
cannot be asked they look at the versions in Postgres instead, and they compare both now and then, so that a
publication that was lost is made up for. What is in memory keeps working when both are down.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import redis
import redis.asyncio
import redis.asyncio.retry
from django.conf import settings
from django.db import Error as DjangoDatabaseError
from django.db import connections, models, transaction
from django.db.models.signals import post_delete, post_save
from psycopg_pool import PoolTimeout
from pydantic import ValidationError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tenants import selectors
from tenants.models import ApiKey, GatewayLimit, Tenant
from tenants.policy import (
    GatewayPolicy,
    KeyPolicy,
    TenantPolicy,
    dump_policy,
    load_gateway_policy,
    load_tenant_policy,
)

log = logging.getLogger(__name__)
Row = TypeVar("Row", bound=models.Model)
Result = TypeVar("Result")

#: Longest wait for Postgres (a frozen one never answers), and how long one that failed is left alone.
_POSTGRES_SECONDS = 2.0
_REST_SECONDS = 0.5

_SERIAL = "hp:policy:serial"
_CHANGES = "hp:policy:changes"
_KEYS = "hp:policy:keys"
_GATEWAY = "gateway"

# Writes a policy unless a newer version is there already; the serial moves only with the content.
_PUBLISH = """
local at = KEYS[1]
local known = tonumber(redis.call('HGET', at, 'version') or '-1')
if known > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', at, 'version', ARGV[1], 'policy', ARGV[2])
for i = 5, #ARGV do redis.call('HSET', KEYS[4], ARGV[i], ARGV[4]) end
local serial = redis.call('INCR', KEYS[2])
redis.call('ZADD', KEYS[3], serial, ARGV[3])
return serial
"""


class PolicyUnavailable(Exception):
    """Neither the state Redis nor Postgres could tell whether a key is known."""


def watch_model(model: type[Row], tenant_of: Callable[[Row], int | None] | None) -> None:
    """Publish the tenant's policy (or the gateway-wide one) whenever a row of the model changes.

    tenant_of: returns the tenant's id of a row; None (itself or returned) stands for the gateway-wide policy.
    """

    def changed(instance: Row, **_: Any) -> None:
        announce(tenant_of(instance) if tenant_of else None)

    for signal in (post_save, post_delete):
        signal.connect(changed, sender=model, weak=False, dispatch_uid=(model, "policy"))


def announce(tenant_id: int | None) -> None:
    """Bump the policy version now and publish after the commit. None: the gateway-wide policy."""
    with connections["default"].cursor() as cursor:
        if tenant_id is None:
            cursor.execute(
                "INSERT INTO tenants_gatewaylimit (id, policy_version) "
                "VALUES (1, nextval('tenants_policy_version_seq')) "
                "ON CONFLICT (id) DO UPDATE SET policy_version = excluded.policy_version"
            )
        else:
            cursor.execute(
                "UPDATE tenants_tenant SET policy_version = nextval('tenants_policy_version_seq') "
                "WHERE id = %s",
                [tenant_id],
            )
    _announced.tenants.add(tenant_id)
    transaction.on_commit(_publish_announced)


class _Announced(threading.local):
    """What was announced in this thread and isn't published yet.

    A transaction that saves many rows publishes each policy once. What is left of one that was rolled back is
    published with the next: as it is in Postgres, so that it does no harm.
    """

    def __init__(self) -> None:
        self.tenants: set[int | None] = set()


_announced = _Announced()


def _publish_announced() -> None:
    while _announced.tenants:
        publish(_announced.tenants.pop())


def publish(tenant_id: int | None) -> TenantPolicy | GatewayPolicy | None:
    """Build the policy from Postgres, write it to the state Redis and return it (None: no such tenant).

    A Redis that can't be written is logged, not raised: the version in Postgres is bumped already, so that
    web processes find the change by comparing.
    """
    built = selectors.gateway_policy() if tenant_id is None else selectors.tenant_policy(tenant_id)
    try:
        _write(tenant_id, built)
    except RedisError as error:
        log.error("policy not published", extra={"tenant_id": tenant_id, "error": type(error).__name__})
    return built


def _write(tenant_id: int | None, built: TenantPolicy | GatewayPolicy | None) -> None:
    with _publisher() as client:
        if built is None:
            client.delete(_address(tenant_id))
            client.zadd(_CHANGES, {_name(tenant_id): client.incr(_SERIAL)})
            return
        digests = list(built.keys) if isinstance(built, TenantPolicy) else []
        places = (_address(tenant_id), _SERIAL, _CHANGES, _KEYS)
        content = (built.version, dump_policy(built), _name(tenant_id), tenant_id or 0)
        client.eval(_PUBLISH, len(places), *places, *content, *digests)


def _publisher() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_STATE_URL,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )


def _address(tenant_id: int | None) -> str:
    return f"hp:policy:{_name(tenant_id)}"


def _name(tenant_id: int | None) -> str:
    return _GATEWAY if tenant_id is None else f"tenant:{tenant_id}"


class PolicyStore:
    """The policies that one web process knows, kept fresh by a watcher task."""

    def __init__(self, *, poll_seconds: float = 0.25, compare_seconds: float = 15.0) -> None:
        """poll_seconds: between looks at the serial. compare_seconds: between comparisons with Postgres."""
        self._poll_seconds = poll_seconds
        self._compare_seconds = compare_seconds
        self._redis = redis.asyncio.Redis.from_url(
            settings.REDIS_STATE_URL,
            socket_timeout=settings.REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=settings.REDIS_TIMEOUT_SECONDS,
            retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy")
        self._tenants: dict[int, TenantPolicy] = {}
        self._owners: dict[str, int] = {}
        self._unknown: dict[str, float] = {}
        self._gateway: GatewayPolicy | None = None
        self._serial = -1
        self._compared_at = 0.0
        self._hanging: asyncio.Future[Any] | None = None
        self._rest_until = 0.0
        self._loading = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def ready(self) -> bool:
        """Whether the gateway-wide policy is known; before that nothing can be answered."""
        return self._gateway is not None

    @property
    def gateway(self) -> GatewayPolicy:
        """Raise PolicyUnavailable before the first load."""
        if self._gateway is None:
            raise PolicyUnavailable("no policy yet")
        return self._gateway

    def holds(self, tenant: TenantPolicy, gateway: GatewayPolicy) -> bool:
        """Whether these very policies are those of now."""
        return self._tenants.get(tenant.tenant_id) is tenant and self._gateway is gateway

    async def start(self) -> None:
        """Load the gateway-wide policy if it can be had, and begin to watch for changes."""
        await self._look()
        self._watcher = asyncio.create_task(self._watch(), name="policy watcher")

    async def stop(self) -> None:
        # A cancellation that arrives while a socket's wait ends can be lost; the flag ends the loop then.
        self._stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._redis.aclose()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def refresh(self) -> None:
        """Take over what changed until now, for whoever just changed something through this process."""
        await self._look()

    async def find_key(self, digest: str) -> tuple[TenantPolicy, KeyPolicy] | None:
        """Return whose key has this digest, or None when it is unknown or revoked.

        Raises PolicyUnavailable when the key isn't in memory and nothing could be asked.
        """
        found = self._in_memory(digest)
        if found is None and self._unknown.get(digest, 0.0) < time.monotonic():
            async with self._loading:
                found = self._in_memory(digest) or await self._load_owner(digest)
        return found

    def _in_memory(self, digest: str) -> tuple[TenantPolicy, KeyPolicy] | None:
        tenant = self._tenants.get(self._owners.get(digest, 0))
        key = tenant.keys.get(digest) if tenant else None
        return (tenant, key) if tenant and key else None

    async def _load_owner(self, digest: str) -> tuple[TenantPolicy, KeyPolicy] | None:
        owner = await self._owner_in_redis(digest)
        if owner is None:
            owner = await self._from_postgres(lambda: selectors.tenant_of_digest(digest))
        if owner is not None:
            await self._load_tenant(owner)
        found = self._in_memory(digest)
        if found is None:
            self._remember_unknown(digest)
        return found

    def _remember_unknown(self, digest: str) -> None:
        # A stream of invented keys must not ask Postgres for each; a key issued meanwhile works in a second.
        if len(self._unknown) >= 10_000:
            self._unknown.clear()
        self._unknown[digest] = time.monotonic() + 0.5

    async def _owner_in_redis(self, digest: str) -> int | None:
        try:
            owner = await self._redis.hget(_KEYS, digest)
        except RedisError:
            return None
        return int(owner) if owner else None

    async def _load_tenant(self, tenant_id: int, *, at_least: int = 0) -> None:
        """Put the tenant's policy into memory, from Redis or else from Postgres; forget one that is gone.

        What Redis holds may be older than what is known already (its last publication was lost).
        """
        known = self._tenants.get(tenant_id)
        policy = await self._read(tenant_id, load_tenant_policy)
        if policy is None or policy.version < max(at_least, known.version if known else 0):
            policy = await self._from_postgres(lambda: cast(TenantPolicy | None, publish(tenant_id)))
        self._forget(tenant_id)
        if policy is not None:
            self._tenants[tenant_id] = policy
            self._owners.update(dict.fromkeys(policy.keys, tenant_id))

    async def _load_gateway(self, *, at_least: int = 0) -> None:
        known = self._gateway.version if self._gateway else 0
        policy = await self._read(None, load_gateway_policy)
        if policy is None or policy.version < max(at_least, known):
            policy = await self._from_postgres(lambda: cast(GatewayPolicy, publish(None)))
        self._gateway = policy

    def _forget(self, tenant_id: int) -> None:
        old = self._tenants.pop(tenant_id, None)
        for digest in old.keys if old else ():
            self._owners.pop(digest, None)
        self._unknown.clear()

    async def _read(self, tenant_id: int | None, load: Callable[[bytes], Result]) -> Result | None:
        try:
            value = cast(bytes | None, await self._redis.hget(_address(tenant_id), "policy"))
            return load(value) if value else None
        except (RedisError, ValidationError, KeyError):
            return None

    async def _from_postgres(self, read: Callable[[], Result]) -> Result:
        """Return what a thread read. Raises PolicyUnavailable, at once while an earlier reading hangs or failed
        just now: callers come one after the other, and their waits would add up."""
        if time.monotonic() < self._rest_until or (self._hanging and not self._hanging.done()):
            raise PolicyUnavailable("resting")
        reading = asyncio.get_running_loop().run_in_executor(self._thread, _and_disconnect, read)
        reading.add_done_callback(_note_failure)
        done, _ = await asyncio.wait({reading}, timeout=_POSTGRES_SECONDS)
        if not done:
            self._hanging = reading
            raise PolicyUnavailable("timeout")
        try:
            return reading.result()
        except (DjangoDatabaseError, PoolTimeout) as error:
            self._rest_until = time.monotonic() + _REST_SECONDS
            raise PolicyUnavailable(type(error).__name__) from error

    async def _watch(self) -> None:
        while not self._stopping:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self._look()
            except Exception:
                log.exception("the policy watcher failed; it goes on")

    async def _look(self) -> None:
        """Take over what changed. A dead Redis and a dead Postgres leave the memory as it is."""
        try:
            await self._look_in_redis()
            due = time.monotonic() - self._compared_at > self._compare_seconds
        except RedisError:
            due = time.monotonic() - self._compared_at > 4 * self._poll_seconds
        except PolicyUnavailable:
            return
        if due or self._gateway is None:
            await self._compare_with_postgres()

    async def _look_in_redis(self) -> None:
        serial = int(await self._redis.get(_SERIAL) or 0)
        if serial == self._serial:
            return
        if serial < self._serial or self._serial < 0:
            changed = [_GATEWAY, *(_name(tenant_id) for tenant_id in self._tenants)]
        else:
            names = await self._redis.zrangebyscore(_CHANGES, self._serial + 1, "+inf")
            changed = [name.decode() for name in cast(list[bytes], names)]
        await self._reload(changed)
        self._serial = serial

    async def _reload(self, names: list[str]) -> None:
        self._unknown.clear()
        for name in names:
            if name == _GATEWAY:
                await self._load_gateway()
            elif (tenant_id := int(name.removeprefix("tenant:"))) in self._tenants:
                await self._load_tenant(tenant_id)

    async def _compare_with_postgres(self) -> None:
        self._compared_at = time.monotonic()
        known = {tenant_id: policy.version for tenant_id, policy in self._tenants.items()}
        try:
            versions = await self._from_postgres(lambda: selectors.versions_of(known))
            for tenant_id, version in known.items():
                if versions.get(tenant_id) != version:
                    await self._load_tenant(tenant_id, at_least=versions.get(tenant_id, 0))
            version = await self._from_postgres(selectors.gateway_version)
            if self._gateway is None or self._gateway.version != version:
                await self._load_gateway(at_least=version)
        except PolicyUnavailable as error:
            log.warning("policies not compared with Postgres", extra={"reason": str(error)})


def _and_disconnect(read: Callable[[], Result]) -> Result:
    try:
        return read()
    finally:
        connections.close_all()


def _note_failure(reading: asyncio.Future[Any]) -> None:
    # Nobody may be waiting any more, and asyncio complains of errors that nobody has seen.
    if not reading.cancelled() and (error := reading.exception()):
        log.debug("reading of policies ended", extra={"error": type(error).__name__})


def connect_models() -> None:
    """Publish on changes of what the tenants app owns."""
    watch_model(ApiKey, lambda key: key.tenant_id)
    watch_model(Tenant, lambda tenant: tenant.pk)
    watch_model(GatewayLimit, None)
