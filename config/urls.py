"""Addresses: the gateway's API at the root, the admin, the tenants' pages."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from analytics.limits import LOGIN_BY_ADDRESS, LOGIN_BY_EMAIL, limited
from gateway import health
from gateway.api import api

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path(f"{settings.ADMIN_PATH}login/", limited(LOGIN_BY_ADDRESS, LOGIN_BY_EMAIL)(admin.site.login)),
    path(settings.ADMIN_PATH, admin.site.urls),
    path("", include("analytics.urls")),
    path("", api.urls),
]
