"""How often pages may be asked for: counted by django-ratelimit in the state Redis."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django_ratelimit import ALL
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """So many requests (django-ratelimit's rate) of one caller, told apart by `key`."""

    group: str
    key: str | Callable[[str, HttpRequest], str]
    rate: str
    method: str | None = None
    closed: bool = False
    """Without Redis: refuse (503) rather than let everybody try."""


def email_asked(group: str, request: HttpRequest) -> str:
    """Return the e-mail address of a login, so that guesses from many addresses count together."""
    return request.POST.get("username", "").strip().lower()[:254]


PAGES = Limit(group="pages", key="user_or_ip", rate="120/m")
LOGIN_BY_ADDRESS = Limit(group="login-ip", key="ip", rate="20/m", method="POST", closed=True)
LOGIN_BY_EMAIL = Limit(group="login-email", key=email_asked, rate="10/5m", method="POST", closed=True)


def limited(*limits: Limit) -> Callable[[View], View]:
    """Answer 429 with Retry-After when one of the limits is reached."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return _refusal(request, limits) or view(request, *args, **kwargs)

        return checked

    return decorate


def _refusal(request: HttpRequest, limits: tuple[Limit, ...]) -> HttpResponse | None:
    for limit in limits:
        try:
            usage = get_usage(
                request,
                group=limit.group,
                key=limit.key,
                rate=limit.rate,
                method=limit.method or ALL,
                increment=True,
            )
        except RedisError as error:
            log.error("page limit not counted", extra={"limit": limit.group, "error": type(error).__name__})
            if limit.closed:
                return _page(request, 503, 5)
            continue
        if usage and usage["should_limit"]:
            return _page(request, 429, max(1, usage["time_left"]))
    return None


def _page(request: HttpRequest, status: int, seconds: int) -> HttpResponse:
    response = render(request, f"pages/{status}.html", {"seconds": seconds}, status=status)
    response["Retry-After"] = str(seconds)
    return response
