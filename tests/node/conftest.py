"""The whole product for OpenAI's client for Node. Run by `make test-node`: it needs Node and npm."""

from tests.acceptance.conftest import stack

__all__ = ["stack"]
