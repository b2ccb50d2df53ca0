"""The door, the button for a pass and the difference, in a real browser: what is typed, pressed and told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from live import ALL, NAME, Service, Visit, served, violations, visit
from playwright.sync_api import Browser, expect
from world import World

SOURCE = "云川市民政局"


def test_a_wrong_password_is_told_and_is_no_fault_of_the_page(visitor: Visit) -> None:
    page = visitor.page
    visitor.go("/sources")
    page.get_by_label("用户名").fill(NAME)
    page.get_by_label("密码").fill("not the password")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_have_text("用户名或密码不对。")
    expect(page.get_by_label("用户名")).to_have_value(NAME)
    assert violations(page, ALL) == []
    visitor.log_in()
    expect(page.get_by_role("heading", level=1)).to_have_text("来源")  # where one wanted to go
    assert visitor.faults == []


def test_a_pass_is_asked_for_and_followed_to_its_end(scriptless: Visit, service: Service) -> None:
    """Without script: what the page tells changes when it is asked again."""
    page = scriptless.page
    scriptless.go("/sources")
    scriptless.log_in()
    page.get_by_role("button", name=re.compile(f"立即读取.*{SOURCE}")).click()
    told = page.get_by_role("status")
    expect(told).to_contain_text(SOURCE)

    def over() -> bool:
        page.reload()
        return "已读取完毕" in told.inner_text()

    service.wait("the pass was over", over)
    expect(page.locator("tbody tr").first).to_contain_text(SOURCE)  # what was asked for comes first
    expect(page.locator("tbody tr").first).to_contain_text("正常")
    assert scriptless.faults == []


@pytest.fixture
def revised(tmp_path: Path, browser: Browser) -> Iterator[Visit]:
    """A document with two changes far apart, at a desk."""
    between = [f"第{n}项工作已经按计划开展，有关情况每季度向社会公布一次。" for n in range(12)]
    with World(tmp_path, config='[web]\nlisten = "127.0.0.1:0"') as world:
        world.publish(
            "reply", "关于第118号提案的答复", ["对养老机构给予5000元/张的补贴。", *between, "由市民政局负责。"]
        )
        with ThreadPoolExecutor(1) as apart:  # from the browser's event loop
            apart.submit(world.check).result()
            world.revise("reply", "5000元", "6000元")
            world.revise("reply", "由市民政局负责", "由市财政局负责")
            apart.submit(world.check).result()
        with served(world) as base, visit(browser, base, viewport={"width": 1280, "height": 700}) as made:
            yield made


@pytest.mark.parametrize("view", ["inline", "sides"])
def test_keys_go_from_change_to_change_once_one_is_there(revised: Visit, view: str) -> None:
    page = revised.page
    revised.go(f"/documents/1/diff?view={view}")
    first, second = page.locator("#change-1"), page.locator("#change-2")
    page.keyboard.press("n")  # nowhere yet: letters that nobody meant move nothing
    assert not page.url.endswith("#change-1")
    page.get_by_role("link", name="第一处变动").click()
    expect(first).to_be_focused()
    page.keyboard.press("n")
    expect(second).to_be_focused()
    expect(second).to_be_in_viewport()
    assert page.url.endswith("#change-2")
    page.keyboard.press("n")
    expect(second).to_be_focused()
    page.keyboard.press("p")
    expect(first).to_be_focused()
    assert violations(page, ALL) == [] and revised.faults == []
