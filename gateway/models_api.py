"""`GET /v1/models`: the names that the calling key may ask for, as OpenAI's API lists models."""

from collections.abc import Iterator
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from caching.embedder import current_embedder_id
from gateway import doors, errors
from gateway.admission import Admission
from gateway.schemas import ErrorBody
from routing.catalog import Catalog, Target, TenantRules
from routing.selection import AUTO, askable_names

router = Router(tags=["models"])

#: Who owns what no provider does: the choice of a model, and the embedding model.
OURSELVES = "halfpenny"


class ModelInfo(Schema):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Schema):
    object: Literal["list"]
    data: list[ModelInfo]


@router.get(
    "/v1/models",
    auth=doors.KeyDoor("chat"),
    response={200: ModelList, **dict.fromkeys((401, 403, 503), ErrorBody)},
    summary="Models that this key may use",
)
async def list_models(request: HttpRequest) -> HttpResponse:
    """List `auto`, every model by its full and its short name, aliases, and the embedding model."""
    admission = doors.admission_of(request)
    return doors.json_answer(admission, {"object": "list", "data": list(_models(admission))})


@router.get(
    "/v1/models/{path:model}",
    auth=doors.KeyDoor("chat"),
    response={200: ModelInfo, **dict.fromkeys((401, 403, 404, 503), ErrorBody)},
    summary="One model",
)
async def show_model(request: HttpRequest, model: str) -> HttpResponse:
    """Describe one model; one that this key may not use is as unknown as one that isn't there."""
    admission = doors.admission_of(request)
    found = next((each for each in _models(admission) if each["id"] == model), None)
    if found is None:
        return doors.refused(request, errors.model_not_found(model))
    return doors.json_answer(admission, found)


def _models(admission: Admission) -> Iterator[dict[str, Any]]:
    """Yield what is listed, each name once."""
    catalog, rules = admission.gateway.part(Catalog), admission.tenant.part(TenantRules)
    names = askable_names(catalog, rules, admission.key.allows_model)
    for name, target in names.items():
        yield _model(name, None if name == AUTO else target)
    embedder = current_embedder_id()
    if embedder not in names and admission.key.allows_model(embedder):
        yield _model(embedder, None)


def _model(name: str, target: Target | None) -> dict[str, Any]:
    """`created` is when its oldest known price took effect: nobody told us when the model was made."""
    known_since = target.prices[-1].effective_from if target and target.prices else 0
    return {
        "id": name,
        "object": "model",
        "created": int(known_since),
        "owned_by": target.provider if target else OURSELVES,
    }
