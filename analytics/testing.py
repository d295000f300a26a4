"""A record sink in memory, for tests of what is recorded."""

from analytics.record import CallRecord


class MemoryRecordSink:
    """Keeps records in `records`, oldest first."""

    def __init__(self) -> None:
        self.records: list[CallRecord] = []

    def put(self, record: CallRecord) -> None:
        self.records.append(record)
