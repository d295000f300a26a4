"""The ASGI application: bounds, then the edge, then Django (HTTP) or Channels (WebSockets)."""

# ruff: noqa: E402 (Django has to be ready before anything that touches models is imported)
import os
from typing import cast

from asgiref.typing import ASGI3Application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

import config.celery  # noqa: F401 (tasks published by web find the broker)
from analytics.routing_ws import websocket_urlpatterns
from gateway.edge import Edge
from gateway.inbound import InboundGuard
from gateway.lean import DataPlaneFirst
from gateway.lifespan import Lifespan

if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
    from config import telemetry

    telemetry.start()

websockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))
behind_the_edge = ProtocolTypeRouter({"http": DataPlaneFirst(django_application), "websocket": websockets})
edge = Edge(behind_the_edge)
guard = InboundGuard(cast(ASGI3Application, edge))
application = Lifespan(guard, at_once=guard.bounded(edge.at_once))
