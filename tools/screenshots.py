"""Every page of the demo's data as a picture, for a phone and for a desk: to be looked at, not compared.

    python tools/screenshots.py [FOLDER] [--dark] [--large]

Runs `pledgewatch demo`, waits until all its steps were shown, and takes the pictures with Debian's Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

WIDTHS = (390, 1280)  # pixels: a phone, a desk
ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update")

#: Name of the picture → the page, or where it stands and the pattern of the first link there that leads to it.
PAGES: dict[str, str | tuple[str, str]] = {
    "events": "/",
    "events-filtered": "/events?type=measure.*&region=云川市",
    "event": ("/events?type=measure.changed", r"/events/\d+"),
    "event-restated": ("/events?type=measure.restated", r"/events/\d+"),
    "documents": "/documents",
    "search": "/documents?q=护理型床位",
    "document": ("/documents?q=提案", r"/documents/\d+"),
    "difference": ("/documents?q=提案", r"/documents/\d+/diff"),
    "measures": "/measures",
    "measure-rate": ("/measures?q=护理型床位占比&region=云川市", r"/measures/[^?.]+"),
    "measure-subsidy": ("/measures?q=建设补贴&region=云川市", r"/measures/[^?.]+"),
    "regions": "/regions",
    "region-rate": ("/regions?q=护理型床位占比", r"/regions\?measure=.+"),
    "region-subsidy": ("/regions?q=建设补贴", r"/regions\?measure=.+"),
    "region-running": ("/regions?q=运营补贴", r"/regions\?measure=.+"),
    "sources": "/sources",
    "subscriptions": "/subscriptions?subscriber=analyst",
    "deliveries": "/deliveries",
    "account": "/account",
    "not-found": "/nothing",
}


@contextmanager
def demo() -> Iterator[str]:
    """The address of the demo's pages, once its last step is over."""
    program = Path(sys.executable).with_name("pledgewatch")
    with subprocess.Popen([program, "demo", "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = (re.search(r"网页仍可浏览：(\S+)", line) for line in process.stdout)
            found = next((match for match in told if match), None)
            if found is None:
                raise SystemExit("the demo ended early")
            yield found[1]
        finally:
            process.send_signal(signal.SIGINT)


def find(page: Page, base: str, where: str | tuple[str, str]) -> str:
    """The address of a page."""
    if isinstance(where, str):
        return where
    start, pattern = where
    page.goto(base + start)
    links = [link.get_attribute("href") or "" for link in page.locator("main a").all()]
    return next((link for link in links if re.fullmatch(pattern, link)), start)


def take(context: BrowserContext, base: str, folder: Path, ending: str) -> None:
    page = context.new_page()
    for name, where in PAGES.items():
        page.goto(base + find(page, base, where))
        page.screenshot(path=folder / f"{name}-{ending}.png", full_page=True)
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"))
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--large", action="store_true", help="large type")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    ending = "".join(f"-{name}" for name in ("dark", "large") if getattr(given, name))
    with demo() as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for width in WIDTHS:
            context = browser.new_context(
                viewport={"width": width, "height": 844},
                color_scheme="dark" if given.dark else "light",
            )
            if given.large:
                context.add_cookies([{"name": "type", "value": "large", "url": base}])
            take(context, base, given.folder, f"{width}{ending}")
            context.close()
        browser.close()
    print(given.folder)


if __name__ == "__main__":
    main()
