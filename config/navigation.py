"""The admin's side bar: what ops staff look at first comes first."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def _page(title: str, icon: str, view: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{view}"),
        "permission": _may(permission),
    }


def _list_of(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    return _page(title, icon, f"{app}_{model}_changelist", f"{app}.view_{model}")


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


NAVIGATION = [
    {
        "title": "What it saved",
        "items": [
            _page("Cost-saved report", "savings", "analytics_cost_report", "analytics.view_requestrecord"),
            _list_of("Request records", "receipt_long", "analytics", "requestrecord"),
        ],
    },
    {
        "title": "Who may ask",
        "items": [
            _list_of("Tenants", "apartment", "tenants", "tenant"),
            _list_of("API keys", "key", "tenants", "apikey"),
            _list_of("Users", "group", "tenants", "user"),
            _list_of("Gateway-wide limit", "speed", "tenants", "gatewaylimit"),
        ],
    },
    {
        "title": "Where calls go",
        "items": [
            _list_of("Providers", "cloud", "routing", "provider"),
            _list_of("Provider keys", "vpn_key", "routing", "providerkey"),
            _list_of("Models and prices", "sell", "routing", "model"),
            _list_of("Routing rules", "alt_route", "routing", "routingrule"),
        ],
    },
    {
        "title": "What is kept",
        "items": [
            _list_of("Cache policies", "tune", "caching", "cachepolicy"),
            _list_of("Cache entries", "inventory_2", "caching", "cacheentry"),
            _page("Judge pairs", "compare_arrows", "caching_judgedpair_judge", "caching.change_judgedpair"),
            _list_of("Tombstones", "block", "caching", "tombstone"),
            _list_of("Cache switch", "power_settings_new", "caching", "cacheswitch"),
            _list_of("Judged hits", "fact_check", "caching", "judgedpair"),
            _list_of("Floor changes", "swap_vert", "caching", "floorchange"),
        ],
    },
]
