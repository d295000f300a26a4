"""The whole product for LangChain. Run by `make test-langchain`, which installs it beside our own packages."""

from tests.acceptance.conftest import stack

__all__ = ["stack"]
