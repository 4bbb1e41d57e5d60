"""From a name or a path to a model whose files were checked."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest

from speechpipe import installed, registry
from speechpipe.errors import BrokenModel, SpeechpipeError, UnknownModel, UsageError
from speechpipe.registry import seal as sealing
from speechpipe.registry.storing.folders import SEAL, check

WHISPER = "whisper-tiny-archive"
WAV2VEC2 = "wav2vec2-tiny-archive"
READ = {
    WHISPER: ["ct2/model.bin", "ct2/config.json", "ct2/tokenizer.json", "ct2/vocabulary.json"],
    WAV2VEC2: ["ct2/model.bin", "ct2/vocabulary.json", "vocab.json"],
}


def ct2_model(spec: str = "WhisperSpec") -> bytes:
    """The head of a CTranslate2 model.bin, then some weights."""
    name = spec.encode() + b"\0"
    return struct.pack("<IH", 6, len(name)) + name + bytes(100)


def model_folder(folder: Path, spec: str = "WhisperSpec", below: str = "ct2") -> Path:
    """A folder as a converter leaves it; nothing but the head of its weights is real."""
    (folder / below).mkdir(parents=True, exist_ok=True)
    (folder / below / "model.bin").write_bytes(ct2_model(spec))
    for name in (
        "config.json",
        f"{below}/config.json",
        f"{below}/tokenizer.json",
        f"{below}/vocabulary.json",
        "vocab.json",
    ):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The embedded models in a folder where they can be spoiled."""
    source = installed.models_folder()
    target = tmp_path / "models"
    target.mkdir()
    shutil.copy(source / "registry.yaml", target)
    for name in READ:
        shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("*.safetensors"))
    monkeypatch.setattr(installed, "models_folder", lambda: target)
    return target


def test_an_embedded_model_is_found_by_its_name() -> None:
    found = registry.find(WHISPER)
    assert (found.name, found.family, found.window_ms) == (WHISPER, "whisper", 6000)
    assert found.path == registry.embedded_folder() / WHISPER
    assert (found.weights / "model.bin").is_file()
    assert found.licence == "CC-BY-SA-4.0"
    assert found.languages == {"en", "nb"}
    assert len(found.sha256) == 64
    assert found.revision is None


def test_the_name_and_the_paths_lead_to_the_same_model() -> None:
    by_name = registry.find(WHISPER)
    folder = registry.embedded_folder() / WHISPER
    assert registry.find(str(folder)) == registry.find(str(folder / "ct2")) == by_name
    assert registry.find(WAV2VEC2).sha256 != by_name.sha256


@pytest.mark.parametrize("name", READ)
def test_a_copy_elsewhere_is_known_for_what_it_is(name: str, tmp_path: Path) -> None:
    shutil.copytree(registry.embedded_folder() / name, tmp_path / "renamed")
    found = registry.find(str(tmp_path / "renamed"))
    assert found.name == name
    assert found.demonstration
    assert found.sha256 == registry.find(name).sha256
    assert found.path == tmp_path / "renamed"


def test_the_wheel_leaves_out_files_that_are_not_read(copies: Path) -> None:
    assert not (copies / WHISPER / "model.safetensors").exists()
    assert registry.find(WHISPER).path == copies / WHISPER


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in READ.items() for file in files])
@pytest.mark.parametrize("by_path", [False, True])
def test_a_missing_file_is_named(name: str, file: str, by_path: bool, copies: Path) -> None:
    (copies / name / file).unlink()
    with pytest.raises(BrokenModel, match=f"{name}/{file}.*missing") as caught:
        registry.find(str(copies / name) if by_path else name)
    assert caught.value.exit_code == 6
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in READ.items() for file in files])
@pytest.mark.parametrize("by_path", [False, True])
def test_an_altered_file_is_named(name: str, file: str, by_path: bool, copies: Path) -> None:
    path = copies / name / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BrokenModel, match=f"{name}/{file}.*altered"):
        registry.find(str(copies / name) if by_path else name)


@pytest.mark.parametrize("keep", [0, 3, 10, 1000])
def test_weights_cut_short_are_noticed(keep: int, copies: Path) -> None:
    path = copies / WHISPER / "ct2" / "model.bin"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BrokenModel, match=r"ct2/model\.bin.*cut short"):
        registry.find(WHISPER)


def test_a_file_that_changes_after_a_first_use_is_noticed(copies: Path) -> None:
    assert registry.find(WAV2VEC2)
    path = copies / WAV2VEC2 / "vocab.json"
    path.write_text(path.read_text().replace('"a"', '"q"', 1))
    with pytest.raises(BrokenModel, match=r"vocab\.json"):
        registry.find(WAV2VEC2)


def test_an_embedded_model_without_its_seal_is_broken(copies: Path) -> None:
    (copies / WHISPER / SEAL).unlink()
    with pytest.raises(BrokenModel, match=f"{SEAL}.*missing"):
        registry.find(WHISPER)


@pytest.mark.parametrize("content", [b"nonsense", b"\xff", b"abc  ct2/model.bin\n"])
def test_a_seal_that_is_none_is_named(content: bytes, copies: Path) -> None:
    (copies / WHISPER / SEAL).write_bytes(content)
    with pytest.raises(BrokenModel, match=SEAL):
        registry.find(WHISPER)


def test_a_model_of_another_family_under_the_name_is_refused(copies: Path) -> None:
    shutil.rmtree(copies / WHISPER)
    shutil.copytree(copies / WAV2VEC2, copies / WHISPER)
    with pytest.raises(BrokenModel, match="wav2vec2-ctc model, not a whisper"):
        registry.find(WHISPER)


@pytest.mark.parametrize(("spec", "family"), [("WhisperSpec", "whisper"), ("Wav2Vec2Spec", "wav2vec2-ctc")])
@pytest.mark.parametrize("below", ["ct2", "."])
def test_a_folder_tells_its_family(spec: str, family: str, below: str, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine", spec, below)
    found = registry.find(str(folder))
    assert (found.name, found.family) == ("mine", family)
    assert found.weights == folder / below
    assert (found.entry, found.licence, found.languages, found.window_ms) == (None, None, None, None)
    assert not found.demonstration


def test_the_digest_of_a_model_changes_with_every_file_read(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    seen = {check(folder).sha256}
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        path = folder / "ct2" / name
        path.write_bytes(ct2_model() + b"x" if name == "model.bin" else b'{"x": 1}')
        seen.add(check(folder).sha256)
    (folder / "ct2" / "preprocessor_config.json").write_text("{}")
    seen.add(check(folder).sha256)
    assert len(seen) == 6
    (folder / "notes.txt").write_text("read by nobody")
    assert check(folder).sha256 in seen


def test_whisper_may_have_its_vocabulary_as_text(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "old")
    (folder / "ct2" / "vocabulary.json").rename(folder / "ct2" / "vocabulary.txt")
    assert "ct2/vocabulary.txt" in check(folder).digests


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a CTranslate2 model"),
        (b"text, not weights", "not a CTranslate2"),
        (ct2_model("TransformerSpec"), "kind"),
    ],
)
def test_weights_of_no_known_kind_are_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    (folder / "ct2" / "model.bin").write_bytes(content)
    with pytest.raises(BrokenModel, match=complaint):
        registry.find(str(folder))


def test_a_configuration_that_is_not_json_is_named(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    (folder / "ct2" / "tokenizer.json").write_bytes(b'{"half": ')
    with pytest.raises(BrokenModel, match=r"tokenizer\.json.*not JSON"):
        registry.find(str(folder))


def transformers_folder(folder: Path, **config: object) -> Path:
    """A folder as transformers lays a Whisper model out; only the names of its files are real."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper"} | config))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_a_folder_of_transformers_is_a_model(tmp_path: Path) -> None:
    checked = check(transformers_folder(tmp_path))
    assert (checked.form, checked.family, checked.weights) == ("transformers", "whisper", tmp_path)
    assert set(checked.digests) == {"model.safetensors", "config.json", "tokenizer.json"}
    assert registry.find(str(tmp_path)).sha256 == checked.sha256


@pytest.mark.parametrize("gone", ["tokenizer.json", "config.json"])
def test_what_transformers_needs_is_named(gone: str, tmp_path: Path) -> None:
    (transformers_folder(tmp_path) / gone).unlink()
    with pytest.raises(BrokenModel, match=gone):
        check(tmp_path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "bert"}, "not used here: bert"),
        ({"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForPreTraining"]}, "no CTC head"),
        ({"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"]}, r"vocab\.json"),
    ],
)
def test_a_kind_that_is_not_used_is_refused(config: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match=said):
        check(transformers_folder(tmp_path, **config))


def test_shards_are_read_by_their_index(tmp_path: Path) -> None:
    (transformers_folder(tmp_path) / "model.safetensors").unlink()
    shard, index = tmp_path / "model-00001-of-00001.safetensors", tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"proj": shard.name}}))
    with pytest.raises(BrokenModel, match=shard.name):
        check(tmp_path)
    shard.write_bytes(b"weights")
    assert {shard.name, index.name} <= set(check(tmp_path).digests)
    index.write_text(json.dumps({"weight_map": {"proj": "../../etc/passwd"}}))
    with pytest.raises(BrokenModel, match="does not name its shards"):
        check(tmp_path)


def test_a_checkpoint_of_openai_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")
    checked = check(tmp_path)
    assert (checked.form, checked.family, set(checked.digests)) == ("openai", "whisper", {"model.pt"})


def test_a_folder_of_models_is_searched_by_name(tmp_path: Path) -> None:
    model_folder(tmp_path / "national")
    assert registry.find("national", tmp_path).path == tmp_path / "national"
    with pytest.raises(UnknownModel):
        registry.find("national")
    with pytest.raises(UnknownModel):
        registry.find("absent/../national", tmp_path / "national")


@pytest.mark.parametrize(
    "name", ["", "no-such-model", "a/b", "/no/such/folder", "nul\0l", "-", "x" * 300, "~nobody/model"]
)
def test_what_is_not_there_is_unknown(name: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        registry.find(name)
    assert caught.value.exit_code == 2


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(ct2_model())
    with pytest.raises(UnknownModel, match="is a file"):
        registry.find(str(tmp_path / "model.bin"))


def test_auto_never_picks_a_demonstration_model() -> None:
    with pytest.raises(UnknownModel, match=r"--model PATH.*--model whisper-tiny-archive") as caught:
        registry.find("auto")
    assert isinstance(caught.value, UsageError)


def test_a_demonstration_model_warns_and_others_do_not(tmp_path: Path) -> None:
    warning = registry.demonstration_warning(registry.find(WHISPER))
    assert warning is not None
    assert warning.startswith("whisper-tiny-archive is a demonstration model.")
    assert "156 words" in warning
    assert registry.demonstration_warning(registry.entry_named(WAV2VEC2)) is not None
    assert registry.demonstration_warning(registry.find(str(model_folder(tmp_path / "mine")))) is None


def test_the_aligner_follows_from_the_model(tmp_path: Path) -> None:
    whisper, wav2vec2 = registry.find(WHISPER), registry.find(WAV2VEC2)
    unknown = registry.find(str(model_folder(tmp_path / "mine")))
    assert registry.find_aligner("auto", whisper) == wav2vec2
    assert registry.find_aligner("auto", wav2vec2) is wav2vec2
    assert registry.find_aligner("auto", unknown) is None
    assert registry.find_aligner("none", whisper) is None
    assert registry.find_aligner(WAV2VEC2, unknown) == wav2vec2
    with pytest.raises(UsageError, match="cannot align"):
        registry.find_aligner(WHISPER, unknown)
    with pytest.raises(UnknownModel):
        registry.find_aligner("absent", whisper)


def test_one_command_seals_changed_models(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copies / WHISPER / "ct2" / "model.bin"
    before = registry.find(WHISPER).sha256
    path.write_bytes(path.read_bytes() + b"better")
    with pytest.raises(BrokenModel):
        registry.find(WHISPER)
    sealing.main([])
    assert capsys.readouterr().out.count(SEAL) == 2
    assert registry.find(WHISPER).sha256 != before


def test_a_seal_covers_every_file_but_the_card(copies: Path) -> None:
    (copies / WHISPER / "model.safetensors").write_bytes(b"weights")
    lines = sealing.seal(copies / WHISPER).read_text().splitlines()
    sealed = {line[66:] for line in lines}
    files = {p.relative_to(copies / WHISPER).as_posix() for p in (copies / WHISPER).rglob("*") if p.is_file()}
    assert files - sealed == {"README.md", SEAL}
    assert lines == sorted(lines, key=lambda line: line[66:])


def test_an_incomplete_model_is_not_sealed_silently(copies: Path) -> None:
    (copies / WHISPER / "ct2" / "tokenizer.json").unlink()
    with pytest.raises(SpeechpipeError, match=r"tokenizer\.json"):
        sealing.main([str(copies / WHISPER)])


def test_the_seals_of_the_embedded_models_are_true() -> None:
    for name in READ:
        folder = installed.models_folder() / name
        digests = check(folder, must_be_sealed=True).digests
        assert set(READ[name]) <= set(digests)
