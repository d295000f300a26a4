"""The one error shape also for what never reaches the API: unknown addresses, wrong methods, wrong hosts."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import async_only_middleware

from gateway import errors
from gateway.errors import Refusal

_REFUSALS: dict[int, Refusal] = {
    400: errors.BAD_REQUEST,
    404: errors.NOT_FOUND,
    405: errors.METHOD_NOT_ALLOWED,
}


@async_only_middleware
def json_errors(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    """Render Django's own refusals as the error object, except for browsers, which ask for text/html."""

    async def middleware(request: HttpRequest) -> HttpResponse:
        response = await get_response(request)
        refusal = _REFUSALS.get(response.status_code)
        if refusal is None or _is_json(response) or "text/html" in request.headers.get("Accept", ""):
            return response
        shaped = HttpResponse(refusal.body(), status=refusal.status, content_type="application/json")
        for name, value in response.headers.items():
            if not name.startswith("Content-"):
                shaped.headers[name] = value
        return shaped

    return middleware


def _is_json(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith("application/json")
