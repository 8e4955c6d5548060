"""The page in a real browser: headless Chromium, driven by selenium, both from packages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import ensembles
from orchestrator.audit.contradictions import COPIES, Contradiction, contradictions_csv
from orchestrator.runs.fronts import write_front
from orchestrator.runs.store import Store
from tests.orchestrator.report.conftest import page_of
from tests.orchestrator.report.made import Made, cast_into

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
CONTRAST = Path(__file__).with_name("contrast.js").read_text()
TABLE = """
const figure = [...document.querySelectorAll('figure.table')].find(
  (own) => own.querySelector('figcaption').textContent === arguments[0]);
"""
ROWS = (
    TABLE
    + """
return [...figure.querySelectorAll('tbody tr')].filter((row) => !row.hidden)
  .map((row) => [...row.cells].map((cell) => cell.textContent));
"""
)


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (CHROMIUM and DRIVER):
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # both paths are given, so that selenium looks for no download
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> str:
    """The address of a page with everything, of members enough to filter."""
    members = ("one", "two", "three", "four", "five", "six")
    run = Made(members=members, test_labels=True, shared=True).write(
        tmp_path_factory.mktemp("runs") / "e"
    )
    vote = cast_into(run)
    oof = ensembles.read_members(str(run / "tables"), "oof")
    write_front(Store(run), "soft", ensembles.pareto(oof, "soft"), vote.tables)
    table = oof["one"]
    two = {str(table.ids[row]): table.classes[table.label[row]] for row in (0, 3)}
    copies = [Contradiction(COPIES, "look the same", "label", two)]
    (run / "audit").mkdir()
    (run / "audit/contradictions.csv").write_text(contradictions_csv(copies))
    page = page_of(run)
    kinds = [row[0] for row in page.tables["Labels that contradict each other"]]
    assert set(kinds) == {"look-alikes", "group"}
    assert "refit" in {row[1] for row in page.tables["Points"]}
    return (run / "report.html").as_uri()


@pytest.fixture
def opened(browser, written):
    """The page, newly loaded, on a desktop in light."""
    show(browser, 1280, "light")
    browser.get(written)
    return browser


def show(browser, wide: int, scheme: str, media: str = "") -> None:
    metrics = {"width": wide, "height": 900, "deviceScaleFactor": 1, "mobile": wide < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def head(browser, table: str, column: str):
    return browser.execute_script(
        TABLE + "return [...figure.querySelectorAll('thead button')].find("
        "(own) => own.textContent === arguments[1]);", table, column
    )  # fmt: skip


def cells(browser, table: str, at: int) -> list[str]:
    return [row[at] for row in browser.execute_script(ROWS, table)]


def test_it_says_nothing_on_the_console_and_asks_for_nothing(browser, written):
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(written)
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"] for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]  # fmt: skip
    assert asked[0] == written
    assert [url for url in asked[1:] if not url.startswith("data:")] == []


def test_tables_sort_by_number_and_by_name(opened):
    table = "Members and votes"
    head(opened, table, "macro F1").click()
    numbers = [float(cell.split()[0]) for cell in cells(opened, table, 1)]
    assert numbers == sorted(numbers, reverse=True)
    head(opened, table, "macro F1").click()
    assert [float(cell.split()[0]) for cell in cells(opened, table, 1)] == sorted(numbers)
    sorted_by = head(opened, table, "macro F1").find_element("xpath", "..")
    assert sorted_by.get_attribute("aria-sort") == "ascending"
    head(opened, table, "name").click()
    names = cells(opened, table, 0)
    assert names == sorted(names)
    assert len(names) == 7


def test_every_button_of_every_table_sorts(opened):
    broken = opened.execute_script("""
      const broken = [];
      for (const button of document.querySelectorAll('thead button')) {
        const body = button.closest('table').tBodies[0];
        const rows = () => [...body.rows].map((row) => row.textContent).sort().join();
        const before = rows();
        button.click();
        const marked = button.parentElement.hasAttribute('aria-sort');
        if (!marked || rows() !== before) broken.push(button.textContent);
      }
      return broken;
    """)
    assert broken == []
    assert opened.get_log("browser") == []


def test_the_filter_leaves_rows_with_all_words(opened):
    from selenium.webdriver.common.keys import Keys

    table = "Members and votes"
    box = opened.execute_script(TABLE + "return figure.querySelector('input');", table)
    box.send_keys("tw MEMBER")
    assert cells(opened, table, 0) == ["two"]
    box.send_keys(" nowhere")
    assert cells(opened, table, 0) == []
    box.send_keys(Keys.CONTROL, "a", Keys.DELETE)
    assert len(cells(opened, table, 0)) == 7


def test_every_picture_is_drawn_at_a_size(opened):
    empty = opened.execute_script("""
      return [...document.querySelectorAll('img, svg')].filter((own) => {
        const box = own.getBoundingClientRect();
        own.scrollIntoView();
        const lost = own.tagName === 'IMG' && own.loading !== 'lazy' && !own.naturalWidth;
        return box.width < 5 || box.height < 5 || lost;
      }).map((own) => own.outerHTML.slice(0, 100));
    """)
    assert empty == []
    assert opened.execute_script("return document.images.length") > 18


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out(opened, scheme):
    show(opened, 1280, scheme)
    found = opened.execute_script(CONTRAST)
    assert len(found) > 500
    assert [own for own in found if own[0] < own[1]] == []
    paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_keyboard_reaches_and_uses_filters_and_buttons(opened):
    from selenium.webdriver.common.keys import Keys

    reached = []
    for _ in range(60):
        opened.switch_to.active_element.send_keys(Keys.TAB)
        own = opened.switch_to.active_element
        reached.append(own.get_attribute("aria-label") or own.text)
        if own.tag_name == "button" and own.text.startswith("accuracy"):
            break
    assert any(text.startswith("Filter the rows of: Members and votes") for text in reached)
    assert opened.switch_to.active_element.value_of_css_property("outline-style") == "solid"
    opened.switch_to.active_element.send_keys(Keys.ENTER)
    numbers = [float(cell.split()[0]) for cell in cells(opened, "Members and votes", 3)]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("wide", [320, 390, 768])
def test_a_narrow_page_does_not_run_over(opened, wide):
    show(opened, wide, "light")
    inner, whole = opened.execute_script(
        "return [innerWidth, document.documentElement.scrollWidth]"
    )
    assert inner == wide
    assert whole <= wide
    small = opened.execute_script("""
      return [...document.querySelectorAll('body *')].filter((own) => own.childElementCount === 0
        && own.textContent.trim() && own.getBoundingClientRect().width
        && parseFloat(getComputedStyle(own).fontSize) < 10).map((own) => own.outerHTML.slice(0, 80));
    """)
    assert small == []


def test_it_prints_whole(opened):
    show(opened, 1280, "dark", "print")
    hidden = "return getComputedStyle(document.querySelector(arguments[0])).display"
    assert opened.execute_script(hidden, "nav") == "none"
    assert opened.execute_script(hidden, ".filter") == "none"
    paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    heights = opened.execute_script(
        "return [...document.querySelectorAll('.scroll')].map((own) => getComputedStyle(own).maxHeight)"
    )
    assert set(heights) == {"none"}
    assert len(opened.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 10_000
