"""What is cached and by which policy."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from pgvector.django import HalfVectorField

from tenants.models import Tenant


class CachePolicy(models.Model):
    """How one tenant's answers are kept and reused."""

    class Mode(models.TextChoices):
        OFF = "off", "off"
        SHADOW = "shadow", "shadow: decide and record, never serve"
        STRICT = "strict", "strict"
        BALANCED = "balanced", "balanced"

    class Sharing(models.TextChoices):
        KEY = "key", "per API key"
        TENANT = "tenant", "whole tenant"
        USER = "user", "per end user (`user` of the request)"

    class Personal(models.TextChoices):
        DETAILS = "details", "personal details only"
        FIRST_PERSON = "first_person", "first-person wording too"

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="cache_policy")
    exact_enabled = models.BooleanField("exact cache (L1)", default=True)
    semantic_mode = models.CharField(
        "semantic cache (L2)", max_length=10, choices=Mode.choices, default=Mode.SHADOW
    )
    semantic_enabled = models.BooleanField(
        "semantic cache allowed", default=True, help_text="Kill switch: off stops L2 within a second."
    )
    floor = models.FloatField(
        default=0.85,
        validators=[MinValueValidator(0.5), MaxValueValidator(1.0)],
        help_text="Least cosine similarity at which a stored answer may be served.",
    )
    ttl_seconds = models.PositiveIntegerField("TTL in seconds", default=86_400)
    max_ttl_seconds = models.PositiveIntegerField("greatest TTL a caller may ask for", default=7 * 86_400)
    sharing = models.CharField(max_length=10, choices=Sharing.choices, default=Sharing.KEY)
    personal = models.CharField(
        "treated as personal", max_length=12, choices=Personal.choices, default=Personal.DETAILS
    )
    guard_numbers = models.BooleanField("guard: numbers must agree", default=True)
    guard_polarity = models.BooleanField("guard: negation must agree", default=True)
    max_turns = models.PositiveIntegerField(
        "longest conversation that L2 answers", default=8, help_text="User and assistant turns."
    )
    max_entries = models.PositiveIntegerField("most entries kept in L2", default=100_000)
    epoch = models.PositiveIntegerField(
        default=0, editable=False, help_text="Part of every fingerprint; raising it empties the cache."
    )

    class Meta:
        verbose_name_plural = "cache policies"

    def __str__(self) -> str:
        return f"Cache policy of {self.tenant}"


class CacheSwitch(models.Model):
    """The one row that stops the semantic cache for everybody."""

    semantic_enabled = models.BooleanField(
        "semantic cache allowed", default=True, help_text="Kill switch for all tenants."
    )

    class Meta:
        verbose_name = "cache switch"
        verbose_name_plural = "cache switch"

    def __str__(self) -> str:
        return "Semantic cache of all tenants"


class CacheEntry(models.Model):
    """A stored answer with its question's vector (L2). The database key is (tenant_id, id)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    fingerprint = models.BinaryField(max_length=32)
    scope = models.BinaryField(max_length=32)
    embedder_id = models.CharField(max_length=120)
    vector = HalfVectorField()
    question = models.TextField()
    answer = models.JSONField()
    model = models.CharField(max_length=120)
    provider = models.CharField(max_length=63)
    complexity = models.CharField(max_length=10)
    key_public_id = models.CharField(max_length=20)
    request_id = models.UUIDField()
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "cache entries"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.id)
