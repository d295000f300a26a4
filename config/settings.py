"""Django settings: everything that a user would swap comes from the environment (see README, Configuration).

HALFPENNY_ENV=development has defaults that let the project start at once; production has no default for a
secret, an address or a host name.
"""

import os
from pathlib import Path
from typing import Any

import django_stubs_ext
from django.templatetags.static import static

from config import env, logs
from config.navigation import NAVIGATION

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
HALFPENNY_HOME = Path(os.environ.get("HALFPENNY_HOME") or BASE_DIR / ".halfpenny")
if os.environ.get("HALFPENNY_ENV", "development") == "development":
    env.load_stack_file(HALFPENNY_HOME / "stack.env")

HALFPENNY_ENV = env.choice("HALFPENNY_ENV", "development", ("development", "production"))
DEVELOPMENT = HALFPENNY_ENV == "development"
HALFPENNY_VERSION = "0.1.0"


def _development_default(value: str) -> str | None:
    return value if DEVELOPMENT else None


# --- Django -----------------------------------------------------------------------------------------------

DEBUG = False
SECRET_KEY = env.text("HALFPENNY_SECRET_KEY", _development_default("development-only-" + "0" * 50))
SECRET_KEY_FALLBACKS = env.words("HALFPENNY_SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if DEVELOPMENT else "")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
ADMIN_PATH = env.text("ADMIN_PATH", "admin/")
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "tenants.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "channels",
    "ninja",
    "tenants",
    "caching",
    "routing",
    "analytics",
    "gateway",
]

MIDDLEWARE = [
    "gateway.middleware.json_errors",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
# In development files are served from where they lie; `collectstatic` is for production.
STATIC_ROOT = None if DEVELOPMENT else env.text("STATIC_ROOT", str(BASE_DIR / "static"))
WHITENOISE_USE_FINDERS = DEVELOPMENT
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEVELOPMENT
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

UNFOLD = {
    "SITE_TITLE": "Halfpenny",
    "SITE_HEADER": "Halfpenny",
    "SITE_SUBHEADER": "LLM gateway",
    "SITE_SYMBOL": "toll",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("analytics/coin.svg")}
    ],
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "routing.admin.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": NAVIGATION},
}

# --- Security ---------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", default=not DEVELOPMENT)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 0 if DEVELOPMENT else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEVELOPMENT
SECURE_HSTS_PRELOAD = not DEVELOPMENT
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.boolean("BEHIND_TLS_PROXY", default=False) else None
)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEVELOPMENT
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
# unfold's Alpine evaluates expressions in attributes, hence 'unsafe-eval' and inline styles.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'unsafe-eval'", "'unsafe-inline'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}

# AES-GCM keys for provider secrets: the first encrypts, all decrypt (rotation).
ENCRYPTION_KEYS = (
    env.encryption_keys("HALFPENNY_ENCRYPTION_KEY")
    if (env.is_set("HALFPENNY_ENCRYPTION_KEY") or not DEVELOPMENT)
    else [b"development-only-encryption-key!"]
)

MAX_BODY_BYTES = env.integer("MAX_BODY_BYTES", 4 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
MAX_HEADER_BYTES = env.integer("MAX_HEADER_BYTES", 32 * 1024)
MAX_HEADER_COUNT = env.integer("MAX_HEADER_COUNT", 100)

# --- Postgres ---------------------------------------------------------------------------------------------

DATABASE_URL = env.text(
    "DATABASE_URL", _development_default("postgresql://halfpenny@127.0.0.1:5432/halfpenny")
)
# The role of the data plane and of tenants' pages; row-level security holds it to one tenant. Without a URL
# of its own it is reached by SET ROLE from DATABASE_URL's owner.
DATABASE_WEB_URL = env.text("DATABASE_WEB_URL", "")
DATABASE_WEB_ROLE = env.text("DATABASE_WEB_ROLE", "halfpenny_web")
DATABASE_POOL_MAX = env.integer("DATABASE_POOL_MAX", 4)
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **env.database(DATABASE_URL),
        # Under ASGI persistent connections leak; a pool with a short wait doesn't (facts measured: M10, M11).
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            "pool": {"min_size": 0, "max_size": DATABASE_POOL_MAX, "timeout": 2.0},
            "connect_timeout": 3,
        },
    }
}

# --- Redis, Celery, Channels ------------------------------------------------------------------------------

# Two servers: the cache one may evict, the state one (limits, policies, records, queues) never does.
REDIS_CACHE_URL = env.text("REDIS_CACHE_URL", _development_default("redis://127.0.0.1:6379/0"))
REDIS_STATE_URL = env.text("REDIS_STATE_URL", _development_default("redis://127.0.0.1:6380/0"))
REDIS_TIMEOUT_SECONDS = env.number("REDIS_TIMEOUT_SECONDS", 0.1)

CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", REDIS_STATE_URL)
# A publish must fail within the embedding budget also when the broker is frozen: every retry is off.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 0.15,
    "socket_connect_timeout": 0.15,
    "retry_on_timeout": False,
    "max_retries": 0,
}
CELERY_BROKER_CONNECTION_TIMEOUT = 0.2
CELERY_BROKER_CONNECTION_RETRY = False
CELERY_BROKER_CONNECTION_MAX_RETRIES = 0
CELERY_BROKER_POOL_LIMIT = None
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"

CHANNELS_REDIS_URL = env.text("CHANNELS_REDIS_URL", REDIS_STATE_URL)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [CHANNELS_REDIS_URL]},
    }
}

# django-ratelimit counts in the state Redis: an evicting cache would forget the counts.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_STATE_URL,
        "KEY_PREFIX": "hp:django",
        "OPTIONS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0},
    }
}

# --- Embeddings -------------------------------------------------------------------------------------------

# A hub name, a path, or "all-MiniLM-L6-v2" out of its package; or a model of the remote API below.
EMBEDDING_MODEL = env.text("EMBEDDING_MODEL", "all-MiniLM-L6-v2")
# torch, or onnx-int8: about three times as fast on a CPU with VNNI, with vectors of its own (decision 9).
EMBEDDING_RUNTIME = env.choice("EMBEDDING_RUNTIME", "torch", ("torch", "onnx-int8"))
EMBEDDING_DEVICE = env.text("EMBEDDING_DEVICE", "auto")
EMBEDDING_URL = env.text("EMBEDDING_URL", "")
EMBEDDING_API_KEY = env.text("EMBEDDING_API_KEY", "")
EMBEDDING_BUDGET_SECONDS = env.integer("EMBEDDING_BUDGET_MS", 200) / 1000
EMBEDDING_THREADS = env.integer("EMBEDDING_THREADS", 1)
# A folder with model files by `verifier_train`: each wins over the shipped one of the same embedder.
VERIFIER_DIR = env.text("VERIFIER_DIR", "")
# A sentence-transformers CrossEncoder in the embedding worker takes the place of the embedder's verifier. Nothing
# reaches the default limits: set them to what `cache_eval --curve` shows.
CROSS_ENCODER = env.text("CROSS_ENCODER", "")
CROSS_ENCODER_STRICT = env.number("CROSS_ENCODER_STRICT", 1.01)
CROSS_ENCODER_BALANCED = env.number("CROSS_ENCODER_BALANCED", 1.01)
CROSS_ENCODER_BUDGET_SECONDS = env.integer("CROSS_ENCODER_BUDGET_MS", 200) / 1000
SEMANTIC_SEARCH_TIMEOUT_SECONDS = env.integer("SEMANTIC_SEARCH_TIMEOUT_MS", 150) / 1000

# --- Gateway ----------------------------------------------------------------------------------------------

# What each web process holds in memory: answers, and plans of bodies that came before.
MEMORY_CACHE_BYTES = env.integer("MEMORY_CACHE_BYTES", 8 * 1024 * 1024)
MEMORY_CACHE_SECONDS = env.number("MEMORY_CACHE_SECONDS", 30.0)
MEMORY_PLANS_BYTES = env.integer("MEMORY_PLANS_BYTES", 16 * 1024 * 1024)
WEB_PROCESSES = env.integer("WEB_PROCESSES", 1)
UPSTREAM_CONNECT_SECONDS = env.number("UPSTREAM_CONNECT_SECONDS", 2.0)
UPSTREAM_FIRST_TOKEN_SECONDS = env.number("UPSTREAM_FIRST_TOKEN_SECONDS", 60.0)
UPSTREAM_BETWEEN_CHUNKS_SECONDS = env.number("UPSTREAM_BETWEEN_CHUNKS_SECONDS", 30.0)
UPSTREAM_TOTAL_SECONDS = env.number("UPSTREAM_TOTAL_SECONDS", 120.0)
#: How long a caller may read nothing of a streamed answer.
STREAM_WRITE_SECONDS = env.number("STREAM_WRITE_SECONDS", 30.0)
UPSTREAM_MAX_ATTEMPTS = env.integer("UPSTREAM_MAX_ATTEMPTS", 3)
UPSTREAM_MAX_ANSWER_BYTES = env.integer("UPSTREAM_MAX_ANSWER_BYTES", 16 * 1024 * 1024)
# Networks that a provider's base URL may lie in besides public ones (self-hosted models).
UPSTREAM_ALLOWED_NETWORKS = env.words(
    "UPSTREAM_ALLOWED_NETWORKS", "127.0.0.0/8,::1/128" if DEVELOPMENT else ""
)
DEMO_UPSTREAM_URL = env.text("DEMO_UPSTREAM_URL", "")
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
# A collector that speaks OTLP over HTTP, e.g. http://jaeger:4318; empty: no spans are made.
OTEL_EXPORTER_OTLP_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "")
RECORD_RETENTION_DAYS = env.integer("RECORD_RETENTION_DAYS", 90)
RECORD_SPOOL_DIR = Path(env.text("RECORD_SPOOL_DIR", str(HALFPENNY_HOME / "spool")))

RATELIMIT_IP_META_KEY = "REMOTE_ADDR"
SILENCED_SYSTEM_CHECKS = [
    "django_ratelimit.E003",  # Django's own Redis cache backend increments atomically
    "django_ratelimit.W001",
]
LOG_JSON = env.boolean("LOG_JSON", default=True)
LOGGING = logs.configuration(level=env.text("LOG_LEVEL", "INFO"), json=LOG_JSON)
# One line of INFO for each ended call (gateway/call_log.py).
CALL_LOG = env.choice("CALL_LOG", "on", ("on", "off")) == "on"
