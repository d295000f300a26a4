"""What the edge has done of a request when it hands it on, so that no step runs twice."""

from dataclasses import dataclass

from gateway.admission import Admission, Refused
from gateway.call import ChatCall
from gateway.pipeline import Begun

#: Where in the ASGI scope it travels.
AHEAD = "halfpenny.ahead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ahead:
    """An admission; and, if the body was a well-formed question, the call that has begun."""

    admitted: Admission | Refused
    call: ChatCall | None = None
    begun: Begun | None = None
