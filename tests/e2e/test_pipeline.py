"""The stages in order, with the embedded models on the sample recordings."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jiwer
import numpy as np
import pytest

from speechpipe import Settings, Transcriber, Transcript, formats, transcribe
from speechpipe.errors import AlreadyInWork, MediaNotFound, UnknownFormat, UnknownModel, UsageError
from speechpipe.files import sha256_file
from speechpipe.pipeline import Run, process
from speechpipe.repositories import FolderRepository
from speechpipe.transcript_data import Rights
from speechpipe.workspace import Workspace

WHISPER, WAV2VEC2 = "whisper-tiny-archive", "wav2vec2-tiny-archive"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.load(model=WHISPER, language="en", workspace=tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def transcriber(settings: Settings) -> Transcriber:
    return Transcriber(settings)


@pytest.fixture(scope="module")
def slate(transcriber: Transcriber, root: Path) -> Transcript:
    return transcribe(root / "sample_audio" / "slate.wav", settings=transcriber)


def reference(root: Path, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((root / "sample_audio" / f"{name}.reference.json").read_text())
    return content


def error_rate(said: str, heard: str) -> float:
    return float(jiwer.wer(" ".join(said.lower().split()), " ".join(heard.lower().split())))


def test_speech_is_really_recognised(slate: Transcript, root: Path) -> None:
    said = str(reference(root, "slate.wav")["text"])
    assert slate.outcome == "speech" and slate.languages == ("en",)
    assert error_rate(said, slate.text) <= 0.2


def test_every_word_has_a_time_within_the_recording(slate: Transcript) -> None:
    assert slate.words and slate.media.duration_ms
    assert all(word.timing == "aligned" for word in slate.words)
    starts = [word.start_ms for word in slate.words if word.start_ms is not None]
    assert starts == sorted(starts) and len(starts) == len(slate.words)
    assert max(word.end_ms or 0 for word in slate.words) <= slate.media.duration_ms
    for segment in slate.segments:
        assert " ".join(word.text for word in segment.words) == segment.text


def test_provenance_names_models_software_and_settings(slate: Transcript, root: Path) -> None:
    decoding, recognition, alignment = slate.steps
    assert decoding.settings["max_window_ms"] <= 30_000
    assert recognition.model == WHISPER and recognition.software == "faster-whisper"
    assert recognition.settings["language"] == "en" and recognition.settings["beam_size"] == 5
    assert alignment.model == WAV2VEC2
    assert all(step.model_sha256 and step.model_licence for step in (recognition, alignment))
    assert any("demonstration" in warning for warning in slate.warnings)
    assert str(root) not in json.dumps(slate.to_dict())


def test_the_other_embedded_model_recognises_it_too(settings: Settings, root: Path) -> None:
    heard = transcribe(root / "sample_audio" / "slate.wav", settings=settings.with_(model=WAV2VEC2))
    assert error_rate(str(reference(root, "slate.wav")["text"]), heard.text) <= 0.35
    assert heard.steps[1].software == "wav2vec2"


def test_two_speakers_on_two_channels_are_kept_apart(transcriber: Transcriber, root: Path) -> None:
    interview = transcribe(root / "sample_audio" / "interview.wav", settings=transcriber)
    assert {segment.channel for segment in interview.segments} == {0, 1}
    words = reference(root, "interview.wav")["words"]
    assert isinstance(words, list)
    for channel in (0, 1):
        said = " ".join(word["text"] for word in words if word["channel"] == channel)
        heard = " ".join(segment.text for segment in interview.segments if segment.channel == channel)
        assert error_rate(said, heard) <= 0.4


def test_the_language_is_told_by_the_model_where_none_is_given(settings: Settings, root: Path) -> None:
    norwegian = transcribe(root / "sample_audio" / "innspilling.wav", settings=settings.with_(language=None))
    assert norwegian.languages == ("nb",)
    step = norwegian.steps[1]
    assert step.settings["language"] == "nb" and 0.5 < step.settings["language_probability"] <= 1


def test_no_speech_is_a_result(transcriber: Transcriber, root: Path) -> None:
    music = transcribe(root / "sample_audio" / "no-speech.mp3", settings=transcriber)
    assert music.outcome == "no_speech" and music.segments == () and music.languages == ()
    assert [step.what for step in music.steps] == ["chunk"]  # no model was asked
    assert music.events


@pytest.mark.parametrize("seconds", [0, 3])
def test_silence_is_a_result(transcriber: Transcriber, seconds: int) -> None:
    silent = transcribe(np.zeros(16_000 * seconds, np.float32), rate=16_000, settings=transcriber)
    assert silent.outcome == "silent" and silent.media.duration_ms == seconds * 1000


def test_a_path_a_file_object_samples_and_a_pydub_segment_give_the_same_words(
    transcriber: Transcriber, slate: Transcript, root: Path
) -> None:
    from pydub import AudioSegment

    path = root / "sample_audio" / "slate.wav"
    segment = AudioSegment.from_wav(path)
    samples = np.array(segment.get_array_of_samples(), np.int16).reshape(-1, segment.channels)
    with path.open("rb") as file:
        sources = [
            transcribe(io.BytesIO(path.read_bytes()), settings=transcriber),
            transcribe(file, settings=transcriber),
            transcribe(segment, settings=transcriber),
            transcribe(samples, rate=segment.frame_rate, settings=transcriber),
            transcribe(samples[:, 0].astype(np.float32) / 32768, rate=segment.frame_rate, settings=transcriber),
        ]
    assert [transcript.text for transcript in sources] == [slate.text] * 5
    assert sources[1].media.name == "slate.wav"


@pytest.mark.parametrize(
    ("source", "more"),
    [(np.zeros(10), {}), ("a.wav", {"rate": 16_000}), (17, {}), (np.zeros(10), {"rate": 0}), (io.StringIO("text"), {}),
     (np.zeros((2, 2, 2)), {"rate": 16_000}), (np.array(["a"]), {"rate": 16_000})],
)  # fmt: skip
def test_what_is_no_recording_is_refused(transcriber: Transcriber, source: object, more: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        transcribe(source, settings=transcriber, **more)


def test_a_missing_file_and_an_unknown_model_are_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound, match="absent.wav"):
        transcribe(tmp_path / "absent.wav", settings=settings)
    with pytest.raises(UnknownModel, match="nb-whisper-huge"):
        Transcriber(settings.with_(model="nb-whisper-huge"))
    with pytest.raises(UsageError):
        Transcriber(settings.with_(model="auto"))
    with pytest.raises(UnknownFormat, match="docx"):
        Transcriber(settings.with_(formats=("vtt", "docx")))


def test_a_transcriber_has_its_own_settings(transcriber: Transcriber, root: Path) -> None:
    with pytest.raises(UsageError, match="language"):
        transcribe(root / "sample_audio" / "slate.wav", settings=transcriber, language="nb")


def test_progress_goes_through_the_stages_to_their_ends(settings: Settings, root: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    transcribe(
        root / "sample_audio" / "slate.wav",
        settings=settings.with_(workspace=tmp_path),
        progress=lambda stage, done, total: seen.append((stage, done, total)),
    )
    stages = list(dict.fromkeys(stage for stage, _, _ in seen))
    assert stages == ["chunk", "transcribe", "align"]
    for stage in stages:
        times = [done for s, done, _ in seen if s == stage]
        assert times == sorted(times)
    assert [done == total for s, done, total in seen if s != "chunk"][-1]


def test_changing_the_aligner_does_not_decode_again(settings: Settings, root: Path, tmp_path: Path) -> None:
    path, work = root / "sample_audio" / "slate.wav", settings.with_(workspace=tmp_path)
    before = transcribe(path, settings=work)
    journals = {file.name: file.stat().st_mtime_ns for file in tmp_path.rglob("transcribe-*.jsonl")}
    assert len(journals) == 1
    after = transcribe(path, settings=work.with_(aligner="none"))
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.rglob("transcribe-*.jsonl")} == journals
    assert after.text == before.text
    assert {word.timing for word in after.words} <= {"decoder", "interpolated"}
    assert [step.what for step in after.steps] == ["chunk", "transcribe"]
    assert not list(tmp_path.rglob("*.s16"))


def test_a_recording_is_deposited_once_and_found_done(transcriber: Transcriber, root: Path, tmp_path: Path) -> None:
    repository, item = FolderRepository.of_file(root / "sample_audio" / "slate.wav", tmp_path)
    receipt = process(transcriber, repository, item)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert receipt.status == "done" and receipt.words and receipt.audio_ms and receipt.wall_ms is not None
    assert {"slate.wav.vtt", "slate.wav.alto.xml", "slate.wav.json", "slate.wav.txt"} < set(names)
    digests = {name: sha256_file(tmp_path / name) for name in names}
    assert process(transcriber, repository, item) == receipt
    again = process(transcriber, repository, item, again=True)
    assert again.version == receipt.version
    assert digests == {name: sha256_file(tmp_path / name) for name in names} | {
        name: digests[name]
        for name in names
        if name.endswith("speechpipe.json")  # holds how long it took
    }


def test_what_the_repository_knows_of_an_item_stands_in_its_transcript(
    transcriber: Transcriber, root: Path, tmp_path: Path
) -> None:
    repository, item = FolderRepository.of_file(root / "sample_audio" / "slate.wav", tmp_path)
    known = replace(item, title="A slate", rights=Rights("https://creativecommons.org/licenses/by/4.0/", "open"))
    process(transcriber, repository, known)
    found = formats.read((tmp_path / "slate.wav.json").read_bytes(), "json")
    assert (found.identifier, found.title, found.rights) == (item.identifier, known.title, known.rights)


def test_the_description_of_a_package_names_its_files_as_they_are_called(
    settings: Settings, root: Path, tmp_path: Path
) -> None:
    repository, item = FolderRepository.of_file(root / "sample_audio" / "slate.wav", tmp_path)
    transcriber = Transcriber(settings.with_(formats=("mets", "vtt", "json")))
    process(transcriber, repository, item)
    assert 'href="slate.wav.vtt"' in (tmp_path / "slate.wav.mets.xml").read_text()
    (tmp_path / "slate.wav.vtt").write_text("WEBVTT\n\nNOTE corrected by a person\n")
    assert process(transcriber, repository, item, again=True).version == 2
    second = (tmp_path / "slate.wav.v2.mets.xml").read_text()
    assert 'href="slate.wav.v2.vtt"' in second and 'href="slate.wav.vtt"' not in second
    assert sha256_file(tmp_path / "slate.wav.v2.json") in second


def test_other_settings_and_lost_files_are_done_anew(settings: Settings, root: Path, tmp_path: Path) -> None:
    repository, item = FolderRepository.of_file(root / "sample_audio" / "slate.wav", tmp_path)
    transcriber = Transcriber(settings)
    process(transcriber, repository, item)
    assert Run(transcriber, repository, item).already()
    assert not Run(Transcriber(settings.with_(model=WAV2VEC2)), repository, item).already()
    (tmp_path / "slate.wav.vtt").unlink()
    assert not Run(transcriber, repository, item).already()


def test_a_failure_leaves_a_receipt_that_explains_it(transcriber: Transcriber, root: Path, tmp_path: Path) -> None:
    from speechpipe.errors import MediaError

    repository, item = FolderRepository.of_file(root / "sample_audio" / "broken.wav", tmp_path)
    with pytest.raises(MediaError) as failure:
        process(transcriber, repository, item)
    receipt = repository.existing(item)
    assert receipt and receipt.status == "failed" and receipt.curable is False
    assert receipt.message == failure.value.message and receipt.cure
    assert not list(tmp_path.glob("broken.wav.vtt"))


def test_a_recording_in_work_is_left_to_the_other_run(transcriber: Transcriber, root: Path, tmp_path: Path) -> None:
    path = root / "sample_audio" / "film.mp4"
    repository, item = FolderRepository.of_file(path, tmp_path)
    workspace = Workspace(transcriber.settings.workspace_folder, sha256_file(path))
    with workspace.locked("film.mp4"), pytest.raises(AlreadyInWork):
        process(transcriber, repository, item)
    assert repository.existing(item) is None
    assert process(transcriber, repository, item).status == "done"


def test_offline_asks_no_network_and_tells_the_hub_so(root: Path, tmp_path: Path) -> None:
    code = """
import socket, sys
def refused(*address):
    raise SystemExit(f"the network was asked for {address}")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refused
from speechpipe import Settings, transcribe
settings = Settings.load(model="whisper-tiny-archive", language="en", offline=True, workspace=sys.argv[2])
print(transcribe(sys.argv[1], settings=settings).outcome)
from huggingface_hub import constants
print(constants.HF_HUB_OFFLINE)
"""
    command = [sys.executable, "-c", code, str(root / "sample_audio" / "slate.wav"), str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["speech", "True"], done.stderr
