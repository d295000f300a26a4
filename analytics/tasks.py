"""Housekeeping of records: rollups every minute, partitions every hour. Both may run twice at once."""

from celery import shared_task
from django.conf import settings

from analytics import partitions, rollups
from analytics.owner import owner_connection

_DAYS_AHEAD = 7


@shared_task(name="analytics.roll_up", ignore_result=True)
def roll_up_records() -> None:
    """Compute the rollups of hours that have ended."""
    with owner_connection() as connection:
        rollups.roll_up(connection)


@shared_task(name="analytics.keep_partitions", ignore_result=True)
def keep_partitions() -> None:
    """Make the partitions of the coming days and drop those older than the retention."""
    with owner_connection() as connection:
        partitions.ensure_partitions(connection, partitions.coming_days(_DAYS_AHEAD))
        partitions.drop_old(connection, settings.RECORD_RETENTION_DAYS)
