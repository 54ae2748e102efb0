"""The status page in a real Chromium: it asks for nothing but itself, keeps itself fresh, and everybody can read it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "promises"))

from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, Shown, chromium
from collectors import exchange, get, running
from playwright.sync_api import Error
from status_world import EMPTY, TROUBLE, WELL
from test_l30_sealed import TOKEN, Guarded, sealed_operation

from collector.manage.status.script import EVERY_SECONDS, STALE_SECONDS
from collector.manage.status.style import DARK, LIGHT

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
WIDE, TELEPHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser():
    """One for all tests of this module."""
    with chromium() as started:
        yield started


@pytest.fixture
def shown():
    """The application with a look that is well."""
    with Shown(WELL) as served:
        yield served


class Visit:
    """A page in a context of its own, and everything that it said and asked for."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.clock.install()
        self.page.goto(address)

    def pass_time(self, seconds):
        """Timers run as though so long had passed, and what they begin is done."""
        self.page.clock.run_for(seconds * 1000)
        self.page.wait_for_timeout(300)

    @property
    def text(self):
        return self.page.inner_text("body")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def test_it_asks_for_nothing_but_itself_and_stays_fresh(browser, tmp_path) -> None:
    """A real collector's page: no console message, no request but for the page; a check-in appears without a reload, and what
    was opened stays open.
    """
    with running(tmp_path) as made:
        address = f"http://127.0.0.1:{made.manage_port}/"
        with Visit(browser, address) as visit:
            assert "All is well" in visit.text
            assert "No check-in has come" in visit.text
            visit.page.click("#fates > summary")
            assert visit.page.is_visible("text=in the journal, under the order")
            for _ in range(3):
                exchange(made.port, get())
            made.settled_fates(3)
            visit.page.wait_for_timeout(1100)
            visit.pass_time(EVERY_SECONDS + 1)
            visit.page.wait_for_function("document.querySelector('.terms .accepted dd').textContent === '3'")
            assert visit.page.is_visible("text=in the journal, under the order")
            assert visit.page.evaluate("document.activeElement.parentElement.id") == "fates"
            assert set(visit.asked) == {address}
            assert visit.said == []


def test_without_script_everything_is_there(browser, shown) -> None:
    """With JavaScript off numbers, tables and pictures are visible, nothing is offered that would not work, and it says so."""
    with Visit(browser, shown.address, java_script_enabled=False) as visit:
        for words in ("66,226,010", "61,204,331", "812,345", "op-1", "cert-a", "loads itself anew"):
            assert words in visit.text
        assert visit.page.is_visible("#bar rect.recorded")
        assert visit.page.is_visible("#hour path.recorded")
        assert not visit.page.is_visible("#pause")
        visit.page.click("#hour-figures > summary")
        assert visit.page.is_visible("#hour-figures td >> nth=0")
        assert set(visit.asked) == {shown.address}
        assert visit.said == []


def test_trouble_comes_and_goes_by_itself(browser, shown) -> None:
    """A page that was well shows trouble at its next look, in its heading, title and icon, and is well again after it."""
    with Visit(browser, shown.address) as visit:
        icon = visit.page.get_attribute("link[rel=icon]", "href")
        shown.look = TROUBLE
        visit.page.wait_for_timeout(1100)
        visit.pass_time(EVERY_SECONDS + 1)
        visit.page.wait_for_function("document.title.startsWith('In trouble')")
        assert "Nothing is recorded: the disk refuses writes" in visit.text
        assert visit.page.get_attribute("link[rel=icon]", "href") != icon
        shown.look = WELL
        visit.page.wait_for_timeout(1100)
        visit.pass_time(EVERY_SECONDS + 1)
        visit.page.wait_for_function("document.title.startsWith('All is well')")
        assert visit.said == []


def test_an_old_page_says_that_it_is_old(browser, shown) -> None:
    """When nobody answers any more the page says so, unmistakably and as an alert, until somebody does."""
    with Visit(browser, shown.address) as visit:
        assert not visit.page.is_visible("#stale")
        shown.stop()
        for _ in range(STALE_SECONDS // EVERY_SECONDS + 2):
            visit.pass_time(EVERY_SECONDS)
        assert visit.page.is_visible("text=No answer from the collector")
        assert visit.page.get_attribute("#stale", "role") == "alert"
        assert visit.page.evaluate("getComputedStyle(document.querySelector('main')).opacity") == "0.55"


def test_it_can_be_paused(browser, shown) -> None:
    """By keyboard: no request while it is paused, one at once when it goes on (WCAG 2.2.2)."""
    with Visit(browser, shown.address) as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.id") == "pause"
        visit.page.keyboard.press("Enter")
        assert visit.page.get_attribute("#pause", "aria-pressed") == "true"
        visit.pass_time(5 * EVERY_SECONDS)
        assert visit.asked == [shown.address]
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_timeout(300)
        assert visit.asked == [shown.address] * 2


def test_no_other_script_runs(browser, shown) -> None:
    """The policy holds in the browser: an inline script, a handler, a style and a picture from elsewhere are all refused."""
    with Visit(browser, shown.address) as visit:
        visit.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.strange = 1";
              document.body.append(script);
              document.body.insertAdjacentHTML("beforeend",
                '<p id="p" style="color:red" onclick="window.strange = 2"><img src="http://127.0.0.1:9/x"></p>');
              document.getElementById("p").click();
            }"""
        )
        visit.page.wait_for_timeout(200)
        assert visit.page.evaluate("window.strange") is None
        assert visit.page.evaluate("getComputedStyle(document.getElementById('p')).color") != "rgb(255, 0, 0)"
        assert len([one for one in visit.said if "Content Security Policy" in one]) >= 3
        assert visit.page.evaluate("fetch('http://127.0.0.1:9/').then(() => 1, () => 0)") == 0


@pytest.mark.parametrize(
    ("look", "scheme", "size"),
    [
        (WELL, "light", WIDE),
        (TROUBLE, "dark", WIDE),
        (TROUBLE, "light", TELEPHONE),
        (EMPTY, "dark", TELEPHONE),
    ],
    ids=["well", "trouble by night", "trouble on a telephone", "empty"],
)
def test_axe_finds_nothing(browser, look, scheme, size) -> None:
    """axe-core's rules (WCAG 2.2 A and AA, and its best practices) find no violation, everything opened; no animation moves."""
    with Shown(look) as served, Visit(browser, served.address, color_scheme=scheme, viewport=size) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        found = Axe().run(visit.page)
        assert found.violations_count == 0, found.generate_report()
        assert len(found.response["passes"]) > 20
        assert visit.page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("look", [WELL, TROUBLE, EMPTY], ids=["well", "trouble", "empty"])
def test_it_fits_a_telephone_and_a_wall(browser, look) -> None:
    """At 320 pixels nothing is wider than the screen (WCAG 1.4.10); on a wall four columns stand side by side."""
    with (
        Shown(look) as served,
        Visit(browser, served.address, viewport={"width": 320, "height": 640}) as visit,
    ):
        assert visit.page.evaluate("document.scrollingElement.scrollWidth") <= 320
        visit.page.set_viewport_size({"width": 1920, "height": 1080})
        tops = {
            visit.page.locator(f"section.{name}").bounding_box()["y"]
            for name in ("hour", "day", "families", "countries")
        }
        assert len(tops) == 1
        assert visit.page.evaluate("document.scrollingElement.scrollWidth") <= 1920


@pytest.mark.parametrize(("scheme", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_day_and_night(browser, shown, scheme, palette) -> None:
    """The viewer's preference decides; ground and ink are the palette's."""
    with Visit(browser, shown.address, color_scheme=scheme) as visit:
        style = "getComputedStyle(document.body)"
        for name, value in (("ground", "backgroundColor"), ("ink", "color")):
            colour = palette[name]
            expected = ", ".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))
            assert visit.page.evaluate(f"{style}.{value}") == f"rgb({expected})"


def test_names_that_are_markup_stay_names(browser) -> None:
    """Hostile names of the configuration are read as they are, before and after a refresh, and nothing of them runs."""
    name = '<img src=x onerror="window.strange = 1">'
    look = replace(
        WELL,
        orders=(replace(WELL.orders[0], order=name),),
        partners=(replace(WELL.partners[0], partner=name),),
    )
    with Shown(look) as served, Visit(browser, served.address) as visit:
        visit.pass_time(EVERY_SECONDS + 1)
        assert name in visit.text
        assert visit.page.locator("img").count() == 0
        assert visit.page.evaluate("window.strange") is None
        assert visit.said == []


def test_a_browser_asks_for_the_token_and_shows_it(browser, tmp_path) -> None:
    """Off loopback: with the token as password the page opens and stays fresh; without it there is 401 and nothing else."""
    made = Guarded(tmp_path)
    sealed_operation(tmp_path / "operations")
    with made.start():
        address = f"http://127.0.0.1:{made.manage_port}/"
        with Visit(browser, address, http_credentials={"username": "operator", "password": TOKEN}) as visit:
            assert "All is well" in visit.text
            visit.pass_time(EVERY_SECONDS + 1)
            assert not visit.page.is_visible("#stale")
            assert visit.page.evaluate("fetch('/').then((answer) => answer.status)") == 200
        with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):  # where somebody sits, it asks
            Visit(browser, address)
        with Visit(
            browser, address, http_credentials={"username": "operator", "password": "wrong"}
        ) as stranger:
            assert "token is required" in stranger.text
            assert "quiet" not in stranger.page.content()
