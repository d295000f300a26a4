"""Counters of what the caches could not do. What they did is in the records of calls."""

from prometheus_client import Counter, Gauge

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
MEMORY_BYTES = Gauge("halfpenny_memory_cache_bytes", "Bytes of answers that this process holds in memory")
_LOOKUPS = Counter("halfpenny_memory_cache_lookups_total", "Look-ups in this process's memory", ["found"])
#: By whether the answer was found; the children are made once, since a look-up costs less than `labels`.
MEMORY_LOOKUPS = {True: _LOOKUPS.labels(found="yes"), False: _LOOKUPS.labels(found="no")}
