from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "gateway"

    def ready(self) -> None:
        """Make Django's system checks look at this deployment."""
        from gateway.checks import register_checks  # noqa: PLC0415 (it reads settings, which are ready only now)

        register_checks()
