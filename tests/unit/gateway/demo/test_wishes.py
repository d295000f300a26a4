from enum import Enum
from typing import Any

from pydantic import BaseModel, Field

from gateway.demo.wishes import Wishes


def satisfy(
    schema: Any, prompt: str = "Ada Lovelace was 36, she liked poetry", text: str = "So it is."
) -> Any:
    return Wishes(prompt, text).satisfy(schema)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Person(BaseModel):
    name: str
    age: int
    colour: Colour
    friends: list["Person"]
    note: str | None
    answer: str = Field(max_length=5)


def test_a_model_with_references_enums_and_itself_is_satisfied() -> None:
    person = Person.model_validate(satisfy(Person.model_json_schema()))
    assert person.age == 36
    assert person.answer == "So it"


def test_an_enumerated_value_is_the_one_that_the_prompt_names() -> None:
    schema = {"enum": ["celsius", "fahrenheit"]}
    assert satisfy(schema, "in Fahrenheit please") == "fahrenheit"
    assert satisfy(schema, "as you like") == "celsius"


def test_names_fill_strings_before_other_words() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert satisfy(schema, "What is the weather in Paris?") == {"city": "Paris"}


def test_bounds_lists_formats_and_merged_schemas_are_kept() -> None:
    schema = {
        "allOf": [
            {"type": "object", "properties": {"age": {"type": "integer", "minimum": 40}}},
            {
                "type": "object",
                "properties": {"days": {"type": "array", "minItems": 2, "items": {"format": "date"}}},
            },
        ]
    }
    assert satisfy(schema) == {"age": 40, "days": ["2026-01-01", "2026-01-01"]}


def test_a_schema_that_is_none_brings_a_word() -> None:
    assert isinstance(satisfy(None), str)
    assert isinstance(satisfy({"$ref": "#/nowhere"}), str)
