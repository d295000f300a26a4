"""Where calls may go, what they cost there, and by which rules one is chosen."""

import uuid
from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from routing.selection import AUTO
from tenants.models import Tenant


class Provider(models.Model):
    """A vendor API (or our own server) and how it is spoken to."""

    class Kind(models.TextChoices):
        OPENAI = "openai", "OpenAI-compatible"
        ANTHROPIC = "anthropic", "Anthropic Messages"
        GEMINI = "gemini", "Google Gemini"

    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.OPENAI)
    # Not a URLField: that refuses the one-word names of self-hosted servers; see base_urls.py for what is refused.
    base_url = models.CharField(
        "base URL",
        max_length=300,
        help_text="Up to and including the version, e.g. https://api.openai.com/v1",
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class ProviderKey(models.Model):
    """A secret held for a provider, encrypted at rest; it can be replaced, never read back."""

    uid = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False, help_text="What the ciphertext is bound to."
    )
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="keys")
    label = models.CharField(max_length=120)
    weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="Its share of the conversations, beside the provider's other keys.",
    )
    ciphertext = models.BinaryField(editable=False)
    hint = models.CharField(max_length=8, editable=False, help_text="Its last four characters.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["provider", "label"]

    def __str__(self) -> str:
        return f"{self.label} (…{self.hint})"


def _seconds(verbose_name: str) -> "models.FloatField[float | None, float | None]":
    return models.FloatField(
        verbose_name,
        null=True,
        blank=True,
        validators=[MinValueValidator(0.05), MaxValueValidator(3600.0)],
        help_text="Seconds; empty: as for all models.",
    )


class Model(models.Model):
    """One model at one provider."""

    class Tier(models.TextChoices):
        CHEAP = "cheap", "cheap: easy prompts"
        STRONG = "strong", "strong: hard prompts"

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=120, help_text="As callers write it.")
    upstream_name = models.CharField(max_length=200, help_text="As the provider writes it.")
    tier = models.CharField(max_length=10, choices=Tier.choices)
    context_tokens = models.PositiveIntegerField(default=128_000)
    is_active = models.BooleanField(default=True)
    aliases = ArrayField(
        models.CharField(max_length=120),
        default=list,
        blank=True,
        help_text="Other names for it, comma-separated.",
    )
    connect_seconds = _seconds("connect within")
    first_token_seconds = _seconds("first token within")
    between_chunks_seconds = _seconds("longest silence in a stream")
    total_seconds = _seconds("answer within")

    class Meta:
        ordering = ["provider", "name"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "name"], name="one_model_name_per_provider")
        ]

    def __str__(self) -> str:
        return f"{self.provider.slug}/{self.name}"

    def clean(self) -> None:
        if AUTO in (self.name, *(self.aliases or ())):
            raise ValidationError(f"'{AUTO}' is the caller's leave to choose; no model can be called that.")


def _price(verbose_name: str) -> "models.DecimalField[Decimal | float | str, Decimal]":
    return models.DecimalField(
        verbose_name, max_digits=14, decimal_places=6, default=0, validators=[MinValueValidator(0)]
    )


class ModelPrice(models.Model):
    """US dollars per million tokens from a moment on; the latest that has begun holds."""

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="prices")
    effective_from = models.DateTimeField(default=timezone.now)
    input_usd = _price("input, USD per million tokens")
    output_usd = _price("output, USD per million tokens")
    cache_read_usd = _price("provider-cached input, USD per million tokens")
    cache_write_usd = _price("input written to the provider's cache, USD per million tokens")

    class Meta:
        ordering = ["model", "-effective_from"]
        constraints = [
            models.UniqueConstraint(fields=["model", "effective_from"], name="one_price_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.effective_from:%Y-%m-%d}"


class RoutingRule(models.Model):
    """If the conditions hold, where the call goes. The lowest priority number that matches wins."""

    class Action(models.TextChoices):
        ROUTE = "route", "send to the target"
        DENY = "deny", "refuse with 403"

    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="routing_rules",
        help_text="Empty: for all tenants, after a tenant's own rules.",
    )
    name = models.SlugField(max_length=63, help_text="Shown in each answer that it decided.")
    priority = models.PositiveIntegerField(default=100)
    is_active = models.BooleanField(default=True)
    model_asked = models.CharField(
        "when the caller asks for",
        max_length=120,
        default="auto",
        help_text="'auto' is the caller's leave to choose; a model's name or alias can only be refused.",
    )
    min_score = models.FloatField(
        "complexity from", default=0.0, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]
    )
    max_score = models.FloatField(
        "complexity below (1 = any)", default=1.0, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]
    )
    tags = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        help_text="Tags that the request must all have, comma-separated.",
    )
    action = models.CharField(max_length=10, choices=Action.choices, default=Action.ROUTE)
    target = models.ForeignKey(Model, on_delete=models.CASCADE, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["priority", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"], name="one_rule_name_per_tenant", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(min_score__lte=models.F("max_score")), name="rule_scores_in_order"
            ),
            models.CheckConstraint(
                condition=Q(action="deny") | Q(target__isnull=False), name="route_needs_a_target"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.min_score > self.max_score:
            raise ValidationError({"max_score": "The range ends before it begins."})
        if self.action == self.Action.ROUTE and self.target is None:
            raise ValidationError({"target": "Where should it go?"})
        if self.action == self.Action.ROUTE and self.model_asked != AUTO:
            raise ValidationError(
                {"model_asked": f"A named model goes exactly there; only '{AUTO}' can be routed."}
            )
