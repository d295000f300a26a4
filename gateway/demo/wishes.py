"""Values that satisfy simple JSON schemas, filled from the words and numbers of the prompt."""

import re
from collections.abc import Iterator
from itertools import chain, cycle
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])-?\d{1,12}(?:\.\d{1,6})?(?!\w)")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_DEEPEST = 12
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
#: Properties that hold an answer rather than something out of the question.
_PROSE = re.compile(r"answer|text|summary|reason|explanation|description|output|content", re.IGNORECASE)


class Wishes:
    """What a prompt has to fill a schema with: names first, then other words; its numbers; the answer's text."""

    def __init__(self, prompt: str, text: str) -> None:
        words = [word for word in _WORD.findall(prompt) if len(word) > 2]
        names = [word for word in words[1:] if word[0].isupper()]
        self._words: Iterator[str] = cycle(
            [*names, *(word for word in words if word not in names)] or ["thing"]
        )
        self._numbers: Iterator[float] = chain(map(float, _NUMBER.findall(prompt)), cycle([1.0]))
        self._text = text

    def satisfy(self, schema: Any) -> Any:
        """Return a value for a schema (types, enum, const, anyOf, allOf, $ref and bounds are looked at)."""
        root = schema if isinstance(schema, dict) else {}
        return self._value(root, root, name="", depth=0)

    def _value(self, schema: Any, root: dict[str, Any], *, name: str, depth: int) -> Any:
        schema = _resolved(schema, root)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._enumerated(schema["enum"])
        match _type_of(schema):
            case "object":
                return self._object(schema, root, depth)
            case "array":
                return self._array(schema, root, name, depth)
            case kind:
                return self._scalar(kind, schema, name)

    def _scalar(self, kind: str, schema: dict[str, Any], name: str) -> str | float | None:
        match kind:
            case "integer":
                return int(_bounded(next(self._numbers), schema))
            case "number":
                return _bounded(next(self._numbers), schema)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _object(self, schema: dict[str, Any], root: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        # A schema that contains itself ends where nothing more is required.
        wanted = properties if depth < _DEEPEST // 2 else set(schema.get("required") or ())
        if depth >= _DEEPEST:
            return {}
        return {
            name: self._value(part, root, name=name, depth=depth + 1)
            for name, part in properties.items()
            if name in wanted
        }

    def _array(self, schema: dict[str, Any], root: dict[str, Any], name: str, depth: int) -> list[Any]:
        least = schema.get("minItems", 0 if depth >= _DEEPEST // 2 else 1)
        count = min(least, 100) if isinstance(least, int) else 1
        if depth >= _DEEPEST:
            return []
        return [self._value(schema.get("items"), root, name=name, depth=depth + 1) for _ in range(count)]

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if (fixed := _FORMATS.get(str(schema.get("format")))) is not None:
            return fixed
        text = self._text if _PROSE.search(name) else next(self._words)
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if isinstance(least, int):
            text = text.ljust(min(least, 10_000), ".")
        return text[:most] if isinstance(most, int) else text

    def _enumerated(self, values: list[Any]) -> Any:
        """Return the value that the prompt names, else the first."""
        said = {str(value).lower(): value for value in reversed(values)}
        words = " ".join(next(self._words) for _ in range(50)).lower().split()
        return next((said[word] for word in words if word in said), values[0])


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """Follow references and take the first alternative that isn't null."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict):
            return {}
        if isinstance(schema.get("$ref"), str):
            schema = _referred(schema["$ref"], root)
        elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
            schema = next((one for one in alternatives if one != {"type": "null"}), alternatives[0])
        elif isinstance(schema.get("allOf"), list):
            schema = _merged(schema, root)
        else:
            return schema
    return {}


def _referred(reference: str, root: dict[str, Any]) -> Any:
    place: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        place = place.get(step) if step and isinstance(place, dict) else place
    return place


def _merged(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    merged = {name: value for name, value in schema.items() if name != "allOf"}
    for part in schema["allOf"]:
        resolved = _resolved(part, root) if part is not schema else {}
        properties = {**merged.get("properties", {}), **resolved.get("properties", {})}
        merged = {**merged, **resolved, **({"properties": properties} if properties else {})}
    return merged


def _type_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None and "properties" in schema:
        return "object"
    return str(kind)


def _bounded(number: float, schema: dict[str, Any]) -> float:
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(most, int | float):
        number = min(number, most)
    return max(number, least) if isinstance(least, int | float) else number
