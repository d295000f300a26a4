from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"

    def ready(self) -> None:
        # They import models, which are ready only now.
        from routing import selectors  # noqa: PLC0415
        from routing.catalog import Catalog, TenantRules  # noqa: PLC0415
        from routing.models import Model, ModelPrice, Provider, ProviderKey, RoutingRule  # noqa: PLC0415
        from tenants.policy import register_gateway_part, register_tenant_part  # noqa: PLC0415
        from tenants.snapshots import watch_model  # noqa: PLC0415

        register_gateway_part(Catalog, selectors.build_catalog)
        register_tenant_part(TenantRules, selectors.build_tenant_rules)
        watch_model(Provider, None)
        watch_model(ProviderKey, None)
        watch_model(Model, None)
        watch_model(ModelPrice, None)
        watch_model(RoutingRule, lambda rule: rule.tenant_id)
