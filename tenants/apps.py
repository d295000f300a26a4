from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from tenants import snapshots  # noqa: PLC0415 (it imports models, which are ready only now)

        snapshots.connect_models()
