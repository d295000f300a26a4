"""The verifier: a learned veto above the similarity floor.

It knows in pure Python what gradient-boosted trees make of the differences between two questions. A model belongs
to one embedder, since it weighs that embedder's similarities; an embedder without one has no calibration.
"""

import gzip
import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import orjson
from django.conf import settings

from caching.languages import reads_as_english
from caching.verifier_features import FEATURES, pair_features
from caching.verifier_lexicon import Lexicon, lexicon_of
from caching.verifier_text import Reading, read_question

logger = logging.getLogger(__name__)

ServingMode = Literal["strict", "balanced"]
FORMAT = 1
SHIPPED = Path(__file__).parent / "verifiers"
#: The question, which is compared with two neighbours, and the neighbours; not more, since texts may be private.
_READINGS = 4
#: What a file at most unpacks to.
_MOST_BYTES = 32 * 2**20


class BadVerifierFile(Exception):
    """A model file is not what this version of the verifier can use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trees:
    """Gradient-boosted trees, all nodes in one row; children are places in it."""

    roots: tuple[int, ...]
    feature: tuple[int, ...]
    """-1: a leaf."""
    threshold: tuple[float, ...]
    """Of an inner node: up to this one goes left. Of a leaf: its value."""
    left: tuple[int, ...]
    right: tuple[int, ...]
    baseline: float

    def raw(self, values: Sequence[float]) -> float:
        """Return the log odds for the figures of a pair."""
        feature, threshold, left, right = self.feature, self.threshold, self.left, self.right
        total = self.baseline
        for node in self.roots:
            place = node
            while (column := feature[place]) >= 0:
                place = left[place] if values[column] <= threshold[place] else right[place]
            total += threshold[place]
        return total


@dataclass(frozen=True, kw_only=True, slots=True)
class Wariness:
    """How much less a score counts at low similarity, beyond what the trees say.

    Labelled pairs are picked for being alike; what a cache finds at the same similarity is wrong more often.
    """

    below: float
    """Similarity from which on down it counts."""
    rate: float
    """Log odds taken off per unit of similarity."""


@dataclass(frozen=True, kw_only=True)
class PairVerifier:
    """Judges whether the answer to one question serves another."""

    version: str
    embedder_id: str
    trees: Trees
    slope: float
    shift: float
    """Calibration: probability = 1 / (1 + exp(-(slope x log odds + shift - wariness)))."""
    wariness: Wariness
    limits: Mapping[ServingMode, float]
    lexicon: Lexicon

    def limit(self, mode: ServingMode) -> float:
        """Return the probability from which a mode serves."""
        return self.limits[mode]

    def score(self, question: str, stored: str, similarity: float) -> float:
        """Return the probability (0 to 1) that the stored question's answer serves the question.

        similarity: their cosine. 0 for what is not judged: texts beyond `MOST_TOKENS` words, other languages than
        English.
        """
        if not (reads_as_english(question) and reads_as_english(stored)):
            return 0.0
        ours, theirs = _reading(question, self.lexicon), _reading(stored, self.lexicon)
        if ours.too_long or theirs.too_long or not math.isfinite(similarity):
            return 0.0
        raw = self.trees.raw(pair_features(ours, theirs, similarity, self.lexicon))
        doubt = self.wariness.rate * max(0.0, self.wariness.below - similarity)
        return _sigmoid(self.slope * raw + self.shift - doubt)


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else 1 - 1 / (1 + math.exp(value))


@lru_cache(maxsize=_READINGS)
def _reading(text: str, lexicon: Lexicon) -> Reading:
    return read_question(text, lexicon)


@cache
def verifier_for(embedder_id: str) -> PairVerifier | None:
    """Return the verifier of an embedder; None: there is none, or its file is broken (logged as an error).

    A file in the folder of the setting VERIFIER_DIR wins over the shipped one, also when it is broken.
    """
    own = Path(settings.VERIFIER_DIR) / file_name(embedder_id) if settings.VERIFIER_DIR else None
    path = own if own and own.exists() else SHIPPED / file_name(embedder_id)
    if not path.exists():
        return None
    try:
        return load_verifier(path, embedder_id)
    except (BadVerifierFile, OSError) as error:
        logger.error(
            "The verifier's file can't be used: semantic hits stay in shadow: %s", error,
            extra={"action": "load_verifier", "path": str(path)},
        )  # fmt: skip
        return None


def file_name(embedder_id: str) -> str:
    """Return the name of an embedder's model file: its id, with what file names can't hold as `_`."""
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in embedder_id) + ".json.gz"


def load_verifier(path: Path, embedder_id: str) -> PairVerifier:
    """Read a model file. Raises BadVerifierFile where it is of another version, embedder or set of features."""
    data = _read(path)
    if data.get("format") != FORMAT:
        raise BadVerifierFile(f"{path}: format {data.get('format')!r}, not {FORMAT}")
    if data.get("embedder") != embedder_id:
        raise BadVerifierFile(f"{path}: made for the embedder {data.get('embedder')!r}, not {embedder_id!r}")
    if data.get("features") != list(FEATURES):
        raise BadVerifierFile(f"{path}: made from other features than this version's; train it again")
    lexicon = shipped_lexicon()
    if data.get("lexicon") != lexicon.version:
        raise BadVerifierFile(
            f"{path}: made with the lexicon {data.get('lexicon')!r}, not {lexicon.version!r}"
        )
    try:
        return _verifier(data, lexicon)
    except (KeyError, TypeError, ValueError) as error:
        raise BadVerifierFile(f"{path}: {error!r}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        with gzip.open(path) as file:
            data = orjson.loads(file.read(_MOST_BYTES))
    except (EOFError, zlib.error, gzip.BadGzipFile, orjson.JSONDecodeError) as error:
        raise BadVerifierFile(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise BadVerifierFile(f"{path}: not a JSON object")
    return data


def _verifier(data: Mapping[str, Any], lexicon: Lexicon) -> PairVerifier:
    trees = data["trees"]
    verifier = PairVerifier(
        version=str(data["version"]),
        embedder_id=str(data["embedder"]),
        trees=Trees(
            roots=tuple(map(int, trees["roots"])),
            feature=tuple(map(int, trees["feature"])),
            threshold=tuple(map(float, trees["threshold"])),
            left=tuple(map(int, trees["left"])),
            right=tuple(map(int, trees["right"])),
            baseline=float(trees["baseline"]),
        ),
        slope=float(data["slope"]),
        shift=float(data["shift"]),
        wariness=Wariness(below=float(data["wariness"]["below"]), rate=float(data["wariness"]["rate"])),
        limits={"strict": float(data["limits"]["strict"]), "balanced": float(data["limits"]["balanced"])},
        lexicon=lexicon,
    )
    _check(verifier)
    return verifier


def _check(verifier: PairVerifier) -> None:
    """Raise ValueError unless every walk through the trees ends, at a finite number."""
    trees = verifier.trees
    count = len(trees.feature)
    if not {len(trees.threshold), len(trees.left), len(trees.right)} == {count}:
        raise ValueError("the nodes' lists differ in length")
    for place, column in enumerate(trees.feature):
        is_leaf = column == -1
        goes_on = 0 <= column < len(FEATURES) and place < min(trees.left[place], trees.right[place])
        if not is_leaf and not (goes_on and max(trees.left[place], trees.right[place]) < count):
            raise ValueError(f"node {place} is broken")
    doubt = verifier.wariness
    numbers = (*trees.threshold, trees.baseline, verifier.slope, verifier.shift, doubt.below, doubt.rate)
    if not all(map(math.isfinite, numbers)) or not all(0 <= root < count for root in trees.roots):
        raise ValueError("a number is not finite, or a root is out of range")
    if verifier.slope <= 0 or doubt.rate < 0 or not all(0 < limit <= 1 for limit in verifier.limits.values()):
        raise ValueError(
            "the slope must be positive, the rate not negative, the limits above 0 and at most 1"
        )


@cache
def shipped_lexicon() -> Lexicon:
    """Return the lexicon that comes with the project."""
    with gzip.open(SHIPPED / "words.en.json.gz") as file:
        return lexicon_of(orjson.loads(file.read()))
