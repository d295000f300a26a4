"""What an examination finds, as values."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """How one part is. `remedy` says what to do about it; empty when all is well."""

    state: State
    detail: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The verdict on a part by its name."""

    name: str
    state: State
    detail: str
    remedy: str

    @property
    def line(self) -> str:
        """One line for people."""
        mend = f" -> {self.remedy}" if self.remedy else ""
        return f"{self.state:<8} {self.name:<17} {self.detail}{mend}"


def ok(detail: str) -> Verdict:
    return Verdict(state="ok", detail=detail)


def warning(detail: str, remedy: str) -> Verdict:
    return Verdict(state="warning", detail=detail, remedy=remedy)


def failed(detail: str, remedy: str) -> Verdict:
    return Verdict(state="failed", detail=detail, remedy=remedy)
