"""How the peers are started: each as one process, with the settings that its makers advise for production."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peers.environments import LITELLM, PORTKEY
from benchmarks.servers import Recipe

LITELLM_KEY = "sk-bench"
MODEL = "small-1"


def litellm(folder: Path, *, upstream_url: str, redis_url: str) -> Recipe:
    """LiteLLM's proxy: one worker, answers cached in Redis, no database. Writes its settings to `folder`."""
    settings = folder / "litellm.json"  # JSON is YAML
    settings.write_text(json.dumps(litellm_settings(upstream_url, redis_url)))
    settings.chmod(0o600)
    return Recipe(
        name="litellm",
        argv=[
            *(str(LITELLM / "bin" / "litellm"), "--config", str(settings)),
            *("--host", "127.0.0.1", "--port", "{port}", "--num_workers", "1", "--telemetry", "False"),
        ],
        env=_environment()
        | {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        cwd=folder,
        ready="/health/liveliness",
    )


def litellm_settings(upstream_url: str, redis_url: str) -> dict[str, object]:
    """Return LiteLLM's configuration."""
    redis = urlsplit(redis_url)
    upstream = {"model": f"openai/{MODEL}", "api_base": upstream_url, "api_key": "none"}
    cache = {
        **{"type": "redis", "host": redis.hostname, "port": redis.port, "password": redis.password},
        **{"namespace": "bench-litellm", "ttl": 3600},
    }
    return {
        "model_list": [{"model_name": MODEL, "litellm_params": upstream}],
        "litellm_settings": {"cache": True, "cache_params": cache},
        "general_settings": {"master_key": LITELLM_KEY},
    }


def portkey() -> Recipe:
    """The Portkey gateway on Node: its open-source form has no cache without a service of its maker's."""
    script = PORTKEY / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    return Recipe(
        name="portkey",
        argv=["node", str(script), "--headless", "--port={port}"],
        env=_environment() | {"NODE_ENV": "production"},
        cwd=PORTKEY,
    )


def portkey_headers(upstream_url: str) -> dict[str, str]:
    """Return the headers that tell Portkey where to ask."""
    return {"x-portkey-provider": "openai", "x-portkey-custom-host": upstream_url}


def _environment() -> dict[str, str]:
    """Return a bare environment: a user's provider keys and settings are none of a peer's business."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
