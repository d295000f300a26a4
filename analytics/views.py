"""Pages for people: login, the list of their tenants, a tenant's figures."""

import logging

from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics.limits import LOGIN_BY_ADDRESS, LOGIN_BY_EMAIL, PAGES, limited
from analytics.live import Figure, live
from analytics.selectors import tenant_of_page, tenants_of
from tenants.database import DATABASE_ERRORS

log = logging.getLogger(__name__)

_MOST_LISTED = 200

login = limited(LOGIN_BY_ADDRESS, LOGIN_BY_EMAIL)(
    LoginView.as_view(template_name="pages/login.html", redirect_authenticated_user=True)
)
logout = LogoutView.as_view()


@require_safe
@never_cache
@limited(PAGES)
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """List the tenants whose pages the person may see."""
    return render(request, "pages/home.html", {"tenants": tenants_of(request.user)[:_MOST_LISTED]})


@require_safe
@never_cache
@limited(PAGES)
@login_required
def tenant_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a tenant's figures of this month; 404 to whoever is no member, as if there were none."""
    tenant = tenant_of_page(request.user, slug)
    if tenant is None:
        raise Http404("no such page")
    return render(request, "analytics/tenant.html", {"tenant": tenant, "figures": _figures(tenant.pk)})


def _figures(tenant_id: int) -> list[Figure]:
    try:
        return async_to_sync(live.figures)(tenant_id)
    except DATABASE_ERRORS as error:
        log.warning("page without figures", extra={"error": type(error).__name__})
        return []
