"""The Celery application: queue `embeddings` (questions' vectors) and queue `housekeeping` (beat's work)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("halfpenny")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def schedule_housekeeping(sender: Celery, **_: object) -> None:
    """Collect each app's schedule when the application is complete; importing earlier would need Django."""
    from analytics.schedule import SCHEDULE as ANALYTICS_SCHEDULE  # noqa: PLC0415
    from caching.schedule import SCHEDULE as CACHING_SCHEDULE  # noqa: PLC0415
    from gateway.schedule import SCHEDULE as GATEWAY_SCHEDULE  # noqa: PLC0415

    sender.conf.beat_schedule = {**CACHING_SCHEDULE, **ANALYTICS_SCHEDULE, **GATEWAY_SCHEDULE}
