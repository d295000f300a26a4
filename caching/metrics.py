"""Counters of what the caches could not do. What they did is in the records of calls."""

from prometheus_client import Counter

UNAVAILABLE = Counter(
    "halfpenny_cache_unavailable_total", "Calls that went on without a cache layer", ["layer", "reason"]
)
BROKEN_VALUES = Counter(
    "halfpenny_cache_broken_values_total", "Stored values that failed their schema", ["layer"]
)
UNSTORED = Counter("halfpenny_cache_unstored_total", "Answers that a layer did not keep", ["layer", "reason"])
LATE_REPLIES = Counter(
    "halfpenny_embedding_late_replies_total", "Replies of the embedding worker that came after the budget"
)
EMBEDDING_BATCHES = Counter("halfpenny_embedding_batches_total", "Tasks published to the embedding worker")
EMBEDDED_TEXTS = Counter(
    "halfpenny_embedded_texts_total", "Texts that needed a vector, by where it came from", ["source"]
)
