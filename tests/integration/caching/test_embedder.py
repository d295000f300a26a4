import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from caching.embedder import (
    EmbeddingFailed,
    LocalEncoder,
    RemoteEncoder,
    Vector,
    current_embedder_id,
    load_encoder,
    unit_vector,
)


@pytest.fixture(scope="module")
def encoder() -> LocalEncoder:
    return LocalEncoder("all-MiniLM-L6-v2", device="cpu")


def vector(encoded: object) -> Vector:
    assert isinstance(encoded, np.ndarray)
    return encoded


def test_the_packaged_model_gives_little_endian_unit_vectors(encoder: LocalEncoder) -> None:
    (found,) = encoder.encode(["How do I boil an egg?"])
    assert vector(found).dtype == np.dtype("<f4")
    assert vector(found).shape == (384,)
    assert np.linalg.norm(vector(found)) == pytest.approx(1.0, abs=1e-6)
    assert encoder.embedder_id == "all-MiniLM-L6-v2"


def test_a_rephrased_question_lies_nearer_than_another(encoder: LocalEncoder) -> None:
    asked, rephrased, other = map(
        vector,
        encoder.encode(
            ["How do I boil an egg?", "What is the way to boil an egg?", "Who painted the Mona Lisa?"]
        ),
    )
    assert float(asked @ rephrased) > 0.85
    assert float(asked @ other) < 0.3


def test_a_vector_doesnt_depend_on_its_batch(encoder: LocalEncoder) -> None:
    texts = ["a short one", "a much longer text about the boiling of eggs in salted water " * 3]
    together = encoder.encode(texts)
    for text, found in zip(texts, together, strict=True):
        assert float(vector(encoder.encode([text])[0]) @ vector(found)) == pytest.approx(1.0, abs=1e-5)


def test_a_text_beyond_the_models_limit_is_refused_not_cut(
    encoder: LocalEncoder, capfd: pytest.CaptureFixture[str]
) -> None:
    fits, too_long, also_fits = encoder.encode(["egg " * 254, "egg " * 255, "egg"])
    assert vector(fits).shape == vector(also_fits).shape == (384,)
    assert too_long == "too_long"
    assert capfd.readouterr().err == ""


def test_no_texts_give_no_vectors(encoder: LocalEncoder) -> None:
    assert encoder.encode([]) == []
    assert encoder.encode(["egg " * 300]) == ["too_long"]


def test_importing_the_module_imports_no_torch() -> None:
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'\n"
        "import caching.embedder\n"
        "print(sorted({'torch', 'sentence_transformers', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"


def test_loading_the_model_writes_nothing_on_stderr() -> None:
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'\n"
        "from caching.embedder import load_encoder\n"
        "print(load_encoder().encode(['egg'])[0].shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert (done.stdout.strip(), done.stderr) == ("(384,)", "")


def test_the_id_is_known_without_loading(settings: Any) -> None:
    settings.EMBEDDING_URL, settings.EMBEDDING_MODEL = "", "all-MiniLM-L6-v2"
    assert current_embedder_id() == "all-MiniLM-L6-v2"
    settings.EMBEDDING_URL, settings.EMBEDDING_MODEL = "http://127.0.0.1:9/v1", "embed-3"
    assert current_embedder_id() == load_encoder().embedder_id == "remote:embed-3"


@pytest.mark.parametrize(
    "row", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], [], None, "ab", [[1.0]], [1.0] * 3]
)
def test_what_is_no_usable_vector_is_invalid(row: object) -> None:
    assert unit_vector(row, dimension=2) == "invalid"


Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


class Api:
    """An embeddings API on a free port: `answer` maps a request's body to status and body."""

    def __init__(self) -> None:
        self.answer: Answer = embed
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.drip_seconds = 0.0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                api.asked.append(asked | {"path": self.path})
                api.headers.append({name.lower(): value for name, value in self.headers.items()})
                status, body = api.answer(asked)
                self.send_response(status)
                if status == 307:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self._write(body)

            def _write(self, body: bytes) -> None:
                try:
                    for start in range(0, len(body), 8):
                        self.wfile.write(body[start : start + 8])
                        time.sleep(api.drip_seconds)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        return Handler


def embed(asked: dict[str, Any]) -> tuple[int, bytes]:
    rows = [{"index": index, "embedding": [len(text), 1.0]} for index, text in enumerate(asked["input"])]
    return 200, json.dumps({"data": rows[::-1]}).encode()


@pytest.fixture
def api() -> Iterator[Api]:
    served = Api()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@pytest.fixture
def remote(api: Api) -> Iterator[RemoteEncoder]:
    encoder = RemoteEncoder(url=api.url, model="embed-3", api_key="k-1", timeout_seconds=5)
    yield encoder
    encoder.close()


def test_a_remote_api_is_asked_in_openais_way(api: Api, remote: RemoteEncoder) -> None:
    (found,) = remote.encode(["abc"])
    assert vector(found) == pytest.approx(np.array([3, 1]) / np.sqrt(10))
    assert api.asked == [
        {"model": "embed-3", "input": ["abc"], "encoding_format": "float", "path": "/v1/embeddings"}
    ]
    assert api.headers[0]["authorization"] == "Bearer k-1"
    assert api.headers[0]["accept-encoding"] == "identity"


def test_many_texts_are_asked_in_batches_and_come_back_in_order(api: Api, remote: RemoteEncoder) -> None:
    found = [vector(each) for each in remote.encode(["b" * length for length in range(1, 71)])]
    assert [round(float(each[0] / each[1])) for each in found] == list(range(1, 71))
    assert [len(asked["input"]) for asked in api.asked] == [32, 32, 6]


def test_a_text_that_the_api_refuses_spoils_no_other(api: Api, remote: RemoteEncoder) -> None:
    api.answer = lambda asked: (400, b"{}") if "long" in asked["input"] else embed(asked)
    first, second, third = remote.encode(["a", "long", "b"])
    assert second == "refused"
    assert vector(first).shape == vector(third).shape == (2,)


def test_zero_and_odd_dimensions_are_invalid(api: Api, remote: RemoteEncoder) -> None:
    vectors: list[list[float] | None] = [[1.0, 0.0], [0.0, 0.0], [1.0, 0.0, 0.0], None]
    rows = [{"index": index, "embedding": row} for index, row in enumerate(vectors)]
    api.answer = lambda asked: (200, json.dumps({"data": rows}).encode())
    first, *others = remote.encode(["a", "b", "c", "d"])
    assert vector(first).shape == (2,)
    assert others == ["invalid"] * 3


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (401, b"{}"),
        (307, b""),
        (200, b"<html>"),
        (200, b'{"data": []}'),
        (200, b"[]"),
        (200, b'{"data": [7]}'),
    ],
)
def test_an_api_without_a_usable_answer_has_failed(
    api: Api, remote: RemoteEncoder, status: int, body: bytes
) -> None:
    api.answer = lambda asked: (status, body)
    with pytest.raises(EmbeddingFailed):
        remote.encode(["a"])
    assert len(api.asked) == 1


def test_a_dripping_answer_and_a_dead_address_have_failed(api: Api) -> None:
    api.drip_seconds = 0.05
    slow = RemoteEncoder(url=api.url, model="embed-3", timeout_seconds=0.1)
    with pytest.raises(EmbeddingFailed, match="too slowly"):
        slow.encode(["a"] * 8)
    slow.close()
    dead = RemoteEncoder(url="http://127.0.0.1:1/v1/embeddings", model="embed-3")
    with pytest.raises(EmbeddingFailed, match="ConnectError"):
        dead.encode(["a"])
    dead.close()
