"""Addresses of the pages for people."""

from django.urls import path

from analytics import views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
    path("t/<slug:slug>/", views.tenant_page, name="tenant-page"),
]
