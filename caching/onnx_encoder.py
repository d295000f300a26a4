"""A TextEncoder without torch: the model with 8-bit weights, run by onnxruntime.

The quantised model is made once, at the first start, out of the model's own folder, and kept under HALFPENNY_HOME.
Its vectors differ a little from the model's own, hence the embedder id of their own.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from caching.embedder import Encoded, model_path, unit_vector
from caching.onnx_build import ABOUT, MODEL, TOKENIZER, digest_of

#: Raised when the way of making changes: what was made another way is made anew.
_RECIPE = "1"
_BUILD_SECONDS = 600


class OnnxEncoder:
    """The quantised model in this process."""

    def __init__(self, model: str, *, embedder_id: str, threads: int = 1) -> None:
        """Load the quantised model, made first if need be (seconds).

        model: the packaged one or a folder. Raises OSError if it can't be made or isn't what was made.
        """
        import onnxruntime  # noqa: PLC0415 (only workers install it)
        from tokenizers import Tokenizer  # noqa: PLC0415

        folder = _made(Path(model_path(model)))
        about = _checked(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.embedder_id = embedder_id
        self._max_tokens = int(about["max_tokens"])
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._session = onnxruntime.InferenceSession(
            str(folder / MODEL), options, providers=["CPUExecutionProvider"]
        )
        self._dimension: int | None = None
        self._dimension = len(self._encode("word"))

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> Encoded:
        """Return the vector of a text by itself.

        Activations are scaled by the largest one of a pass: in company, a vector would depend on the other texts.
        Going alone, a text pays for no padding either, so that little is lost.
        """
        tokens = self._tokenizer.encode(text)
        if len(tokens.ids) > self._max_tokens:
            return "too_long"
        given = {"input_ids": [tokens.ids], "attention_mask": [tokens.attention_mask]}
        (rows,) = self._session.run(
            None, {name: np.array(value, dtype=np.int64) for name, value in given.items()}
        )
        return unit_vector(rows[0], dimension=self._dimension)


def _made(source: Path) -> Path:
    """Return the folder of the quantised model, made if it isn't there yet. Raises OSError."""
    folder = Path(settings.HALFPENNY_HOME) / "models" / f"{source.name}-int8-{_fingerprint(source)[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as making:
            _make(source, Path(making) / "model")
            # Whoever was quicker has made the same.
            if not folder.is_dir():
                (Path(making) / "model").rename(folder)
    return folder


def _fingerprint(source: Path) -> str:
    """Return the digest of what the quantised model depends on. Raises OSError if that is no model's folder."""
    files = sorted({*source.glob("*.safetensors"), *source.glob("*.json"), *source.glob("*_Pooling/*.json")})
    if not files:
        raise OSError(f"{source} is no folder of a model: onnx-int8 is made from one")
    whole = sha256(_RECIPE.encode())
    for file in files:
        whole.update(f"{file.relative_to(source)} {digest_of(file)}\n".encode())
    return whole.hexdigest()


def _make(source: Path, target: Path) -> None:
    line = [sys.executable, "-m", "caching.onnx_build", str(source), str(target)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(  # noqa: S603 (our own interpreter and module)
        line,
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise OSError(f"the quantised model was not made: {done.stderr[-2000:]}")


def _checked(folder: Path) -> dict[str, Any]:
    """Return what the folder says of its model. Raises OSError if its files aren't those that were made."""
    about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
    for name, digest in about["sha256"].items():
        if digest_of(folder / name) != digest:
            raise OSError(f"{folder / name} was changed: delete the folder, and it is made anew")
    return about
