"""Addresses of sockets; the application mounts them behind the origin check and the login."""

from django.urls import path

from analytics.consumers import StatsConsumer

websocket_urlpatterns = [path("ws/t/<slug:slug>/stats", StatsConsumer.as_asgi())]
