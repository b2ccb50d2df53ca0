import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.addresses import host_of, is_home, same_site, site_of
from storage.addresses import normal_address

KEY = normal_address("https://mzj.example.gov.cn/art/2025/7/7/art_1.html?a=1&b=2")


@pytest.mark.parametrize(
    "url",
    [
        "http://mzj.example.gov.cn/art/2025/7/7/art_1.html?a=1&b=2",
        "https://www.mzj.example.gov.cn/art/2025/7/7/art_1.html?a=1&b=2",
        "https://m.mzj.example.gov.cn/art/2025/7/7/art_1.html?b=2&a=1",
        "https://wap.mzj.example.gov.cn/art/2025/7/7/art_1.html?a=1&b=2#top",
        "http://MZJ.example.gov.cn:80/art/2025//7/./7/x/../art_1.html?a=1&b=2",
        "https://mzj.example.gov.cn:443/art/2025/7/7/art_1.html;jsessionid=AB12?a=1&b=2",
        "https://mzj.example.gov.cn/art/2025/7/7/%61rt_1.html?a=1&b=2&_t=1757900000000&utm_source=wx",
        "http://big5.example.gov.cn/gate/big5/mzj.example.gov.cn/art/2025/7/7/art_1.html?a=1&b=2",
        "  https://mzj.example.gov.cn/art/2025/7/7/art_1.html?a=1&b=2\n",
    ],
)
def test_spellings_of_one_page_meet(url: str) -> None:
    assert normal_address(url) == KEY


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.gov.cn/list.html?page=1", "https://a.gov.cn/list.html?page=2"),
        ("https://a.gov.cn/x/1.html", "https://a.gov.cn/x/2.html"),
        ("https://a.gov.cn/data?t=gw&p=1", "https://a.gov.cn/data?t=bm&p=1"),
        ("https://a.gov.cn/gkmlpt/api/all/5?sid=1", "https://a.gov.cn/gkmlpt/api/all/5?sid=2"),
        ("https://a.gov.cn:8080/", "https://a.gov.cn/"),
        ("https://a.gov.cn/A.html", "https://a.gov.cn/a.html"),
        ("https://mzj.a.gov.cn/", "https://czj.a.gov.cn/"),
    ],
)
def test_different_pages_stay_apart(one: str, other: str) -> None:
    assert normal_address(one) != normal_address(other)


def test_default_page_is_its_folder() -> None:
    assert normal_address("http://a.gov.cn/col/index.html") == normal_address("http://a.gov.cn/col/")
    assert normal_address("http://www.a.gov.cn") == normal_address("https://a.gov.cn/index.shtml")


def test_sites() -> None:
    assert site_of("http://mzj.wuhan.gov.cn/a") == "wuhan.gov.cn"
    assert same_site("https://www.wuhan.gov.cn/", "http://mzj.wuhan.gov.cn:8080/x")
    assert not same_site("https://www.wuhan.gov.cn/", "https://www.beijing.gov.cn/")
    assert not same_site("https://a.com.cn/", "https://b.com.cn/")
    assert not same_site("http://127.0.0.1/", "http://localhost/")
    assert not same_site("not an address", "nor this")
    assert host_of("HTTP://User@A.Gov.CN:80/x") == "a.gov.cn"


def test_home() -> None:
    assert is_home("https://a.gov.cn") and is_home("https://a.gov.cn/index.html")
    assert not is_home("https://a.gov.cn/?id=1") and not is_home("https://a.gov.cn/zwgk/")


@given(st.text())
def test_no_text_raises_and_the_key_is_stable(text: str) -> None:
    for url in (text, "http://" + text, "http://a.gov.cn/" + text):
        normal_address(url)
        is_home(url)
        same_site(url, "http://a.gov.cn/")


@given(
    st.from_regex(
        r"https?://(www\.)?[a-z]{1,5}\.gov\.cn(/[a-zA-Z0-9_.%~-]{0,6}){0,4}(\?[a-z]=[a-z0-9%+]{0,4})?",
        fullmatch=True,
    )
)
def test_the_key_of_a_key_is_itself(url: str) -> None:
    assert normal_address(normal_address(url)) == normal_address(url)
