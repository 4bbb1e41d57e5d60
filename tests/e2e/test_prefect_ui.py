"""The web page in a real browser, as an archivist uses it in a week: the form, the runs, the report, a schedule.

With ``SPEECHPIPE_SCREENSHOTS=docs/screenshots`` the pictures of docs/archivist.md are made anew.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import HEIGHT, WIDTH, choose, field, log_in, open_form, opened, press
from tests.e2e.pictures import shrink
from tests.e2e.served import Served, eventually

pytestmark = [pytest.mark.extra, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Served]:
    more = {"SPEECHPIPE_NIGHT__UNKNOWN_RIGHTS": "open"}
    served = Served(root, tmp_path_factory.mktemp("ui"), more=more)
    for name in ("1954/radio/slate.wav", "1955/interview.wav"):
        (served.recordings / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "sample_audio" / Path(name).name, served.recordings / name)
    (served.recordings / "1954" / "radio" / "notes.wav").write_text("These are notes, no sound.")
    try:
        yield served.start()
    finally:
        served.stop()


@pytest.fixture(scope="module")
def hosts() -> set[str]:
    """Every host that the browser asked anything of."""
    return set()


@pytest.fixture(scope="module")
def page(hosts: set[str], served: Served) -> Iterator[Any]:
    with opened() as page:
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        log_in(page, served.address, served.login)
        yield page


@pytest.fixture
def shoot(page: Any, tmp_path: Path) -> Any:
    """Take a picture; into the documentation's folder where one is named, small enough to be kept."""
    folder = Path(os.environ.get("SPEECHPIPE_SCREENSHOTS") or tmp_path)

    def take(name: str, height: int = HEIGHT, left: int = 0, right: int = WIDTH) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(700)  # until what moves has come to rest
        path = folder / f"{name}.png"
        page.screenshot(path=path, clip={"x": left, "y": 0, "width": right - left, "height": height})
        shrink(path)
        assert 5_000 < path.stat().st_size <= 100_000

    return take


def test_the_page_shows_what_can_be_done_in_plain_words(served: Served, page: Any, shoot: Any) -> None:
    from playwright.sync_api import expect

    page.goto(f"{served.address}/deployments")
    for name in ("Transcribe new recordings", "Transcribe one recording", "Re-transcribe with another model",
                 "Export formats", "Withdraw a recording"):  # fmt: skip
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()
    shoot("deployments", 720)


def test_an_archivist_fills_in_the_form_and_reads_what_came_out(
    served: Served, page: Any, shoot: Any, hosts: set[str]
) -> None:
    from playwright.sync_api import expect

    open_form(page, served, "Transcribe new recordings")
    for title in ("Collection", "Until", "Speech model", "Language spoken", "Channels", "Files to write"):
        expect(page.get_by_text(re.compile(rf"^{title}\b")).first).to_be_visible()
    choose(page, "Collection", "1954/radio")
    shoot("form")
    page.get_by_role("button", name="Submit", exact=True).click()

    def night() -> Any:
        return next(reversed(served.runs(flow="transcribe-new")), None)

    state = served.wait(eventually(night, "the form has begun a run")["id"])
    run = night()
    assert run["parameters"]["recordings"]["collection"] == "1954/radio"
    assert run["name"] == "new in 1954/radio"
    assert state["message"] == "2 recordings: 1 transcribed, 1 failed."

    page.goto(f"{served.address}/runs")
    for name in ("1954/radio/slate.wav", "1954/radio/notes.wav"):
        expect(page.get_by_role("link", name=name).first).to_be_visible()
    shoot("runs")

    page.goto(f"{served.address}/runs/flow-run/{run['id']}")
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible()
    page.get_by_text("Artifacts", exact=True).first.click()
    shoot("night")

    (table,) = served.post("/artifacts/latest/filter", {"artifacts": {"key": {"any_": ["report"]}}})
    page.goto(f"{served.address}/artifacts/artifact/{table['latest_id']}")
    link = page.get_by_role("link", name="1954/radio/slate.wav")
    expect(link).to_be_visible()
    shoot("report", 850)  # without the names of files at its end

    page.goto(f"{served.address}{link.get_attribute('href')}")  # opens in a tab of its own
    page.get_by_text("Artifacts", exact=True).first.click()
    shoot("recording")

    (failed,) = [found for found in served.runs() if found["name"] == "1954/radio/notes.wav"]
    assert "fetch it again" in failed["state"]["message"]
    page.goto(f"{served.address}/runs/flow-run/{failed['id']}")
    expect(page.get_by_text(re.compile("fetch it again")).first).to_be_visible()
    shoot("failed")
    assert hosts == {served.address.removeprefix("http://")}


def test_the_report_is_a_page_of_its_own(served: Served, page: Any, shoot: Any) -> None:
    from playwright.sync_api import expect

    (report,) = (served.data / "reports").glob("*.html")
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", name="Failed")).to_be_visible()
    expect(page.get_by_text(re.compile("Play the file in a player"))).to_be_visible()
    shoot("morning-report", 620)


def test_a_name_that_does_not_exist_is_explained_in_a_sentence(served: Served, page: Any) -> None:
    before = len(served.runs(flow="transcribe-recording"))
    open_form(page, served, "Transcribe one recording")
    field(page, "Recording").locator("textarea").fill("1954/radio/slat.wav")
    page.get_by_role("button", name="Submit", exact=True).click()
    run = eventually(lambda: served.runs(flow="transcribe-recording")[before:], "a run has begun")[0]
    eventually(lambda: served.state(run["id"])["type"] == "FAILED", "it has failed")
    which = {"logs": {"flow_run_id": {"any_": [run["id"]]}}}
    logs = eventually(lambda: served.post("/logs/filter", which), "its log has come")
    assert not any("Traceback" in log["message"] for log in logs)
    assert (
        "There is no recording '1954/radio/slat.wav'. Its name stands in the report"
        in served.state(run["id"])["message"]
    )


def test_what_does_not_fit_is_said_by_the_form_before_anything_begins(served: Served, page: Any) -> None:
    before = len(served.runs())
    open_form(page, served, "Re-transcribe with another model")
    field(page, "At most").locator("input").first.fill("0")
    press(page, "Submit")
    page.get_by_text(re.compile("0 is less than the minimum of 1")).first.wait_for()
    assert len(served.runs()) == before


def test_the_log_of_a_recording_is_a_sentence_a_stage(served: Served, page: Any) -> None:
    (run,) = [found for found in served.runs() if found["name"] == "1954/radio/slate.wav"]
    page.goto(f"{served.address}/runs/flow-run/{run['id']}")
    for sentence in (r"Found \d+ s of speech", "Recognised ", "Timed ", "Wrote slate.wav.vtt"):
        page.get_by_text(re.compile(f"^{sentence}")).first.wait_for()
    assert not page.get_by_text(re.compile("Finished in state|Beginning")).count()


def test_a_schedule_that_is_set_on_the_page_fires(served: Served, page: Any, shoot: Any) -> None:
    page.goto(f"{served.address}/deployments")
    page.get_by_role("link", name="Transcribe new recordings", exact=True).first.click()
    before = len(served.runs(flow="transcribe-new"))
    page.get_by_role("button", name=re.compile("Schedule")).first.click()
    page.get_by_text("Schedule type", exact=True).wait_for()
    page.get_by_text("Cron", exact=True).first.click()  # it begins with every minute
    shoot("schedule", 880, 420, 980)
    page.get_by_role("button", name="Save", exact=True).last.click()

    def fired() -> Any:
        found = served.runs(flow="transcribe-new")
        return [run for run in found[before:] if run["auto_scheduled"] and run["state_name"] == "Completed"]

    run = eventually(fired, "the schedule has fired")[0]
    assert "already done" in run["state"]["message"]
