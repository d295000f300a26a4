"""A record sink in memory, for tests of what is recorded."""

from analytics.record import CallRecord, FinishedCall


class MemoryRecordSink:
    """Keeps whole records in `records`, oldest first."""

    def __init__(self) -> None:
        self.records: list[CallRecord] = []

    def put(self, call: FinishedCall) -> None:
        self.records.append(call.whole())
