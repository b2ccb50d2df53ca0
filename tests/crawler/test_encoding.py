import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.encoding import decode, decode_with_evidence, is_garbled, plausibility

WORDS = "朱镕基与陶喆所说的养老服务补贴标准，每床每月300元。\r\n从2025年7月起执行，由市民政局负责解释。"
META = '<meta http-equiv="Content-Type" content="text/html; charset=gb2312">'


@pytest.mark.parametrize("codec", ["gb18030", "utf-8"])
@pytest.mark.parametrize(
    "header",
    [
        None,
        "text/html",
        "text/html; charset=GB2312",
        "text/html;charset=utf-8",
        "text/html; charset=ISO-8859-1",
    ],
)
@pytest.mark.parametrize(
    "declaration",
    [
        "",
        META,
        '<meta charset="utf-8">',
        '<meta charset="gb2312',
        "<meta http-equiv=Content-Type content='text/html;charset:gbk'>",
        '<meta charset="text/html; charset=GBK">',
        '<?xml version="1.0" encoding="GB2312"?>',
    ],
)
def test_no_declaration_makes_mojibake(codec: str, header: str | None, declaration: str) -> None:
    page = f"{declaration}<p>{WORDS}</p>"
    decoded = decode_with_evidence(page.encode(codec), header)
    assert (decoded.text, decoded.encoding, decoded.certain) == (page, codec, True)


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_with_and_without_mark(codec: str) -> None:
    page = f"<html><head>{META}</head><body>{WORDS}</body></html>"
    assert decode(page.encode(codec)) == page


def test_big5_is_told_with_and_without_declaration() -> None:
    page = "<title>臺北市政府</title><p>關於長期照顧服務補助標準之公告，自民國一百年起實施。</p>"
    assert decode(page.encode("big5"), "text/html; charset=big5") == page
    assert decode(page.encode("big5")) == page


def test_characters_that_only_gb18030_has() -> None:
    page = META + "䶮㙟𠮷镕喆：关于公布考核结果的通知"
    assert decode(page.encode("gb18030")) == page


def test_a_cut_inside_a_character_keeps_the_encoding_and_tells() -> None:
    for codec in ("utf-8", "gb18030"):
        decoded = decode_with_evidence((META + WORDS).encode(codec)[:-4])
        assert decoded.encoding == codec
        assert decoded.text.startswith(META + WORDS[:-5])


def test_one_damaged_byte_does_not_change_the_encoding_but_is_told() -> None:
    for codec in ("utf-8", "gb18030"):
        body = (META.replace("gb2312", codec) + WORDS * 5).encode(codec)
        damaged = body[:120] + b"\xff" + body[121:]
        decoded = decode_with_evidence(damaged)
        assert (decoded.encoding, decoded.certain) == (codec, False)
        assert "由市民政局负责解释" in decoded.text


@pytest.mark.parametrize("codec", ["gb18030", "latin-1", "cp1252"])
def test_text_that_was_garbled_before_is_found_out(codec: str) -> None:
    garbled = (WORDS * 3).encode().decode(codec, "replace")
    decoded = decode_with_evidence(garbled.encode())
    assert not decoded.certain
    assert is_garbled(decoded.text)


@pytest.mark.parametrize(
    "text",
    [
        WORDS,
        "臺灣省政府關於長期照顧服務之公告與補助標準",
        "Français déjà vu, naïve façade, été à Genève",
        "日本語のテキストです",
        "",
    ],
)
def test_honest_text_is_not_garbled(text: str) -> None:
    assert not is_garbled(text)
    assert decode_with_evidence(text.encode()).certain


def test_prose_is_plausible_and_its_misreading_is_not() -> None:
    assert plausibility(WORDS) > 0.9
    assert plausibility(WORDS.encode().decode("gb18030", "replace")) < 0.4


@given(st.binary(max_size=400), st.none() | st.text(max_size=40))
def test_no_bytes_raise(body: bytes, content_type: str | None) -> None:
    decode(body, content_type)
    decode(META.encode() + body, content_type)


@given(st.text(alphabet="关于养老服务补贴标准的通知每床每月元镕喆市民政局，。0123", min_size=12, max_size=80))
def test_chinese_survives_in_its_own_encoding(text: str) -> None:
    for codec in ("utf-8", "gb18030"):
        assert decode((META + text).encode(codec)) == META + text
