"""LangChain before a running stack; run by tests/langchain/test_langchain.py in a Python of its own."""

import os
from uuid import uuid4

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

URL = os.environ["HALFPENNY_URL"] + "/v1"
KEY = SecretStr(os.environ["HALFPENNY_KEY"])


class GetWeather(BaseModel):
    """Look up the weather of a city."""

    city: str


class Place(BaseModel):
    city: str
    population: int


def marked(text: str) -> str:
    """Return a text that nobody has asked before."""
    return f"{text} ({uuid4().hex[:6]})"


def main() -> None:
    chat = ChatOpenAI(base_url=URL, api_key=KEY, model="auto", max_retries=0)

    answer = chat.invoke(marked("What is the capital of France?"))
    assert "Paris" in answer.text, answer
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] > 0

    pieces = list(chat.stream(marked("Why is the sky blue?"), stream_usage=True))
    assert len(pieces) > 5
    assert any(piece.usage_metadata for piece in pieces)

    question = HumanMessage(marked("Use GetWeather for Oslo"))
    equipped = chat.bind_tools([GetWeather])
    called = equipped.invoke([question])
    assert [call["args"] for call in called.tool_calls] == [{"city": "Oslo"}], called
    result = ToolMessage("17 degrees", tool_call_id=str(called.tool_calls[0]["id"]))
    assert "17 degrees" in equipped.invoke([question, called, result]).text

    place = chat.with_structured_output(Place).invoke(marked("The city Lisbon has 545000 people"))
    assert place == Place(city="Lisbon", population=545000), place

    # Texts as they are: token numbers would be those of another model's tokenizer.
    embeddings = OpenAIEmbeddings(base_url=URL, api_key=KEY, model="auto", check_embedding_ctx_length=False)
    vectors = embeddings.embed_documents(["The sky is blue", "Rust never sleeps"])
    assert [len(vector) for vector in vectors] == [384, 384]


if __name__ == "__main__":
    main()
