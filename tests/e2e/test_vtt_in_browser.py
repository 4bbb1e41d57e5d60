"""Our WebVTT beside a video in a real browser, over HTTP, as an archive's page shows it: by itself and in video.js."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from speechpipe import formats
from speechpipe.formats.captions.cues import Cue, cues
from speechpipe.settings.captions import Captions
from tests.transcripts import INTERVIEW

pytestmark = pytest.mark.extra
PAGE = """<!doctype html><meta charset="utf-8"><title>Reel</title>
<video id="video" width="640" height="360" controls muted>
<track default kind="captions" srclang="nb" src="reel.vtt"></video>"""
PLAYER = """<!doctype html><meta charset="utf-8"><title>Reel</title>
<link rel="stylesheet" href="video-js.css"><script src="video.js"></script>
<video id="video" class="video-js" width="640" height="360" controls muted>
<track default kind="captions" srclang="nb" src="reel.vtt"></video>
<script>const player = videojs("video", {html5: {nativeTextTracks: false}});</script>"""
# As a blob, since Python's server answers no range requests, without which a browser does not seek.
LOAD = """async () => {
  const video = document.getElementById("video"), answer = await fetch("reel.webm");
  video.src = URL.createObjectURL(await answer.blob());
  await new Promise(done => video.addEventListener("loadeddata", done, {once: true}));
}"""
READ = """async () => {
  const video = document.getElementById("video"), element = document.querySelector("track");
  element.track.mode = "showing";
  for (let i = 0; element.readyState < 2 && i < 100; i++) await new Promise(done => setTimeout(done, 50));
  const text = fragment => fragment.textContent;
  return [element.readyState, [...element.track.cues].map(cue =>
    [cue.id, cue.startTime, cue.endTime, text(cue.getCueAsHTML()),
     (cue.getCueAsHTML().querySelector("span") || {}).title || null])];
}"""
ACTIVE = """async time => {
  const video = document.getElementById("video"), track = video.textTracks[0];
  video.currentTime = time;
  await new Promise(done => video.addEventListener("seeked", done, {once: true}));
  await new Promise(done => setTimeout(done, 300));
  return [...track.activeCues].map(cue => cue.id);
}"""


def tiny_video(path: Path, seconds: int) -> None:
    """A dark picture, a frame a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=1)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 30, np.uint8), format="rgb24")
        for second in range(seconds):
            frame.pts = second
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".vtt": "text/vtt"}  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a folder with the recording, its captions and a page for each player."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text(PAGE)
    (folder / "player.html").write_text(PLAYER)
    (folder / "reel.vtt").write_bytes(formats.write(INTERVIEW, "vtt"))
    tiny_video(folder / "reel.webm", 40)
    shutil.copy(Path(__file__).parent / "node" / "player" / "package.json", folder)
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=240)
    for name in ("video.js", "video-js.css"):
        shutil.copy(folder / "node_modules" / "video.js" / "dist" / name, folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(browser: Any, site: str) -> Any:
    opened = browser.new_page()
    opened.goto(f"{site}/")
    opened.evaluate(LOAD)
    return opened


@pytest.fixture(scope="module")
def made() -> list[Cue]:
    return cues(INTERVIEW, Captions.model_validate({}))


def test_the_browser_reads_every_cue(page: Any, made: list[Cue]) -> None:
    state, read = page.evaluate(READ)
    assert state == 2, "the track was not loaded"
    assert [cue[:4] for cue in read] == [
        [str(cue.number), cue.start_ms / 1000, cue.end_ms / 1000, "\n".join(cue.line_texts)] for cue in made
    ]
    assert [cue[4] for cue in read] == [cue.lane.name if cue.lane else None for cue in made]


def test_the_cue_of_the_moment_is_shown(page: Any, made: list[Cue]) -> None:
    page.evaluate(READ)
    middles = [(cue.start_ms + cue.end_ms) // 2 for cue in made]
    for moment in (*middles, 29_500, 35_000):
        expected = [str(cue.number) for cue in made if cue.start_ms <= moment < cue.end_ms]
        assert page.evaluate(ACTIVE, moment / 1000) == expected, moment
    # Where both channels speak at once, both are shown; where nobody does, nothing.
    assert page.evaluate(ACTIVE, 29.5) == ["8", "9"]
    assert page.evaluate(ACTIVE, 35) == []
    if folder := os.environ.get("SPEECHPIPE_SCREENSHOTS"):
        page.evaluate(ACTIVE, 4)
        page.screenshot(path=str(Path(folder) / "captions.png"))


def test_video_js_shows_each_cue_at_its_time(browser: Any, site: str, made: list[Cue]) -> None:
    player = browser.new_page()
    player.goto(f"{site}/player.html")
    player.evaluate("""async () => {
      const answer = await fetch("reel.webm");
      player.src({src: URL.createObjectURL(await answer.blob()), type: "video/webm"});
      await new Promise(done => player.one("loadeddata", done));
    }""")
    for moment in (*((cue.start_ms + cue.end_ms) // 2 for cue in made), 29_500, 35_000):
        shown = [cue.text for cue in made if cue.start_ms <= moment < cue.end_ms]
        player.evaluate("time => player.currentTime(time)", moment / 1000)
        end = time.monotonic() + 120
        seen: list[str] | None = None
        # Of two cues at once it draws the later one above.
        while seen is None or sorted(seen) != sorted(shown):
            assert time.monotonic() < end, (moment, seen, shown)
            drawn = player.locator(".vjs-text-track-cue").all_inner_texts()
            seen = [" ".join(text.split()) for text in drawn]
    if folder := os.environ.get("SPEECHPIPE_SCREENSHOTS"):
        player.evaluate("player.currentTime(4)")
        player.wait_for_timeout(500)
        player.screenshot(path=str(Path(folder) / "video-js.png"))
    player.close()
