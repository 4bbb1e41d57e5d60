"""The page as people use it: opened from a folder in a real browser, heard, clicked, searched, printed, read aloud."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from speechpipe import formats
from speechpipe.formats.captions.cues import cues
from speechpipe.settings.captions import Captions
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Media, Segment, Step, Stream, Word
from tests.transcripts import INTERVIEW, NOTHING_SAID, spoken

pytestmark = pytest.mark.extra
NODE = Path(__file__).parent / "node"
Opener = Callable[..., Any]
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
#: Two channels, one flag to check, words sure and unsure.
TALK = dataclasses.replace(
    INTERVIEW,
    media=Media("reel <12> & more.wav", size=640_044, duration_ms=40_000),
    segments=(
        dataclasses.replace(
            INTERVIEW.segments[0],
            words=tuple(
                dataclasses.replace(w, confidence=0.4 if "Máret" in w.text else 0.9)
                for w in INTERVIEW.segments[0].words
            ),
            flags=("low_confidence", "wider_beam"),
        ),
        *INTERVIEW.segments[1:-1],
        dataclasses.replace(
            INTERVIEW.segments[-1],
            text="Takk ska'",
            words=(Word("Takk", 29_100, 29_300, 0.4), Word("ska'", 29_400, 29_600, 0.6)),
        ),
    ),
)


def silence(path: Path, seconds: int = 40) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(seconds * 16_000))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        opened = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Opener]:
    """Opens a transcript's page from a folder; any fault of the script or request beyond the folder fails the test."""
    faults: list[str] = []
    contexts: list[Any] = []

    def opened(
        transcript: Transcript, *, sound: bool = True, ready: bool = True, fragment: str = "", **how: Any
    ) -> Any:
        name = formats.file_name(transcript)
        (page_file,) = formats.save(transcript, tmp_path, ["html"])
        if sound:
            silence(tmp_path / name)
        contexts.append(
            browser.new_context(**{"viewport": {"width": 1000, "height": 700}, "reduced_motion": "reduce"} | how)
        )
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Security Policy" in line.text else None)
        page.on(
            "request",
            lambda call: None if call.url.startswith(("file:", "blob:", "data:")) else faults.append(call.url),
        )
        page.goto(page_file.as_uri() + fragment)
        if ready:
            page.wait_for_selector("html[data-ready]", state="attached")
            if sound:
                until(page, "media.readyState > 0")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def until(page: Any, expression: str, argument: object = None, seconds: float = 120) -> None:
    """Waits; Playwright's own way needs an evaluation that the page's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, expression
        time.sleep(0.03)


def seek(page: Any, second: float) -> None:
    page.evaluate(
        "t => new Promise(done => {media.addEventListener('seeked', done, {once: true}); media.currentTime = t})",
        second,
    )


def now(page: Any) -> list[str]:
    texts: list[str] = page.locator(".said > .now").all_text_contents()
    return texts


def at(page: Any) -> float:
    return float(page.evaluate("media.currentTime"))


# ---- the sound and the text ----


def test_the_word_of_the_moment_is_marked_on_each_channel(show: Opener) -> None:
    page = show(TALK)
    for second, words in (
        (1.0, []),
        (2.5, ["Velkommen"]),
        (3.2, ["«Lyd"]),
        (3.37, ["«Lyd"]),
        (9.9, ["lei"]),  # what follows has no time: the last known word stays
        (18.5, []),
        (22.0, []),
        (29.15, ["Ja.", "Takk"]),
    ):
        seek(page, second)
        assert now(page) == words, second
    seek(page, 22)
    assert page.locator(".seg.now .said").all_text_contents() == ["Dette hørte maskinen uten å vite når -->"]


def test_it_follows_while_it_plays(show: Opener) -> None:
    page = show(TALK)
    seek(page, 12)
    page.evaluate("media.play()")
    until(page, "document.querySelector('.said > .now')?.textContent === 'hvilket'")
    page.evaluate("media.pause()")


def test_the_caption_line_shows_each_cue_at_its_time(show: Opener) -> None:
    page = show(TALK)
    made = cues(TALK, Captions.model_validate({}))
    for cue in made:
        middle = (cue.start_ms + min(cue.end_ms, cue.start_ms + 90)) // 2
        shown = [other for other in made if other.start_ms <= middle < other.end_ms]
        names = [f"{c.lane.name}: " if c.lane and c.lane.name else "" for c in shown]
        lines = [name + "\n".join(c.line_texts) for name, c in zip(names, shown, strict=True)]
        seek(page, middle / 1000)
        until(page, "text => caption.textContent === text", "\n".join(lines))
    page.get_by_label("Captions").uncheck()
    assert not page.locator("#caption").is_visible()


def test_a_film_has_the_browsers_own_captions(show: Opener, tmp_path: Path, root: Path) -> None:
    film = dataclasses.replace(TALK, media=Media("film.mp4", duration_ms=10_128, streams=(Stream(0, "video", "h264"),)))
    shutil.copy(root / "sample_audio" / "film.mp4", tmp_path)
    page = show(film, sound=False)
    until(page, "media.readyState > 0 && media.videoWidth > 0")
    seek(page, 3)
    until(page, "media.textTracks[0].activeCues.length === 1")
    shown = page.evaluate("[media.textTracks[0].mode, media.textTracks[0].activeCues[0].getCueAsHTML().textContent]")
    assert shown == ["showing", "Velkommen til «Lyd & bilde», Máret.\nHvor er du født?"]
    assert not page.locator("#caption").is_visible()
    page.get_by_label("Captions").uncheck()
    assert page.evaluate("media.textTracks[0].mode") == "disabled"


def test_a_click_on_a_word_or_a_time_plays_it(show: Opener) -> None:
    page = show(TALK)
    page.locator(".said > span", has_text="Kárášjogas").click()
    until(page, "!media.paused")
    page.evaluate("media.pause()")
    assert 7.2 <= at(page) < 8
    page.locator(".said > span", has_text="-40").click()  # its time is not known: the word before it
    until(page, "media.currentTime >= 9.8")
    assert at(page) < 11
    page.get_by_role("link", name="0:12").click()
    until(page, "media.currentTime >= 12")
    page.evaluate("media.pause()")
    assert at(page) < 14
    assert page.url.endswith("#t=12.000")
    box = page.locator("#overview").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)
    until(page, "media.currentTime > 19.5 && media.currentTime < 20.5")


def test_an_address_may_name_a_moment(show: Opener) -> None:
    page = show(TALK, fragment="#t=17.5")
    until(page, "media.currentTime === 17.5")
    assert now(page) == ["1985"]


def test_a_word_tells_its_time_and_how_sure_it_is(show: Opener) -> None:
    page = show(TALK)
    for word, told in (("Takk", "0:29, 40 % sure"), ("-40", "time not known"), ("Velkommen", "0:02, 90 % sure")):
        span = page.locator(".said > span", has_text=word)
        span.hover()
        assert span.get_attribute("title") == told


# ---- search ----


def test_search_counts_marks_and_goes_round(show: Opener) -> None:
    page = show(TALK)
    box, count = page.get_by_role("searchbox", name="Search"), page.get_by_role("status").filter(has_text="f")
    box.fill("ER DU")
    until(page, "count.textContent === '1 found'")
    assert page.locator(".hit").all_text_contents() == ["er", "du"]
    box.fill("maret")
    until(page, "document.querySelector('.hit')?.textContent === 'Máret.'")
    assert page.locator(".hit").count() == 1
    box.fill("å")
    until(page, "count.textContent === '4 found'")
    assert "Takk" not in page.locator(".hit").all_text_contents()
    box.press("Enter")
    assert page.locator("#count").text_content() == "1 of 4"
    box.press("Shift+Enter")
    assert page.locator("#count").text_content() == "4 of 4"
    page.get_by_role("button", name="Next", exact=True).click()
    assert page.locator("#count").text_content() == "1 of 4"
    assert page.locator(".at").count() == 1
    page.get_by_role("button", name="Play from here").click()
    until(page, "!media.paused && media.currentTime > 8")
    page.evaluate("media.pause()")
    assert page.locator("#hits").get_attribute("d").count("M") == 3  # two have the same, for want of their own times
    box.fill("nowhere")
    until(page, "count.textContent === 'Not found'")
    assert page.locator(".hit").count() == 0 and count.count() <= 1
    box.press("Escape")
    assert (box.input_value(), page.locator("#count").text_content()) == ("", "")


def test_a_phrase_is_found_across_lines_and_at_once_by_enter(show: Opener) -> None:
    page = show(TALK)
    page.keyboard.press("/")
    page.keyboard.type("kárášjogas, muhto")
    page.keyboard.press("Enter")
    assert page.locator(".at").all_text_contents() == ["Kárášjogas,", "muhto"]


# ---- keys, switches ----


def test_keys_play_step_and_go(show: Opener) -> None:
    page = show(TALK)
    seek(page, 12)
    for key, word in ((".", "så,"), (".", "i"), (",", "så,")):
        page.keyboard.press(key)
        until(page, "word => document.querySelector('.said > .now')?.textContent === word", word)
    page.keyboard.press("l")
    assert 17 <= at(page) < 17.5
    page.keyboard.press("j")
    assert 12 <= at(page) < 12.5
    page.keyboard.press("k")
    until(page, "!media.paused")
    page.keyboard.press("k")
    until(page, "media.paused")
    page.keyboard.press("u")
    assert page.evaluate("document.activeElement.hash") == "#t=2.500"
    page.get_by_text("Keys", exact=True).click()
    page.get_by_label("Use these keys").uncheck()
    page.keyboard.press("k")
    assert page.evaluate("media.paused")


def test_the_times_are_one_stop_and_arrows_go_on(show: Opener) -> None:
    page = show(TALK)
    assert page.locator(".seg > a:not([tabindex='-1'])").count() == 1
    page.get_by_role("link", name="0:02").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == "0:06"
    assert page.locator(".seg > a[tabindex='0']").text_content() == "0:06"
    page.keyboard.press("Enter")
    until(page, "media.currentTime >= 6")


def test_remarks_and_unsure_words_can_be_switched(show: Opener) -> None:
    page = show(TALK)
    remarks, line = page.get_by_label("Remarks"), "text-decoration-line"
    for choice, visible in (("to check", 1), ("all", 2), ("none", 0)):
        remarks.select_option(label=choice)
        assert page.locator(".flag:visible").count() == visible
    style = f"getComputedStyle(document.querySelector('.said .u')).getPropertyValue('{line}')"
    assert page.evaluate(style) == "underline"
    page.get_by_role("checkbox", name="unsure words").uncheck()
    assert page.evaluate(style) == "none"


# ---- where the recording is not at hand ----


def test_a_recording_elsewhere_can_be_chosen(show: Opener, tmp_path: Path) -> None:
    page = show(TALK, sound=False)
    until(page, "media.error !== null")
    told = page.locator("#trouble")
    assert "reel <12> & more.wav is not beside this page" in told.text_content()
    silence(tmp_path / "other.wav", 20)
    page.get_by_label("Choose the recording").set_input_files(tmp_path / "other.wav")
    until(page, "media.readyState > 0")
    assert "320044 bytes, the one transcribed had 640044" in told.text_content()
    silence(tmp_path / "right.wav")
    page.get_by_label("Choose the recording").set_input_files(tmp_path / "right.wav")
    until(page, "media.duration === 40")
    assert not told.is_visible()
    page.locator(".said > span", has_text="1985").click()
    until(page, "media.currentTime > 17.5")
    page.get_by_role("button", name="Next to check").click()  # the page goes on working


def test_a_dropped_file_is_played_and_one_that_is_no_sound_is_said(show: Opener) -> None:
    page = show(TALK, sound=False)
    page.evaluate("""() => {
      const given = new DataTransfer();
      given.items.add(new File(["no sound"], "a.wav"));
      dispatchEvent(new DragEvent("drop", {dataTransfer: given, cancelable: true}));
    }""")
    until(page, "trouble.textContent === 'This browser cannot play that file.'")


# ---- what is untrusted ----


def test_nothing_in_a_transcript_runs_or_calls_out(show: Opener) -> None:
    evil = [
        "</script><script>window.pwned=1</script>",
        "<img/src=x/onerror=window.pwned=1>",
        "<!--",
        "\"><svg/onload='window.pwned=1'>",
        "a\u2028b",
        "\u202eאבג",
        "${window.pwned=1}",
        "]]>",
    ]
    said = tuple(Word(text, i * 500, i * 500 + 400, 0.3) for i, text in enumerate(evil))
    text, name = " ".join(evil), "<img src=x onerror=window.pwned=1>.wav"
    page = show(
        Transcript(
            Media(name, duration_ms=40_000),
            "speech",
            (Segment(0, 0, 5_000, text, said, evil[3], 0, text, flags=(text,)),),
            steps=(Step(text, text, text),),
            warnings=(text,),
            title=text,
            identifier=text,
        )
    )
    assert page.locator(".said").text_content() == text.replace("\u2028", " ")
    seek(page, 0.6)
    until(page, "caption.textContent.includes('<img/src=x')")
    page.get_by_role("searchbox").fill("</script>")
    page.get_by_role("searchbox").press("Enter")
    assert page.locator("#count").text_content() == "1 of 2"
    assert page.evaluate("window.pwned") is None
    assert page.locator("img").count() == 0


def test_the_policy_stops_what_might_get_in(browser: Any, tmp_path: Path) -> None:
    (path,) = formats.save(TALK, tmp_path, ["html"])
    page = browser.new_page()
    page.goto(path.as_uri())
    page.evaluate("""() => {
      window.stopped = [];
      addEventListener("securitypolicyviolation", event => stopped.push(event.effectiveDirective));
      document.body.insertAdjacentHTML("beforeend", '<img src="http://127.0.0.1:9/x" onerror="window.pwned=1">');
      document.body.append(Object.assign(document.createElement("script"), {textContent: "window.pwned=1"}));
      fetch("http://127.0.0.1:9/").catch(() => {});
      document.body.append(Object.assign(document.createElement("audio"), {src: "http://127.0.0.1:9/a.wav"}));
    }""")
    until(page, "window.stopped.length >= 5")
    assert set(page.evaluate("stopped")) == {
        "img-src", "script-src-attr", "script-src-elem", "connect-src", "media-src"
    }  # fmt: skip
    assert page.evaluate("window.pwned") is None
    page.close()


# ---- for everybody ----


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(NODE / "package.json", folder)
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=240)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["playing", "searching", "missing", "narrow", "in Finnish", "nothing said"])
def test_axe_finds_nothing(show: Opener, axe: str, scheme: str, state: str) -> None:
    how: dict[str, Any] = {"viewport": {"width": 320, "height": 640}} if state in ("narrow", "in Finnish") else {}
    how |= {"locale": "fi-FI"} if state == "in Finnish" else {}
    page = show(NOTHING_SAID if state == "nothing said" else TALK, sound=state != "missing", color_scheme=scheme, **how)
    if state == "playing":
        page.get_by_label("Remarks").select_option("all")
        seek(page, 29.2)
    if state == "searching":
        page.get_by_role("searchbox").fill("a")
        page.get_by_role("searchbox").press("Enter")
    if state == "missing":
        until(page, "!missing.hidden")
    if state == "in Finnish":
        page.locator("summary").click()
        box = page.locator("details > div").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 320
        assert page.get_by_text("Koneellisesti tuotettu", exact=False).count() == 1
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if state == "narrow":
        page.get_by_text("Keys", exact=True).click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 15
    assert [(v["id"], v["impact"], [n["html"][:90] for n in v["nodes"]]) for v in found["violations"]] == []


@pytest.mark.parametrize(
    ("locale", "language", "search", "mark"),
    [
        ("nb-NO", "nb", "Søk", "Maskinlaget transkripsjon; ikke gjennomgått av et menneske."),
        ("no", "nb", "Søk", "Maskinlaget transkripsjon; ikke gjennomgått av et menneske."),
        ("de-AT", "de", "Suche", "Maschinell erzeugtes Transkript; von niemandem geprüft."),
        ("en-GB", "en", "Search", "Machine-generated transcript; not reviewed by a person."),
        ("pl-PL", "nb", "Søk", "Maskinlaget transkripsjon; ikke gjennomgått av et menneske."),  # as is spoken
    ],
)
def test_it_speaks_the_language_of_its_reader(show: Opener, locale: str, language: str, search: str, mark: str) -> None:
    page = show(TALK, locale=locale)
    assert page.locator("html").get_attribute("lang") == language
    assert page.get_by_role("searchbox", name=search).count() == 1
    assert page.locator(".mark").text_content() == mark
    # What was said keeps its own language, and how it was made is told in English.
    assert page.locator(".said").first.get_attribute("lang") == "nb"
    assert page.locator("#about ul").get_attribute("lang") == "en"


def test_everything_of_its_own_is_in_that_language(show: Opener, tmp_path: Path) -> None:
    page = show(TALK, locale="sv-SE")
    assert page.locator(".rows li").all_text_contents() == ["Kanal 1", "Kanal 2", "Musik", "Tystnad"]
    assert page.locator(".event").first.text_content() == "Musik, kanal 1 och 2: 0:00 till 0:02"
    assert page.locator(".who").all_text_contents()[:2] == ["Kanal 1 norskt bokmål", "Kanal 2 nordsamiska"]
    assert page.locator(".flag").first.text_content() == "Orden passar inte väl till ljudet."
    page.get_by_role("searchbox").fill("å")
    until(page, "count.textContent === '4 hittade'")
    page.get_by_role("searchbox").press("Enter")
    assert page.locator("#count").text_content() == "1 av 4"
    span = page.locator(".said > span", has_text="-40")
    span.hover()
    assert span.get_attribute("title") == "okänd tid"
    seek(page, 3)
    until(page, "caption.textContent.startsWith('Kanal 1: Velkommen')")
    page.get_by_label("Välj inspelningen").set_input_files(tmp_path / "reel <12> & more.wav.html")
    until(page, "trouble.textContent === 'Webbläsaren kan inte spela upp filen.'")


@pytest.mark.parametrize(("code", "name"), [("en-a", "engelska"), ("qqq-1", "qqq-1"), ("abcdefgh", "abcdefgh")])
def test_a_language_of_any_code_is_named_as_far_as_may_be(show: Opener, code: str, name: str) -> None:
    odd = dataclasses.replace(TALK.segments[0], language=code)
    page = show(dataclasses.replace(TALK, segments=(odd, *TALK.segments[1:])), locale="sv-SE")
    assert page.locator(".who").all_text_contents()[:2] == [f"Kanal 1 {name}", "Kanal 2 nordsamiska"]
    page.get_by_role("button", name="Nästa att kontrollera").click()


def test_a_recording_that_was_renamed_with_its_page_is_found(show: Opener, tmp_path: Path) -> None:
    page = show(TALK)
    for ending in (".html", ""):
        (tmp_path / f"reel <12> & more.wav{ending}").rename(tmp_path / f"ny & 100 % #1.wav{ending}")
    page.goto((tmp_path / "ny & 100 % #1.wav.html").as_uri())
    until(page, "media.readyState > 0")
    assert page.locator("#missing").is_hidden()


def test_it_has_landmarks_and_names_for_a_screen_reader(show: Opener) -> None:
    page = show(TALK)
    for role, name in (
        ("banner", None),
        ("main", None),
        ("contentinfo", None),
        ("region", "Player"),
        ("search", "In this transcript"),
        ("region", "Transcript"),
        ("region", "About this text"),
        ("group", "Show"),
    ):
        assert page.get_by_role(role, **({"name": name} if name else {})).count() == 1, (role, name)
    assert page.locator("[aria-live]").count() == 0 and page.get_by_role("status").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "transcript"


@pytest.mark.parametrize(("wish", "behaviour"), [("reduce", "instant"), ("no-preference", "smooth")])
def test_it_glides_only_where_motion_is_welcome(show: Opener, wish: str, behaviour: str) -> None:
    page = show(TALK, reduced_motion=wish)
    page.evaluate("() => { window.asked = []; window.scrollBy = wish => asked.push(wish.behavior) }")
    page.get_by_role("searchbox").fill("Takk")
    page.get_by_role("searchbox").press("Enter")
    assert page.evaluate("asked") == [behaviour]


def test_without_a_script_it_is_a_text_to_read(show: Opener) -> None:
    page = show(TALK, ready=False, java_script_enabled=False)
    assert "Velkommen til «Lyd & bilde», Máret." in page.locator("#transcript").inner_text()
    assert page.locator("audio").is_visible() and not page.locator("#tools").is_visible()
    assert page.locator(".flag:visible").count() == 1


def test_printed_it_has_text_and_origin_but_no_buttons(show: Opener) -> None:
    page = show(TALK, color_scheme="dark")
    seek(page, 3)
    page.emulate_media(media="print")
    assert not page.locator("#player").is_visible() and not page.locator("#tools").is_visible()
    for told in (".mark", ".said >> nth=0", "#about", ".who >> nth=0", ".flag >> nth=0"):
        assert page.locator(told).is_visible(), told
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.said > .now')).backgroundColor") == "rgba(0, 0, 0, 0)"
    )
    assert page.evaluate("getComputedStyle(document.querySelector('.said')).color") == "rgb(0, 0, 0)"
    assert len(page.pdf()) > 5_000


# ---- three hours ----


def three_hours() -> Transcript:
    chance, segments, ms, count = random.Random(1), [], 1_000, 0
    while count < 27_000:
        text = " ".join(chance.choices(("og", "det", "båten", "Bergen", "ikke", "skipsverftet,", "far."), k=11))
        segments.append(spoken(len(segments), text, ms, 390, channel=len(segments) % 2, language="nb"))
        count, ms = count + 11, segments[-1].end_ms + 200
    segments[-1] = dataclasses.replace(segments[-1], flags=("repetition",))
    return Transcript(Media("long.wav", duration_ms=ms), "speech", tuple(segments), languages=("nb",))


def test_three_hours_open_quickly_and_are_searched_and_followed_smoothly(show: Opener) -> None:
    long = three_hours()
    assert 3 * 3_600_000 * 0.95 < (long.media.duration_ms or 0) < 4 * 3_600_000
    assert len(formats.write(long, "html")) < 1_650_000
    page = show(long, sound=False)
    page.evaluate(FRAMES)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    figures = {row["name"]: row["value"] for row in session.send("Performance.getMetrics")["metrics"]}
    assert 0 < figures["ProcessTime"] < 2, "seconds of the processor until the page stands"
    last = "document.querySelector('.seg:last-of-type .said > span').checkVisibility({contentVisibilityAuto: true})"
    assert not page.evaluate(last), "what is out of sight is laid out"
    assert figures["JSEventListeners"] < 60
    assert page.locator(".said > span").count() >= 27_000
    page.get_by_role("searchbox").fill("skipsverftet, far")
    page.get_by_role("searchbox").press("Enter")
    assert page.locator("#count").text_content().startswith("1 of ")
    slowest = page.evaluate("""() => {
      let slowest = 0;
      for (let second = 0; second < 10800; second += 54) {
        const begin = performance.now();
        media.currentTime = second;
        media.dispatchEvent(new Event("timeupdate"));
        slowest = Math.max(slowest, performance.now() - begin);
      }
      return slowest;
    }""")
    assert slowest < 100, "milliseconds to find and mark the word of a moment"
    page.evaluate("location.hash = '#t=9000'")
    until(page, "document.querySelector('.said > .now') !== null")
    page.evaluate(FRAMES)
    assert 200 < page.locator(".said > .now").bounding_box()["y"] < 650
    # The last place is laid out only when it comes into sight: it must still be found.
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Next to check").click()
    page.evaluate(FRAMES)
    box = page.locator(".flag").bounding_box()
    assert 0 < box["y"] < 700


def test_it_keeps_the_spoken_word_in_sight_unless_the_reader_went_elsewhere(show: Opener) -> None:
    long = dataclasses.replace(three_hours(), segments=three_hours().segments[:60])
    page = show(long)
    seek(page, 38)
    page.evaluate("media.play()")
    until(
        page,
        """() => {
      const word = document.querySelector(".said > .now");
      if (!word) return false;
      const box = word.getBoundingClientRect();
      return box.top >= bar.getBoundingClientRect().bottom && box.bottom <= innerHeight;
    }""",
    )
    page.mouse.wheel(0, -5_000)
    until(page, "scrollY === 0")
    page.wait_for_timeout(600)
    assert page.evaluate("scrollY") == 0
    page.evaluate("media.pause()")


def test_a_picture_of_it(show: Opener) -> None:
    """Written where SPEECHPIPE_SCREENSHOTS names a folder."""
    page = show(TALK, viewport={"width": 900, "height": 640})
    seek(page, 3.2)
    until(page, "caption.textContent.includes('Velkommen')")
    picture = page.screenshot()
    assert len(picture) < 100_000
    if folder := os.environ.get("SPEECHPIPE_SCREENSHOTS"):
        (Path(folder) / "page.png").write_bytes(picture)
