"""A film with its own sound and a dub: the streams that are asked for, each in its language."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import jiwer
import pytest
from click.testing import CliRunner

from speechpipe import Settings, Transcriber, transcribe
from speechpipe.cli import cli
from speechpipe.corrections.files import realigned
from speechpipe.errors import UsageError
from speechpipe.pipeline import Run, process
from speechpipe.repositories import FolderRepository
from speechpipe.transcript import Transcript
from tests.containers import RATE, read_speech

NAMES = {"eng": "slate.wav", "nob": "innspilling.wav"}


def film(path: Path, root: Path, tags: dict[str, str]) -> Path:
    """``tags``: language tag → the sample that is the stream's sound."""
    with av.open(str(path), "w", format="matroska") as container:
        streams = []
        for tag, name in tags.items():
            stream = container.add_stream("flac", rate=RATE, layout="mono")
            stream.metadata["language"] = tag
            streams.append((stream, read_speech(root / "sample_audio" / name)))
        for stream, samples in streams:
            frame = av.AudioFrame.from_ndarray((samples * 32_767).astype("<i2")[None], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def settings(tmp_path: Path, streams: str, model: str = "whisper-tiny-archive", **more: object) -> Settings:
    return Settings.load(model=model, workspace=tmp_path / "work", streams=streams, **more)


def error_rate(root: Path, name: str, transcript: Transcript, channel: int | None) -> float:
    said = json.loads((root / "sample_audio" / f"{name}.reference.json").read_text())["text"]
    heard = " ".join(segment.text for segment in transcript.segments if segment.channel == channel)
    return float(jiwer.wer(said, heard))


def test_each_stream_is_recognised_in_the_language_of_its_tag(root: Path, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", root, NAMES)
    transcript = transcribe(path, settings=Transcriber(settings(tmp_path, "all")))
    assert {(s.channel, s.language) for s in transcript.segments} == {(0, "en"), (1, "nb")}
    assert error_rate(root, "slate.wav", transcript, 0) <= 0.1
    assert error_rate(root, "innspilling.wav", transcript, 1) <= 0.1
    assert transcript.media.duration_ms == max(
        len(read_speech(root / "sample_audio" / n)) // 16 for n in NAMES.values()
    )
    assert not any("unread" in warning for warning in transcript.warnings)
    (step,) = [step for step in transcript.steps if step.what == "transcribe"]
    assert step.settings["language_of_streams"] == ["en", "nb"]
    assert step.settings["language_probability"] is None


def test_one_stream_by_its_language_or_number_and_other_streams_are_other_work(root: Path, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", root, NAMES)
    texts = {}
    for streams in ("best", "nb", "2"):
        transcript = transcribe(path, settings=Transcriber(settings(tmp_path, streams, "fake")))
        texts[streams] = [(s.start_ms, s.end_ms) for s in transcript.segments]
        assert "1 other audio stream of the file left unread" in transcript.warnings
    assert texts["nb"] == texts["2"] != texts["best"]
    with pytest.raises(UsageError, match="no audio stream se"):
        transcribe(path, settings=Transcriber(settings(tmp_path, "se", "fake")))


def test_a_tag_that_says_nothing_or_no_model_knows_is_not_believed(root: Path, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", root, {"und": "slate.wav"})
    transcript = transcribe(path, settings=Transcriber(settings(tmp_path, "all")))
    assert transcript.languages == ("en",)
    assert transcript.steps[1].settings["language_probability"] > 0.5
    path = film(tmp_path / "other.mkv", root, {"sme": "slate.wav"})
    transcript = transcribe(path, settings=Transcriber(settings(tmp_path, "all")))
    assert transcript.languages == ("en",)


def test_the_setting_is_part_of_what_was_asked_for_and_scratch_goes(root: Path, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", root, NAMES)
    repository, item = FolderRepository.of_file(path, tmp_path / "out")
    every = Transcriber(settings(tmp_path, "all", "fake"))
    process(every, repository, item)
    assert Run(every, repository, item).already()
    assert not Run(Transcriber(settings(tmp_path, "best", "fake")), repository, item).already()
    assert not list((tmp_path / "work").rglob("*.s16"))
    changed = Transcriber(settings(tmp_path, "all", "fake", decoding={"batch_size": 4}))
    assert process(changed, repository, item, again=True).status == "done"  # the sound is decoded anew


@pytest.mark.parametrize("streams", ["all", "nb"])
def test_words_written_into_a_dub_are_timed_by_the_dub(root: Path, tmp_path: Path, streams: str) -> None:
    path = film(tmp_path / "film.mkv", root, NAMES)
    wanted = settings(tmp_path, streams)
    transcript = transcribe(path, settings=Transcriber(wanted))
    assert transcript.steps[0].settings["asked"] == {"channels": "auto", "streams": streams}
    dub = [segment for segment in transcript.segments if segment.language == "nb"]
    assert sum(word.timing == "aligned" for segment in dub for word in segment.words) > 10
    untimed = [
        replace(s, words=tuple(replace(w, timing="interpolated", confidence=None) for w in s.words)) if s in dub else s
        for s in transcript.segments
    ]
    timed = realigned(replace(transcript, segments=tuple(untimed)), path, wanted)
    for before, after in zip(transcript.segments, timed.segments, strict=True):
        near = [
            abs((old.start_ms or 0) - (new.start_ms or 0)) <= 80
            for old, new in zip(before.words, after.words, strict=True)
            if new.timing == "aligned"
        ]
        assert sum(near) >= 0.9 * len(before.words)


def test_a_transcript_that_tells_nonsense_of_its_streams_is_read_as_usual(root: Path, tmp_path: Path) -> None:
    wanted = settings(tmp_path, "best")
    path = root / "sample_audio" / "slate.wav"
    known = transcribe(path, settings=Transcriber(wanted))
    first, *rest = known.steps
    for told in (["all"], {"channels": 7, "nothing": None}, None):
        words = tuple(replace(word, timing="interpolated") for word in known.segments[0].words)
        segments = (replace(known.segments[0], words=words), *known.segments[1:])
        steps = (replace(first, settings={**first.settings, "asked": told}), *rest)
        odd = replace(known, segments=segments, steps=steps)
        if isinstance(told, dict):
            with pytest.raises(UsageError, match="no channel 7"):
                realigned(odd, path, wanted)
        else:
            assert any(word.timing == "aligned" for word in realigned(odd, path, wanted).segments[0].words)


def test_inspect_hears_the_streams_that_are_asked_for(root: Path, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", root, NAMES)
    runner = CliRunner(env={"SPEECHPIPE_WORKSPACE": str(tmp_path / "work")})
    picture = tmp_path / "film.svg"
    done = runner.invoke(cli, ["inspect", str(path), "--streams", "all", "--picture", str(picture), "--json"])
    assert done.exit_code == 0, done.output
    heard = json.loads(done.stdout)["heard"]
    assert {span["channel"] for span in heard["speech"]} == {0, 1}
    assert [lane["file"] for lane in heard["decoded"]["lanes"]] == ["stream-0/lane-0.s16", "stream-1/lane-0.s16"]
    text = picture.read_text(encoding="utf-8")
    lengths = [len(read_speech(root / "sample_audio" / name)) for name in NAMES.values()]
    ends = [
        max(float(point.split(",")[0]) for point in shape.split()) for shape in re.findall('points="([^"]+)"', text)
    ]
    assert (ends[0] - 100) / (ends[1] - 100) == pytest.approx(lengths[0] / lengths[1], abs=0.01)  # drawn to one scale
    assert ">channel 1, en<" in text and ">channel 2, nb<" in text and ">heard on 2<" in text
    one = runner.invoke(cli, ["inspect", str(path), "--streams", "nb", "--json"])
    (lane,) = json.loads(one.stdout)["heard"]["decoded"]["lanes"]
    assert lane["file"] == "stream-1/lane-0.s16"
    wrong = runner.invoke(cli, ["inspect", str(path), "--streams", "3"])
    assert wrong.exit_code == UsageError.exit_code and "no audio stream 3" in wrong.stderr
