"""What readers do, in a real browser over a running service: nothing fails, and no other host is asked."""

from __future__ import annotations

import re

from live import Service, Visit
from playwright.sync_api import expect

from pledgewatch.demo import papers


def test_an_operator_starts_a_pass_and_follows_the_alert_to_the_difference(service: Service, visitor: Visit) -> None:
    """Asked for at the door, where one wanted to go; the pass finds an edit; the alert's link shows it in place."""
    service.site.revise(papers.REPLY.slug, "5000元/张", "6000元/张")
    visitor.go("/sources")
    page = visitor.page
    assert "/login" in page.url
    visitor.log_in()
    expect(page.get_by_role("heading", level=1)).to_have_text("来源")
    page.get_by_role("button", name=re.compile("立即读取.*云川市民政局")).click()
    expect(page.get_by_role("status")).to_contain_text("云川市民政局")
    service.wait("the alert came", lambda: bool(service.alerts))
    links = re.findall(rf"{re.escape(service.base)}/[^\s\"\\)<]+", str(service.alerts[0]))
    difference = next(link for link in links if "/documents/" in link or "/events/" in link)
    page.goto(difference)
    if "/diff" not in page.url:
        page.get_by_role("link", name="前后比对").first.click()
    expect(page.locator("del", has_text="5000元/张").first).to_be_visible()
    expect(page.locator("ins", has_text="6000元/张").first).to_be_visible()
    assert visitor.faults == []


def test_search_leads_to_the_place_in_the_document(reader: Visit) -> None:
    page = reader.page
    page.get_by_role("navigation", name="栏目").get_by_role("link", name="文档").click()
    page.get_by_role("searchbox").fill("护理型床位")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name=papers.PLAN.title).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(papers.PLAN.title)
    expect(page.locator("main")).to_contain_text("养老机构护理型床位占比达到55%以上")
    assert reader.faults == []


def test_cities_are_compared_and_a_mark_leads_to_its_sentence(reader: Visit) -> None:
    page = reader.page
    page.get_by_role("navigation", name="栏目").get_by_role("link", name="对照").click()
    page.get_by_role("searchbox").fill("建设补贴")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="养老机构建设补贴").click()
    main = page.locator("main")
    for city in ("云川市", "岚江市", "沐溪市", "临湖市"):
        expect(main.get_by_role("rowheader", name=city)).to_be_visible()
    expect(main.get_by_role("heading", name="不能放在一起比较的")).to_be_visible()  # 望屿市 pays by the year
    plot = main.get_by_role("group", name=re.compile("各地对照"))
    plot.get_by_role("link", name=re.compile("^沐溪市")).first.click()
    expect(page.locator("mark:target")).to_have_text("12000元/张")
    assert reader.faults == []


def test_a_measure_over_time_has_its_plot_and_its_table(reader: Visit) -> None:
    page = reader.page
    reader.go("/measures?q=护理型床位占比&region=云川市")
    page.get_by_role("link", name="养老机构护理型床位占比").click()
    plot = page.get_by_role("group", name=re.compile("历次数字"))
    said = plot.get_by_role("link").all()
    rows = page.locator("tbody tr")
    assert len(said) == rows.count() == 4
    target = plot.get_by_role("link", name=re.compile("目标 55%以上.*期限 2027-12-31"))
    target.focus()
    page.keyboard.press("Enter")
    expect(page.locator("mark:target")).to_have_text("55%以上")
    assert reader.faults == []


def test_letters_grow_without_script_and_stay_large(scriptless: Visit) -> None:
    page = scriptless.page
    scriptless.go("/login")

    def size() -> str:
        return page.locator("html").get_attribute("class") or ""

    assert size() == ""
    page.get_by_role("button", name="大字").click()
    assert size() == "large" and page.url.endswith("/login")
    scriptless.log_in()
    assert size() == "large"
    page.get_by_role("button", name="标准字号").click()
    assert size() == ""
    assert scriptless.faults == []


def test_the_keyboard_reaches_the_text_first(reader: Visit) -> None:
    page = reader.page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="跳到正文")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_no_page_is_wider_than_a_phone(phone: Visit) -> None:
    for path in ("/", "/documents", "/measures", "/regions", "/sources", "/subscriptions?subscriber=analyst"):
        phone.go(path)
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_what_a_subscriber_would_get_is_tried(reader: Visit) -> None:
    page = reader.page
    page.get_by_role("navigation", name="栏目").get_by_role("link", name="订阅").click()
    page.get_by_role("combobox", name="订阅者").select_option("weekly")
    page.get_by_role("button", name="查看").click()
    expect(page.locator("pre")).to_contain_text('deliver = "mon 08:30"')
    assert "json:" not in page.content()
    page.get_by_label("何时发送").fill("some day")
    page.get_by_role("button", name="试算").click()
    expect(page.locator("main")).to_contain_text("deliver")
    expect(page.get_by_role("heading", name="请改正")).to_be_visible()
    assert reader.faults == []
