"""Makes a quantised ONNX model of a sentence-transformers folder: `python -m caching.onnx_build SOURCE TARGET`.

A program of its own, so that torch, which it needs, is gone when it has ended. SOURCE is the model's folder,
TARGET a folder that is filled: `model.onnx` (a text's tokens to its vector, weights in 8 bits), `tokenizer.json`,
`about.json` (`max_tokens`, and the SHA-256 of both files).
"""

import argparse
import hashlib
import json
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

MODEL, TOKENIZER, ABOUT = "model.onnx", "tokenizer.json", "about.json"
_OPSET = 17


def digest_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def build(source: Path, target: Path) -> None:
    """Fill the target folder. Raises OSError for a source without a tokenizer.json, and what libraries raise."""
    tokenizer = source / TOKENIZER
    if not tokenizer.is_file():
        raise OSError(f"{source} has no {TOKENIZER}")
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 (seconds and 300 MB, only to build)

    model: Any = SentenceTransformer(str(source), device="cpu", local_files_only=True).eval()
    target.mkdir(parents=True, exist_ok=True)
    exported = target / "exported.onnx"
    _export(model, exported)
    _quantise(exported, target / MODEL)
    exported.unlink()
    shutil.copyfile(tokenizer, target / TOKENIZER)
    about = {
        "max_tokens": int(model.max_seq_length),
        "sha256": {name: digest_of(target / name) for name in (MODEL, TOKENIZER)},
    }
    (target / ABOUT).write_text(json.dumps(about))


def _export(model: Any, file: Path) -> None:
    """Write the whole way from tokens to vector (transformer, pooling, normalising) as one graph."""
    import torch  # noqa: PLC0415

    class Embedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model({"input_ids": input_ids, "attention_mask": attention_mask})[
                "sentence_embedding"
            ]

    example = torch.ones(2, 7, dtype=torch.long)
    axes = {0: "texts", 1: "tokens"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of tracing: what it calls constant is, for one model
        torch.onnx.export(
            Embedding(),
            (example, example),
            str(file),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=["vector"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vector": {0: "texts"}},
        )


def _quantise(exported: Path, file: Path) -> None:
    """Write the graph with 8-bit weights. A scale for each channel: one for all cost 3 % of the cosine."""
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    quantize_dynamic(exported, file, weight_type=QuantType.QInt8, per_channel=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m caching.onnx_build", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    build(arguments.source, arguments.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
