import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from caching.embedder import LocalEncoder, Vector, current_embedder_id, load_encoder, model_path
from caching.onnx_build import ABOUT, MODEL
from caching.onnx_encoder import OnnxEncoder

NAME = "all-MiniLM-L6-v2"
QUESTIONS = ["How do I boil an egg?", "What is the way to boil an egg?", "Who painted the Mona Lisa?"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own, in which the quantised model is made once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setattr(django_settings, "HALFPENNY_HOME", home)
        yield home


@pytest.fixture(scope="module")
def encoder(home: Path) -> OnnxEncoder:
    return OnnxEncoder(NAME, embedder_id=f"{NAME}:int8")


def vector(encoded: object) -> Vector:
    assert isinstance(encoded, np.ndarray)
    return encoded


def test_it_gives_little_endian_unit_vectors_under_an_id_of_its_own(encoder: OnnxEncoder) -> None:
    (found,) = encoder.encode(QUESTIONS[:1])
    assert (vector(found).dtype, vector(found).shape) == (np.dtype("<f4"), (384,))
    assert np.linalg.norm(vector(found)) == pytest.approx(1.0, abs=1e-6)
    assert encoder.embedder_id == "all-MiniLM-L6-v2:int8"


def test_a_vector_is_the_very_same_in_any_company(encoder: OnnxEncoder) -> None:
    together = encoder.encode([*QUESTIONS, "a much longer text about boiling eggs in salted water " * 5])
    for text, found in zip(QUESTIONS, together, strict=False):
        assert vector(found).tobytes() == vector(encoder.encode([text])[0]).tobytes()


def test_its_vectors_lie_near_those_of_the_model_itself(encoder: OnnxEncoder) -> None:
    whole = LocalEncoder(NAME, device="cpu")
    for small, large in zip(encoder.encode(QUESTIONS), whole.encode(QUESTIONS), strict=True):
        assert float(vector(small) @ vector(large)) > 0.97


def test_a_rephrased_question_lies_nearer_than_another(encoder: OnnxEncoder) -> None:
    asked, rephrased, other = map(vector, encoder.encode(QUESTIONS))
    assert float(asked @ rephrased) > 0.85
    assert float(asked @ other) < 0.3


def test_a_text_beyond_the_models_limit_is_refused_not_cut(encoder: OnnxEncoder) -> None:
    fits, too_long, also_fits = encoder.encode(["egg " * 254, "egg " * 255, "egg"])
    assert vector(fits).shape == vector(also_fits).shape == (384,)
    assert too_long == "too_long"


def test_a_later_start_makes_nothing_anew_and_needs_no_torch(encoder: OnnxEncoder, home: Path) -> None:
    made = {file: file.stat().st_mtime_ns for file in (home / "models").rglob("*")}
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'\n"
        "from caching.embedder import load_encoder\n"
        "print(load_encoder().embedder_id, 'torch' in sys.modules)"
    )
    environment = {**os.environ, "HALFPENNY_HOME": str(home), "EMBEDDING_RUNTIME": "onnx-int8"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert (done.stdout.strip(), done.stderr) == ("all-MiniLM-L6-v2:int8 False", "")
    assert {file: file.stat().st_mtime_ns for file in (home / "models").rglob("*")} == made


def test_a_file_that_is_not_what_was_made_is_refused(encoder: OnnxEncoder, home: Path) -> None:
    (model,) = (home / "models").rglob(MODEL)
    made = model.read_bytes()
    model.write_bytes(made[:-1] + b"\0")
    with pytest.raises(OSError, match="was changed"):
        OnnxEncoder(NAME, embedder_id="changed")
    model.write_bytes(made)


def test_what_is_no_models_folder_is_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no folder of a model"):
        OnnxEncoder("BAAI/bge-m3", embedder_id="hub")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(OSError, match="no tokenizer"):
        OnnxEncoder(str(tmp_path), embedder_id="incomplete")
    assert [path.name for path in (home / "models").glob("making-*")] == []


def test_the_setting_chooses_it_and_names_its_vectors(encoder: OnnxEncoder, settings: Settings) -> None:
    settings.EMBEDDING_RUNTIME = "onnx-int8"
    assert load_encoder().embedder_id == current_embedder_id() == "all-MiniLM-L6-v2:int8"
    settings.EMBEDDING_URL = "http://127.0.0.1:9/v1"
    assert current_embedder_id() == "remote:all-MiniLM-L6-v2"


def test_the_folder_says_what_it_was_made_of(encoder: OnnxEncoder, home: Path) -> None:
    (about,) = (home / "models").rglob(ABOUT)
    assert about.parent.name.startswith(f"{Path(model_path(NAME)).name}-int8-")
