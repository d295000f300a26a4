"""Celery tasks of the gateway (queue `housekeeping`)."""

from celery import shared_task

from gateway import heartbeat, savings


@shared_task(name="gateway.note_housekeeping", ignore_result=True)
def note_housekeeping() -> None:
    """Leave the mark by which `doctor` knows that housekeeping runs."""
    heartbeat.note()


@shared_task(name="gateway.note_savings", ignore_result=True)
def note_savings() -> None:
    """Bring up to date what each entry of the cache has saved."""
    savings.note_savings()
