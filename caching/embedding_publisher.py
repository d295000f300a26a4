"""Publishes the embedding worker's Celery tasks, in one thread: kombu's publish blocks."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from kombu.exceptions import KombuError

from caching.worker import QUEUE


class PublishFailed(Exception):
    """The broker didn't take the task in time."""


class TaskPublisher:
    """One connection to the broker, made when needed and dropped after a failure."""

    def __init__(self, task: Any, *, reply_to: str) -> None:
        """task: the Celery task; no other is published. reply_to: told to the worker with each."""
        self._task = task
        self._reply_to = reply_to
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedding-publisher")
        self._connection: Any = None
        self._producer: Any = None
        self._queue = task.app.amqp.queues[QUEUE]

    async def warm_up(self) -> None:
        """Connect ahead of the first question; a broker that is down is no reason not to start."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._try_to_connect)

    async def publish(self, task_id: UUID, fields: Mapping[str, Any], *, end: float) -> None:
        """Publish the task, which is of no use after `end` (time.monotonic). Raises PublishFailed."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._publish, str(task_id), fields, end)

    def close(self) -> None:
        """Let go of the connection in its own thread; doesn't wait for a frozen broker."""
        self._thread.submit(self._drop)
        self._thread.shutdown(wait=False)

    def _publish(self, task_id: str, fields: Mapping[str, Any], end: float) -> None:
        remaining = end - time.monotonic()
        if remaining <= 0:
            raise PublishFailed("the queue of this process was longer than the budget")
        try:
            self._publish_task(task_id, fields, remaining)
        except self._errors() as error:
            self._drop()
            raise PublishFailed(type(error).__name__) from None

    def _publish_task(self, task_id: str, fields: Mapping[str, Any], expires: float) -> None:
        """Publish what `apply_async` would, at half its cost: nothing is looked up that is known here.

        Texts stay out of the message's headers, which workers log.
        """
        message = self._task.app.amqp.as_task_v2(
            task_id,
            self._task.name,
            kwargs=dict(fields),
            expires=expires,
            reply_to=self._reply_to,
            argsrepr="",
            kwargsrepr="",
            ignore_result=True,
        )
        producer = self._connected_producer()
        producer.publish(
            message.body,
            headers=message.headers,
            exchange=self._queue.exchange,
            routing_key=self._queue.routing_key,
            declare=[self._queue],
            serializer="json",
            retry=False,
            **message.properties,
        )

    def _connected_producer(self) -> Any:
        if self._producer is None:
            self._connection = self._task.app.connection_for_write()
            self._producer = self._task.app.amqp.Producer(self._connection)
        return self._producer

    def _errors(self) -> tuple[type[BaseException], ...]:
        transport = self._connection.transport if self._connection is not None else None
        errors = (*transport.connection_errors, *transport.channel_errors) if transport else ()
        return (KombuError, OSError, *errors)

    def _try_to_connect(self) -> None:
        try:
            self._connected_producer().connection.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0
            )
        except self._errors():
            self._drop()

    def _drop(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.release()
            except (KombuError, OSError):
                self._connection = None
