"""Build the verifier's lexicon."""

import gzip
import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from django.core.management.base import BaseCommand, CommandError

from caching.embedder import PACKAGED_MODEL, LocalEncoder
from gateway.training.lexicon import build_lexicon, read_wordnet

_WORD = re.compile(r"[a-z]{2,}")


class Command(BaseCommand):
    help = (
        "Build the verifier's lexicon (caching/verifiers/words.en.json.gz) from the packaged embedder's words, "
        "their embeddings and WordNet 3's database files. Verifiers have to be trained again afterwards."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wordnet", type=Path, required=True, help="folder of data.noun and so on")
        parser.add_argument("--out", type=Path, required=True)
        parser.add_argument("--name", required=True, help="the lexicon's version")
        parser.add_argument("--dimension", type=int, default=32)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            net = read_wordnet(options["wordnet"])
        except OSError as error:
            raise CommandError(f"no WordNet database: {error}") from error
        words, vectors = _vocabulary()
        data = build_lexicon(words, vectors, net, version=options["name"], dimension=options["dimension"])
        keys = orjson.OPT_NON_STR_KEYS
        options["out"].write_bytes(gzip.compress(orjson.dumps(data, option=keys), 9, mtime=0))
        self.stdout.write(f"{len(words)} words, {len(data['senses'])} with senses: {options['out']}")


def _vocabulary() -> tuple[list[str], "npt.NDArray[np.float32]"]:
    """Return the packaged embedder's whole words, which it lists by frequency, and their input embeddings."""
    model = LocalEncoder(PACKAGED_MODEL)._model
    places = model.tokenizer.get_vocab()
    words = [word for word in sorted(places, key=places.__getitem__) if _WORD.fullmatch(word)]
    table = model[0].model.get_input_embeddings().weight.detach().numpy()
    rows = np.asarray(table[[places[word] for word in words]], np.float32)
    return words, rows / np.linalg.norm(rows, axis=1, keepdims=True)
