"""When beat sends the tasks of this app. `expires`: a stopped worker finds one task waiting, not a backlog."""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "analytics.roll_up": {
        "task": "analytics.roll_up",
        "schedule": 60.0,
        "options": {"queue": "housekeeping", "expires": 55},
    },
    "analytics.keep_partitions": {
        "task": "analytics.keep_partitions",
        "schedule": 3600.0,
        "options": {"queue": "housekeeping", "expires": 3500},
    },
}
