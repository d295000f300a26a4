"""The learned veto that serves requests."""

from caching.decision import Verifier


def verifier_for(embedder_id: str) -> Verifier | None:
    """Return the embedder's verifier; None: it has none, and nothing that is decided about its vectors is served."""
    return None
