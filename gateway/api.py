"""The gateway's HTTP API (django-ninja): routes here, everything else in the modules it names."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import NinjaAPI

from gateway import cache_api, doors, embeddings_api, feedback_api, models_api, stats_api
from gateway.rendering import COMPLETIONS
from gateway.schemas import ChatAnswer, ChatCompletion, ChatRequest, CompletionRequest, ErrorBody

api = NinjaAPI(
    title="Halfpenny",
    version=settings.HALFPENNY_VERSION,
    description="A multi-tenant LLM gateway that never pays twice for the same answer.",
    docs_url="/docs",
    openapi_url="/openapi.json",
    urls_namespace="gateway",
    parser=doors.StrictParser(),
)
doors.register_error_handlers(api)

_REFUSALS = dict.fromkeys((401, 402, 403, 404, 413, 415, 422, 429, 502, 503, 504), ErrorBody)
_OPENAI_REFUSALS = dict.fromkeys((400, 401, 402, 403, 404, 413, 415, 429, 502, 503, 504), ErrorBody)


@api.post(
    "/chat",
    auth=doors.ChatDoor(),
    response={200: ChatAnswer, **_REFUSALS},
    summary="Ask a question",
    tags=["chat"],
)
async def chat(request: HttpRequest, question: ChatRequest) -> HttpResponseBase:
    """Answer from the caches if they know the question, else from the model that fits it."""
    return await doors.answer_chat(request, question)


@api.post(
    COMPLETIONS,
    auth=doors.ChatDoor(),
    response={200: ChatCompletion, **_OPENAI_REFUSALS},
    summary="Ask a question as OpenAI's SDKs do",
    tags=["openai"],
)
async def complete(request: HttpRequest, question: CompletionRequest) -> HttpResponseBase:
    """OpenAI's chat completions: `base_url` is all that an application changes."""
    return await doors.answer_chat(request, question)


api.add_router("", stats_api.router)
api.add_router("", cache_api.router)
api.add_router("", feedback_api.router)
api.add_router("", models_api.router)
api.add_router("", embeddings_api.router)
