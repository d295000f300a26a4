"""The pages as a person sees them."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.acceptance.stack import Stack

pytestmark = pytest.mark.browser

#: Without these Chromium asks its maker's servers at every start.
_QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


class Visit:
    """A page, and what went wrong on it."""

    def __init__(self, url: str, person: BrowserContext) -> None:
        self.url = url
        self.page: Page = person.new_page()
        self.outside: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.outside.append(request.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_QUIET.split())
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def admin(stack: Stack, browser: Browser) -> BrowserContext:
    """The demo's admin, signed in once: logins are limited."""
    env, context = stack.env, browser.new_context()
    page = context.new_page()
    page.goto(f"{env['HALFPENNY_URL']}/admin/")
    page.fill("input[name=username]", env["HALFPENNY_ADMIN_USER"])
    page.fill("input[name=password]", env["HALFPENNY_ADMIN_PASSWORD"])
    page.press("input[name=password]", "Enter")
    page.wait_for_load_state("networkidle")
    page.close()
    return context


@pytest.fixture
def visit(stack: Stack, admin: BrowserContext) -> Iterator[Visit]:
    made = Visit(stack.env["HALFPENNY_URL"], admin)
    yield made
    made.page.close()
    assert made.outside == []
    assert made.complaints == []


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/tenants/tenant/",
        "/admin/tenants/tenant/add/",
        "/admin/routing/provider/",
        "/admin/caching/cacheentry/",
        "/admin/analytics/requestrecord/",
        "/",
        "/docs",
    ],
)
def test_a_page_opens_without_complaint_or_outside_request(visit: Visit, path: str) -> None:
    visit.open(path)


def test_the_report_shows_what_was_saved_and_draws_it(stack: Stack, visit: Visit) -> None:
    for _ in range(2):
        stack.ask("What is the capital of Chile?")
    page = visit.open("/admin/analytics/requestrecord/report/")
    expect(page.locator("table")).to_contain_text("acme", timeout=10_000)
    assert page.locator("canvas").bounding_box() is not None


def test_the_tenants_page_moves_while_it_is_looked_at(stack: Stack, visit: Visit) -> None:
    page = visit.open("/t/acme/")
    expect(page.get_by_text("Live")).to_be_visible()
    before = stack.stats()["requests"]
    stack.ask("What is the capital of Ghana?")
    expect(page.locator("main")).to_contain_text(re.compile(rf"Requests\s*{before + 1}\b"), timeout=10_000)


def test_markup_in_a_prompt_stays_text(stack: Stack, visit: Visit) -> None:
    stack.ask("What does <img src=x onerror=alert(1)> <script>alert(2)</script> mean?")
    dialogs: list[str] = []
    visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page = visit.open("/admin/caching/cacheentry/")
    expect(page.locator("body")).to_contain_text("onerror=alert(1)", timeout=10_000)
    assert dialogs == []
