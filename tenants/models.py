"""Who owns what: users, tenants, their members and API keys, and the limits of requests."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail address, the only login name."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person: ops staff (`is_staff`) or a member of tenants."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("ops staff", default=False, help_text="May sign in to the admin.")
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.email


def _requests_limit(verbose_name: str) -> "models.PositiveIntegerField[int | None, int | None]":
    return models.PositiveIntegerField(
        verbose_name, null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: no limit."
    )


class Tenant(models.Model):
    """A company (or team) that owns keys, rules, entries and spend."""

    slug = models.SlugField(max_length=63, unique=True, help_text="Part of the address of the tenant's page.")
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True, help_text="An inactive tenant's keys answer 401.")
    requests_per_minute = _requests_limit("requests a minute")
    requests_per_day = _requests_limit("requests a day")
    policy_version = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name or self.slug


class Scope(models.TextChoices):
    """What an API key may do."""

    CHAT = "chat", "ask questions"
    STATS = "stats", "read its tenant's stats"
    CACHE_FEEDBACK = "cache:feedback", "report bad answers"
    CACHE_PURGE = "cache:purge", "purge the cache"


def default_scopes() -> list[str]:
    return [Scope.CHAT.value, Scope.STATS.value]


class ApiKey(models.Model):
    """What a caller presents. Only a digest is kept; the key itself is shown once, when it is issued."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    public_id = models.CharField(
        max_length=20, unique=True, editable=False, help_text="The part of the key that may be shown."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    label = models.CharField(max_length=120)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices), default=default_scopes)
    allowed_models = ArrayField(
        models.CharField(max_length=120),
        default=list,
        blank=True,
        help_text="Models and aliases that the key may use, comma-separated. Empty: all of them.",
    )
    requests_per_minute = _requests_limit("requests a minute")
    requests_per_day = _requests_limit("requests a day")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["tenant", "-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.label} ({self.public_id})"


class Membership(models.Model):
    """A person's part in a tenant: who may see its pages."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "viewer"
        ADMIN = "admin", "admin"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "tenant"], name="one_membership_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"


class GatewayLimit(models.Model):
    """The one row of limits that hold for all tenants together."""

    requests_per_minute = _requests_limit("requests a minute")
    policy_version = models.BigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = "gateway-wide limit"

    def __str__(self) -> str:
        return "Gateway-wide limit"
