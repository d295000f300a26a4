"""Celery tasks of the gateway (queue `housekeeping`)."""

from celery import shared_task

from gateway import heartbeat


@shared_task(name="gateway.note_housekeeping", ignore_result=True)
def note_housekeeping() -> None:
    """Leave the mark by which `doctor` knows that housekeeping runs."""
    heartbeat.note()
