"""When beat sends the tasks of this app."""

from typing import Any

from gateway.heartbeat import EVERY_SECONDS

SCHEDULE: dict[str, dict[str, Any]] = {
    "gateway.note_housekeeping": {
        "task": "gateway.note_housekeeping",
        "schedule": EVERY_SECONDS,
        "options": {"queue": "housekeeping", "expires": EVERY_SECONDS},
    },
    "gateway.note_savings": {
        "task": "gateway.note_savings",
        "schedule": 1800.0,
        "options": {"queue": "housekeeping", "expires": 1800.0},
    },
}
