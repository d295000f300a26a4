"""When beat runs the caches' housekeeping. An entry is gone at most half a minute after its expiry."""

from typing import Any

# `expires`: a run that waited for its own successor has nothing left to do.
SCHEDULE: dict[str, dict[str, Any]] = {
    "caching.sweep_expired": {
        "task": "caching.sweep_expired",
        "schedule": 20.0,
        "options": {"queue": "housekeeping", "expires": 20.0},
    },
    "caching.evict": {
        "task": "caching.evict",
        "schedule": 300.0,
        "options": {"queue": "housekeeping", "expires": 300.0},
    },
    "caching.ensure_vector_indexes": {
        "task": "caching.ensure_vector_indexes",
        "schedule": 300.0,
        "options": {"queue": "housekeeping", "expires": 300.0},
    },
    "caching.tune_floors": {
        "task": "caching.tune_floors",
        "schedule": 300.0,
        "options": {"queue": "housekeeping", "expires": 300.0},
    },
    "caching.forget_judged": {
        "task": "caching.forget_judged",
        "schedule": 1800.0,
        "options": {"queue": "housekeeping", "expires": 1800.0},
    },
}
