"""What is cached and by which policy."""

import uuid
from decimal import Decimal

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
    balanced_floor = models.FloatField(
        "floor in balanced mode",
        default=0.80,
        validators=[MinValueValidator(0.5), MaxValueValidator(1.0)],
        help_text="The verifier makes a lower one safe: its limit rises as the similarity falls.",
    )
    tuned_floor = models.FloatField(
        "floor raised by audits",
        null=True,
        blank=True,
        editable=False,
        help_text="Counts where it is higher than the floor.",
    )
    ttl_seconds = models.PositiveIntegerField(
        "TTL in seconds", default=86_400, help_text="Of facts that change slowly."
    )
    static_ttl_seconds = models.PositiveIntegerField(
        "TTL of static facts", default=7 * 86_400, help_text="In seconds."
    )
    live_ttl_seconds = models.PositiveIntegerField(
        "TTL of live facts", default=0, help_text="In seconds; 0: what depends on the moment isn't kept."
    )
    max_ttl_seconds = models.PositiveIntegerField("greatest TTL a caller may ask for", default=7 * 86_400)
    sharing = models.CharField(max_length=10, choices=Sharing.choices, default=Sharing.KEY)
    personal = models.CharField(
        "treated as personal", max_length=12, choices=Personal.choices, default=Personal.DETAILS
    )
    freshness_cut = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="Freshness score from which a question isn't static; empty: the model's own.",
    )
    stale_while_revalidate_seconds = models.PositiveIntegerField(
        "served stale while asked anew",
        default=0,
        help_text="Seconds after its TTL for which an answer is still served, marked, and asked anew behind.",
    )
    stale_on_error_seconds = models.PositiveIntegerField(
        "served stale on error",
        default=0,
        help_text="Seconds after its TTL for which an answer is served, marked, when upstream fails.",
    )
    guard_numbers = models.BooleanField("guard: numbers must agree", default=True)
    guard_units = models.BooleanField("guard: units and currencies must agree", default=True)
    guard_polarity = models.BooleanField("guard: negation and opposites must agree", default=True)
    guard_identifiers = models.BooleanField(
        "guard: identifiers must agree",
        default=True,
        help_text="And kinds of things, and what fills the one gap between two questions.",
    )
    guard_quotes = models.BooleanField("guard: quoted text must agree", default=True)
    guard_coreference = models.BooleanField("guard: he, she and they must agree", default=True)
    guard_names = models.BooleanField(
        "guard: names must agree", default=False, help_text="Refuses many true paraphrases too."
    )
    audits_enabled = models.BooleanField(
        "audits", default=True, help_text="A sample of semantic hits is asked upstream again and compared."
    )
    audit_budget_usd = models.DecimalField(
        "audit budget in USD a month", max_digits=10, decimal_places=2, default=Decimal(5)
    )
    target_wrong_share = models.FloatField(
        "target of wrong hits",
        default=0.02,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="Share of semantic hits; above it audits raise the floor.",
    )
    judge_model = models.CharField(
        "judge",
        max_length=120,
        blank=True,
        help_text="Model that is asked whether two answers say the same; empty: none is.",
    )
    max_turns = models.PositiveIntegerField(
        "longest conversation that L2 answers", default=8, help_text="User and assistant turns."
    )
    max_entries = models.PositiveIntegerField("most entries kept in L2", default=100_000)
    max_bytes = models.PositiveBigIntegerField("most bytes kept in L2", default=1 << 30)
    epoch = models.PositiveIntegerField(
        default=0, editable=False, help_text="Part of every fingerprint; raising it empties the cache."
    )

    class Meta:
        verbose_name_plural = "cache policies"

    def __str__(self) -> str:
        return f"Cache policy of {self.tenant}"

    @property
    def staff_floor(self) -> float:
        """The floor of the mode, before audits."""
        return self._floor_set_for(self.semantic_mode)

    @property
    def floor_in_effect(self) -> float:
        return self.floor_under(self.semantic_mode)

    def floor_under(self, mode: str) -> float:
        """Return the floor that would be in effect under a mode."""
        return max(self._floor_set_for(mode), self.tuned_floor or 0.0)

    def _floor_set_for(self, mode: str) -> float:
        return self.balanced_floor if mode == self.Mode.BALANCED else self.floor


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
    alias_of = models.UUIDField(
        null=True, blank=True, help_text="The entry whose answer this question shares; it goes with it."
    )
    pinned = models.BooleanField(
        default=False, db_default=False, help_text="Kept beyond its TTL until somebody unpins it."
    )
    edited_at = models.DateTimeField(null=True, blank=True)
    edited_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    saved_nano = models.BigIntegerField(
        default=0, db_default=0, help_text="What its hits saved lately, brought up to date in batches."
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "cache entries"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.id)


class JudgedPair(models.Model):
    """A question beside the stored one that was found for it, and whether one answer serves both.

    Texts are blanked when `texts_until` has passed; what was decided and judged is kept for the figures.
    """

    class Origin(models.TextChoices):
        AUDIT = "audit", "audit: a served hit was asked upstream again"
        SHADOW = "shadow", "shadow: upstream's answer was at hand"
        NEAR_MISS = "near_miss", "near miss: refused, and upstream's answer was at hand"
        FEEDBACK = "feedback", "feedback of a caller or of staff"

    class Label(models.TextChoices):
        NONE = "", "not judged"
        SAME = "same", "one answer serves both"
        DIFFERENT = "different", "the answers differ"
        UNSURE = "unsure", "cannot be told"

    class Method(models.TextChoices):
        NONE = "", "not judged"
        EXACT = "exact", "answers are equal"
        NORMALISED = "normalised", "answers are equal but for form"
        EMBEDDING = "embedding", "similarity of the answers"
        JUDGE = "judge", "a model was asked"
        CALLER = "caller", "feedback of the application"
        STAFF = "staff", "judged by staff"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    origin = models.CharField(max_length=10, choices=Origin.choices)
    request_id = models.UUIDField()
    entry = models.UUIDField()
    scope = models.BinaryField(max_length=32)
    embedder_id = models.CharField(max_length=120)
    question = models.TextField(blank=True)
    stored_question = models.TextField(blank=True)
    similarity = models.FloatField()
    verifier_score = models.FloatField(null=True, blank=True)
    verifier = models.CharField(max_length=120, blank=True, default="")
    floor = models.FloatField(help_text="In effect when it was decided.")
    mode = models.CharField(max_length=10)
    verdict = models.CharField(max_length=32, help_text="`serve`, or why the neighbour was refused.")
    label = models.CharField(max_length=10, choices=Label.choices, blank=True, default="")
    method = models.CharField(max_length=10, choices=Method.choices, blank=True, default="")
    judge = models.CharField(
        max_length=160, blank=True, default="", help_text="Model and version of the prompt."
    )
    judged_by = models.CharField(max_length=150, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    cost_nano = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    judged_at = models.DateTimeField(null=True, blank=True)
    texts_until = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["tenant", "created_at"]),
            models.Index(
                fields=["texts_until"], condition=~models.Q(question=""), name="caching_judgedpair_texts"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Tombstone(models.Model):
    """A stored question whose answer must not serve questions near this one, whatever the decision says.

    The stored question is named by its fingerprint: it keeps it when it expires and is asked anew.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    entry = models.UUIDField(help_text="The entry when it was buried.")
    fingerprint = models.BinaryField(max_length=32)
    scope = models.BinaryField(max_length=32)
    embedder_id = models.CharField(max_length=120)
    vector = HalfVectorField()
    least_similarity = models.FloatField(help_text="To the vector, from which questions count as near.")
    request_id = models.UUIDField(null=True, blank=True)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "scope"]),
            models.Index(fields=["created_at"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "request_id", "fingerprint"], name="caching_tombstone_once"
            )
        ]

    def __str__(self) -> str:
        return str(self.id)


class FloorChange(models.Model):
    """A change of the floor in effect by audits, with the evidence it was made on."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    before = models.FloatField()
    after = models.FloatField()
    audited = models.PositiveIntegerField()
    wrong = models.PositiveIntegerField()
    reason = models.CharField(max_length=200)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["tenant", "created_at"])]

    def __str__(self) -> str:
        return f"{self.before:.3f} to {self.after:.3f}"
