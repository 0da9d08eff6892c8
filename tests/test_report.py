"""The report page: made of the saved comparison alone, safe whatever a name holds, and read back in a real browser."""

import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import lstm_signal as ls
from lstm_signal import figures
from lstm_signal.terms import means
from lstm_signal.units import SECTIONS
from tests.conftest import SHORT, TINY

CHROMIUM = shutil.which("chromium")
NASTY = '</script><img src=x onerror=alert(1)> & "it\'s"'
SIZES = [(1280, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def comparison(prices) -> ls.Comparison:
    models = ls.forecast(prices, [TINY, TINY.replace(cell="rnn")], SHORT, n_jobs=1, progress=False)
    compared = ls.compare(prices, models)
    fitted = TINY.fit(prices.iloc[:80])
    rates = fitted.rates(prices)
    rates.attrs["data_through"] = fitted.data_through.isoformat()
    return ls.Comparison(**(vars(compared) | {"rates": rates}))


@pytest.fixture(scope="module")
def ugly(prices) -> dict[str, ls.Comparison]:
    """Comparisons of which little can be said."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"forecast": random.normal(0, 0.01, 120), "mean": 0.0}, index=prices.index[60:180])
    holes = frame.assign(forecast=frame["forecast"].where(random.random(120) > 0.3))
    named = prices.copy()
    named.attrs["name"] = NASTY
    nasty = ls.Forecasts.from_frame(frame, name=NASTY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return {
            "a name full of markup": ls.compare(named, [nasty]),
            "no trades": ls.compare(prices, [ls.Forecasts.from_frame(frame, name="quiet")], threshold=99.0),
            "holes": ls.compare(prices, [ls.Forecasts.from_frame(holes, name="holes"), nasty]),
            "one bar": ls.compare(prices, [ls.Forecasts.from_frame(frame.iloc[:1], name="short")]),
        }


# Without a browser


def test_the_page_is_made_of_the_folder_alone(comparison, tmp_path, command_line):
    folder = comparison.save(tmp_path / "x")
    first = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    status, out, err = command_line("report", folder)
    assert (status, err) == (0, "")
    assert out == f"Written to {folder}/report.html\n"
    assert (folder / "report.html").read_bytes() == first
    status, out, _ = command_line("report", folder, "--json")
    assert json.loads(out) == {"file": f"{folder}/report.html"}
    assert command_line("report", tmp_path)[0] == 2


def test_it_is_one_file_of_moderate_size_that_names_no_other(comparison):
    drawn = comparison.page()
    assert 1e6 < len(drawn.encode()) < 8e6
    own = drawn.replace(figures_of(drawn), "")
    own = re.sub(r"<script>/\*\*.*?</script>", "", own, flags=re.DOTALL)  # plotly's own
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", own)
    assert "default-src 'none'" in own


def figures_of(drawn: str) -> str:
    return re.search(r'id="figures">(.*?)</script>', drawn, re.DOTALL)[1]


def test_no_name_leaves_its_place(ugly):
    drawn = ugly["a name full of markup"].page()
    assert "<img src=x" not in drawn
    assert "&lt;/script&gt;&lt;img src=x" in drawn
    assert "<" not in figures_of(drawn)
    json.loads(figures_of(drawn))


def test_every_measure_is_explained():
    for section, rows in SECTIONS.items():
        for key in rows or ["2005"]:
            assert means(section, key).endswith("."), (section, key)


def test_one_model_has_one_colour_and_each_its_own():
    names = ["mine", "lstm", "other", "rnn", "third"]
    found = figures.colors(names)
    assert found["lstm"] == figures.COLORS["lstm"]
    assert len(set(found.values())) == len(names)


@pytest.mark.parametrize("kind", ["run", "forecasts", "comparison"])
def test_figures_for_notebooks(comparison, prices, kind):
    model = ls.forecast(prices, TINY.replace(cell="linear"), SHORT, progress=False)
    figure = {"run": ls.backtest(prices, model), "forecasts": model, "comparison": comparison}[kind].plot()
    assert len(figure.data) >= 2
    assert figure.to_json()


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None and "CI" not in os.environ:
        pytest.skip("no Chromium is installed: the report page is not looked at (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # as root, in a container
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


def shown(browser: Browser, comparison: ls.Comparison, folder, width: int = 1280, scheme: str = "light") -> Page:
    """Open a comparison's page; nothing may be asked of the network, nor be said on the console."""
    said, asked = [], []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    place = folder / "report.html"
    place.write_text(comparison.page(), encoding="utf-8")
    page.goto(place.as_uri())
    page.wait_for_selector("body[data-drawn]", timeout=20_000)
    assert said == []
    assert asked == [place.as_uri()]
    return page


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_what_the_page_says_is_what_the_report_holds(browser, comparison, tmp_path, width, scheme):
    page = shown(browser, comparison, tmp_path, width, scheme)
    assert page.locator(".verdict li").all_inner_texts() == comparison.verdict
    cells = page.locator("table[data-section=trading] tbody tr").first.locator("td").all_inner_texts()
    trading = comparison.report["trading"]
    assert cells == [f"{100 * measures['annual_return']['value']:.2f}" for measures in trading.values()]
    header = page.locator("table[data-section=trading] thead th").all_inner_texts()
    assert header == [name.replace("buy_and_hold", "buy & hold") for name in trading]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert len(page.screenshot(full_page=True)) > 50_000
    page.close()


def test_charts_are_drawn_named_and_toggled_together(browser, comparison, tmp_path):
    page = shown(browser, comparison, tmp_path)
    charts = page.locator(".chart")
    names = [chart.get_attribute("id") for chart in charts.all()]
    expected = ("equity", "scatter", "gain", "years", "rates", "parts", "costs", "delays")
    assert names == [f"chart-{name}" for name in expected]
    assert all(chart.get_attribute("aria-label") for chart in charts.all())
    hidden = "name => document.getElementById(name).data.filter(t => t.meta === 'rnn').map(t => t.visible !== false)"
    assert all(page.evaluate(hidden, "chart-equity"))
    page.locator("input[data-model=rnn]").focus()
    page.keyboard.press("Space")
    for name in ("chart-equity", "chart-gain", "chart-costs"):
        assert not any(page.evaluate(hidden, name))
    page.close()


def test_charts_of_time_zoom_together(browser, comparison, tmp_path):
    page = shown(browser, comparison, tmp_path)
    page.evaluate("Plotly.relayout('chart-equity', {'xaxis.range': ['1999-06-01', '1999-08-01']})")
    ranges = "name => document.getElementById(name).layout.xaxis.range.map(String)"
    for name in ("chart-gain", "chart-rates"):
        for _ in range(50):  # the page forbids eval, by which playwright would wait
            first, last = page.evaluate(ranges, name)
            if first.startswith("1999-06-01") and last.startswith("1999-08-01"):
                break
            page.wait_for_timeout(100)
        else:
            raise AssertionError(f"{name} shows {first} to {last}")
    page.close()


def test_terms_are_explained_on_demand_and_tables_have_headers(browser, comparison, tmp_path):
    page = shown(browser, comparison, tmp_path)
    summary = page.locator("table[data-section=trading] summary").first
    note = page.locator("table[data-section=trading] details p").first
    assert not note.is_visible()
    summary.focus()
    page.keyboard.press("Enter")
    assert note.is_visible()
    assert note.inner_text() == means("trading", "annual_return")
    for table in page.locator("table").all():
        assert table.locator("caption").count() == 1
        assert table.locator("thead th[scope=col]").count() == table.locator("tbody tr").first.locator("td").count()
    assert page.locator("main, header, nav").count() == 3
    page.close()


@pytest.mark.parametrize("kind", ["a name full of markup", "no trades", "holes", "one bar"])
def test_the_ugliest_inputs_have_a_page(browser, ugly, tmp_path, kind):
    page = shown(browser, ugly[kind], tmp_path, 390, "light")
    assert page.locator(".verdict li").all_inner_texts() == ugly[kind].verdict
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("img").count() == 0
    page.close()
