"""Finished calls and their sums."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models import Tenant

#: Bins of the latency histogram; bin i holds latencies up to 0.1 ms * 1.1 ** i (analytics/latency.py).
LATENCY_BINS = 160


class RequestRecord(models.Model):
    """One finished call. Database key (tenant_id, started_at, id), partitioned by day of `started_at`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    started_at = models.DateTimeField()
    key_public_id = models.CharField(max_length=20)
    client_request_id = models.CharField(max_length=64, blank=True)
    endpoint = models.CharField(max_length=40)
    purpose = models.CharField(max_length=16, default="request")
    status = models.PositiveSmallIntegerField("HTTP status")
    error_code = models.CharField(max_length=60, blank=True)
    model_asked = models.CharField(max_length=120, blank=True)
    model = models.CharField(max_length=120, blank=True)
    provider = models.CharField(max_length=63, blank=True)
    rule = models.CharField(max_length=63, blank=True)
    complexity = models.CharField(max_length=10, blank=True)
    complexity_score = models.FloatField(null=True)
    cache_status = models.CharField(max_length=16, blank=True)
    cache_reason = models.CharField(max_length=60, blank=True)
    similarity = models.FloatField(null=True)
    entry_id = models.UUIDField(null=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    stream = models.BooleanField(default=False)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cached_input_tokens = models.PositiveIntegerField(
        default=0, help_text="The part of the input that the provider read from its own cache."
    )
    reasoning_tokens = models.PositiveIntegerField(
        default=0, help_text="The part of the output that the model spent on thinking."
    )
    estimated = models.BooleanField(
        default=False, help_text="The provider gave no usable usage: the tokens are our own count."
    )
    cost_nano = models.BigIntegerField("cost in nano-USD", default=0)
    saved_nano = models.BigIntegerField("saving in nano-USD", default=0)
    overhead_nano = models.BigIntegerField("cost of background calls in nano-USD", default=0)
    total_ms = models.FloatField()
    upstream_ms = models.FloatField(default=0)
    first_token_ms = models.FloatField(null=True)
    policy_version = models.BigIntegerField(default=0)
    attempts = models.JSONField(default=list)
    decision = models.JSONField(default=dict, help_text="What the cache considered and why.")
    tags = ArrayField(models.CharField(max_length=64), default=list)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return str(self.id)


class HourlyRollup(models.Model):
    """Sums of one tenant's records of one hour, by key, model, cache status and rule."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    hour = models.DateTimeField()
    key_public_id = models.CharField(max_length=20)
    model = models.CharField(max_length=120)
    cache_status = models.CharField(max_length=16)
    rule = models.CharField(max_length=63)
    requests = models.BigIntegerField()
    errors = models.BigIntegerField()
    rate_limited = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cost_nano = models.BigIntegerField()
    saved_nano = models.BigIntegerField()
    overhead_nano = models.BigIntegerField()
    latency_bins = ArrayField(models.IntegerField(), size=LATENCY_BINS)

    class Meta:
        ordering = ["-hour"]

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.hour:%Y-%m-%d %H}:00"
