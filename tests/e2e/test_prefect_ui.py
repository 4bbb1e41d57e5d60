"""The web page in a real browser: the form is filled in and sent, the run is seen, its table is read."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.extra

START = """
import sys
from pathlib import Path
from flows.serve import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
"""
SECONDS = 180


@dataclass
class Site:
    address: str
    #: Every host that the browser asked anything of.
    hosts: set[str] = field(default_factory=set)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.address}/api{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ui")
    (folder / "recordings" / "1954").mkdir(parents=True)
    shutil.copy(root / "sample_audio" / "slate.wav", folder / "recordings" / "1954" / "slate.wav")
    (folder / "recordings" / "1954" / "notes.wav").write_text("These are notes, no sound.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SPEECHPIPE_"))}
    env |= {"SPEECHPIPE_ENGINE": "fake", "SPEECHPIPE_ALIGNER": "none"}
    log = folder / "log.txt"
    command = [sys.executable, "-c", START, str(folder / "data"), str(folder / "recordings"), str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=root, env=env, stdout=output, stderr=output)
    try:
        until = time.monotonic() + SECONDS
        while "are ready" not in log.read_text():
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.5)
        yield Site(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "Chromium is not installed; make test-all installs it"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 1300})
        page.set_default_timeout(60_000)
        page.on("request", lambda request: site.hosts.add(request.url.split("/")[2]))
        yield page
        browser.close()


def test_an_archivist_fills_in_the_form_and_reads_what_came_out(site: Site, page: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page.goto(f"{site.address}/deployments")
    page.get_by_role("link", name="Transcribe new recordings", exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run", exact=True).click()
    for title in ("Folder", "Speech model", "Language spoken", "Channels", "Files to write"):
        expect(page.get_by_text(re.compile(rf"^{title}\b")).first).to_be_visible()
    page.locator("textarea").first.fill("1954")
    page.screenshot(path=tmp_path / "form.png")
    page.get_by_role("button", name="Submit", exact=True).click()

    run = finished(site)
    assert run["parameters"]["recordings"]["folder"] == "1954"
    assert run["name"] == "new in 1954"
    assert run["state"]["message"] == "2 recordings: 1 transcribed, 1 failed."

    page.goto(f"{site.address}/runs/flow-run/{run['id']}")
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "run.png")

    page.goto(f"{site.address}/runs")
    expect(page.get_by_role("link", name="1954/slate.wav").first).to_be_visible()
    expect(page.get_by_role("link", name="1954/notes.wav").first).to_be_visible()
    page.screenshot(path=tmp_path / "runs.png")

    (table,) = site.post("/artifacts/filter", {"artifacts": {"key": {"any_": ["recordings-1954"]}}})
    page.goto(f"{site.address}/artifacts/artifact/{table['id']}")
    expect(page.get_by_role("link", name="1954/notes.wav")).to_be_visible()
    page.screenshot(path=tmp_path / "table.png")
    target = page.get_by_role("link", name="1954/slate.wav").get_attribute("href")  # opens in a tab of its own
    page.goto(f"{site.address}{target}")
    expect(page.get_by_text(re.compile("00:00:00")).first).to_be_visible()
    page.screenshot(path=tmp_path / "transcript.png")

    assert site.hosts == {site.address.removeprefix("http://")}
    assert all(shot.stat().st_size > 10_000 for shot in tmp_path.glob("*.png"))


def finished(site: Site) -> dict[str, Any]:
    """The run that the form began, as soon as it has ended."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for run in site.post("/flow_runs/filter", {"flows": {"name": {"any_": ["transcribe-new"]}}}):
            if run["state_name"] in ("Completed", "Failed", "Crashed"):
                return dict(run)
        time.sleep(1)
    pytest.fail("the run did not end")
