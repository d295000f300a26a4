from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class CachingConfig(AppConfig):
    name = "caching"

    def ready(self) -> None:
        """Give the policy snapshot its parts, publish their changes, and each new tenant its policy."""
        from caching import selectors, services  # noqa: PLC0415 (they import models, which are ready only now)
        from caching.models import CachePolicy, CacheSwitch  # noqa: PLC0415
        from caching.policy import CacheRules, CacheSwitches  # noqa: PLC0415
        from tenants.models import Tenant  # noqa: PLC0415
        from tenants.policy import register_gateway_part, register_tenant_part  # noqa: PLC0415
        from tenants.snapshots import watch_model  # noqa: PLC0415

        register_tenant_part(CacheRules, selectors.build_cache_rules)
        register_gateway_part(CacheSwitches, selectors.build_switches)
        watch_model(CachePolicy, lambda policy: policy.tenant_id)
        watch_model(CacheSwitch, None)

        def saved(instance: Tenant, created: bool, raw: bool, **_: Any) -> None:
            # A fixture (`raw`) brings its own policies.
            if created and not raw:
                services.create_default_policy(instance)

        def deleted(instance: Tenant, **_: Any) -> None:
            services.forget_tenant(instance.pk)

        post_save.connect(saved, sender=Tenant, weak=False, dispatch_uid="caching.policy")
        post_delete.connect(deleted, sender=Tenant, weak=False, dispatch_uid="caching.entries")
