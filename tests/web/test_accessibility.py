"""WCAG 2.2 A and AA on every page, judged by axe-core in a real browser: light, dark, large type, phone and desk."""

from __future__ import annotations

import re

from live import ALL, Service, violations, visit
from playwright.sync_api import Browser, Page, StorageState, ViewportSize

LOOKS: dict[str, object] = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block", "target-size"]}
}
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}

#: A page, or where it stands and the pattern of the first link there that leads to it.
PAGES = (
    *("/", "/events?baseline=1", "/documents", "/documents?q=护理型床位", "/measures", "/regions", "/sources"),
    *("/subscriptions", "/subscriptions?subscriber=analyst", "/subscriptions?deliver=never", "/deliveries"),
    *("/login", "/account", "/nothing", "/documents?q=没有这样的文件"),
    ("/events?baseline=1", r"/events/\d+"),
    ("/documents?q=提案", r"/documents/\d+"),
    ("/measures?q=护理型床位占比", r"/measures/[^?.]+"),
    ("/measures?q=运营补贴", r"/measures/[^?.]+"),
    ("/regions?q=建设补贴", r"/regions\?measure=.+"),
    ("/regions?q=运营补贴", r"/regions\?measure=.+"),
)


def test_no_page_shuts_anybody_out(service: Service, browser: Browser, session: StorageState) -> None:
    """All rules on a phone in the light; of the same page on a desk in the dark, what colours and widths decide; and
    in large type on the phone again."""
    found: list[str] = []
    with visit(browser, service.base, viewport=PHONE, storage_state=session) as made:
        page = made.page
        for where in PAGES:
            made.go(where if isinstance(where, str) else _first_link(page, service.base, *where))
            found += violations(page, ALL)
            page.emulate_media(color_scheme="dark")
            page.set_viewport_size(DESK)
            found += violations(page, LOOKS)
            page.emulate_media(color_scheme="light")
            page.set_viewport_size(PHONE)
            page.evaluate("document.documentElement.classList.add('large')")
            found += violations(page, LOOKS)
            if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
                found.append(f"{page.url}: too wide in large type")
    assert found == []


def test_the_judge_finds_what_is_wrong(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(
        "<html><body style='background: #fff'><img src='data:,'><p style='color: #aaa'>看不清的字</p></body></html>"
    )
    broken = {line.split()[1] for line in violations(page, ALL)}
    page.close()
    assert {"image-alt", "color-contrast", "html-has-lang", "document-title"} <= broken


def _first_link(page: Page, base: str, start: str, pattern: str) -> str:
    page.goto(base + start)
    links = [link.get_attribute("href") or "" for link in page.locator("main a").all()]
    return next(link for link in links if re.fullmatch(pattern, link))
