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

from tests.acceptance.stack import Stack, eventually

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
        "/admin/caching/cacheentry/purge/",
        "/admin/caching/judgedpair/",
        "/admin/caching/judgedpair/judge/",
        "/admin/caching/tombstone/",
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


_PAIR = """
INSERT INTO caching_judgedpair (id, tenant_id, origin, request_id, entry, scope, embedder_id, question,
    stored_question, similarity, verifier, floor, mode, verdict, label, method, judge, judged_by, note, cost_nano,
    created_at, texts_until)
SELECT gen_random_uuid(), entry.tenant_id, 'audit', gen_random_uuid(), entry.id, entry.scope, entry.embedder_id,
    %s, entry.question, %s, '', 0.85, 'strict', 'serve', 'unsure', 'embedding', '', '', '', 0,
    now(), now() + interval '1 day'
FROM caching_cacheentry AS entry WHERE question = %s RETURNING id
"""


def pairs_with(stack: Stack, stored: str, *questions: str) -> None:
    """Have an answer kept, and pairs of these questions with it to be judged, in this order."""
    stack.ask(stored)
    assert eventually(
        lambda: stack.rows("SELECT 1 FROM caching_cacheentry WHERE question = %s", stored) != []
    )
    for place, question in enumerate(questions):
        stack.rows(_PAIR, question, 0.86 + place / 100, stored)


def label_of(stack: Stack, question: str) -> str:
    ((label,),) = stack.rows("SELECT label FROM caching_judgedpair WHERE question = %s", question)
    return str(label)


def test_pairs_are_judged_by_keyboard(stack: Stack, visit: Visit) -> None:
    stored, same, other, unclear = (
        "What is the capital of Peru?",
        "Which city is Peru's capital?",
        "What is the capital of <b>Chile</b>?",
        "What about Peru?",
    )
    pairs_with(stack, stored, same, other, unclear)
    page = visit.open("/admin/caching/judgedpair/judge/")
    asked = page.locator("[data-asked]")
    expect(asked).to_contain_text(same)
    page.keyboard.press("s")
    expect(asked).to_contain_text("<b>Chile</b>")
    page.keyboard.press("s")
    expect(asked).to_contain_text(unclear)
    page.keyboard.press("ArrowLeft")
    expect(asked).to_contain_text("<b>Chile</b>")
    page.keyboard.press("d")
    expect(asked).to_contain_text(unclear)
    page.keyboard.press("x")
    expect(page.locator("body")).to_contain_text("Taken out")
    page.keyboard.press("u")
    expect(page.locator("body")).not_to_contain_text(unclear)
    assert [label_of(stack, each) for each in (same, other, unclear)] == ["same", "different", "unsure"]
    assert len(stack.rows("SELECT 1 FROM caching_tombstone")) == 1


def test_an_answer_by_hand_serves_other_ways_to_ask_within_a_second(stack: Stack, visit: Visit) -> None:
    question, otherwise = "Who founded the library of Quorndon?", "By whom was Quorndon's library founded?"
    pairs_with(stack, question)
    ((entry,),) = stack.rows("SELECT id FROM caching_cacheentry WHERE question = %s", question)
    page = visit.open(f"/admin/caching/cacheentry/{entry}/change/")
    page.fill("textarea[name=answer_text]", "Ada Quorn.")
    page.fill("textarea[name=new_variants]", otherwise)
    page.check("input[name=pinned]", force=True)
    page.click("button[name=_save]")
    expect(page.locator("body")).to_contain_text("1 of 1 questions share the answer now")
    assert eventually(lambda: stack.ask(question)["answer"] == "Ada Quorn.")
    served = stack.ask(otherwise)
    assert (served["answer"], served["cache"]["status"]) == ("Ada Quorn.", "hit_semantic"), served["cache"]


def test_a_purge_counts_before_it_deletes(stack: Stack, visit: Visit) -> None:
    question = "Which river runs through Cairo?"
    pairs_with(stack, question)
    page = visit.open("/admin/caching/cacheentry/purge/")
    page.select_option("select[name=tenant]", "acme")
    page.fill("input[name=prompt]", "RIVER*cairo")
    page.get_by_role("button", name="Count").click()
    expect(page.locator("[data-counted]")).to_contain_text("1 entries (0 pinned) and 1 exact answers of Acme")
    page.get_by_role("button", name="Delete them").click()
    expect(page.locator("body")).to_contain_text("deleted; every process knows it within a second")
    assert eventually(lambda: stack.ask(question, cache={"mode": "read_only"})["cache"]["status"] == "miss")
