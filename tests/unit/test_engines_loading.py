"""What engines share: files found and read, devices chosen, clips checked, native errors explained."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from speechpipe.engines.contract import Clip, ModelFiles, Options
from speechpipe.engines.loading import (
    checked_options,
    checked_pcm,
    ct2_folder,
    device_for,
    loading,
    missing_package,
    read_json,
    refuse_prompts,
    require,
    running,
)
from speechpipe.errors import BrokenModel, DependencyError, EngineError, UnknownModel, UsageError
from speechpipe.settings.decoding import Decoding


def a_model(folder: Path) -> ModelFiles:
    return ModelFiles("m", folder, "whisper")


def test_the_weights_lie_in_the_folder_or_in_ct2(tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match=r"ct2/model\.bin"):
        ct2_folder(a_model(tmp_path))
    (tmp_path / "ct2").mkdir()
    (tmp_path / "ct2" / "model.bin").touch()
    assert ct2_folder(a_model(tmp_path)) == tmp_path / "ct2"
    (tmp_path / "model.bin").touch()
    assert ct2_folder(a_model(tmp_path)) == tmp_path


def test_the_first_file_there_is(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two").touch()
    folders = [tmp_path / "a", tmp_path / "b"]
    assert require(a_model(tmp_path), folders, "one", "two") == tmp_path / "b" / "two"
    with pytest.raises(BrokenModel, match="a/three"):
        require(a_model(tmp_path), folders, "three", "four")


def test_json_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_json(tmp_path / "none.json") == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe{", b"[" * 100_000, b"7"])
def test_json_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(BrokenModel, match=r"config\.json"):
        read_json(tmp_path / "config.json")


def test_auto_takes_the_gpu_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda device: {"float16", device})
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 1)
    assert device_for(Decoding()).name == "cuda"
    assert device_for(Decoding(device="cpu")).name == "cpu"
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    assert device_for(Decoding()).name == "cpu"


def test_what_spoils_a_model_is_computed_in_only_where_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"float16", "bfloat16", "float32", "int8"}
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda device: there)
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 1)
    assert device_for(Decoding()).compute_type == "default", "as stored, where nothing spoils it"
    assert device_for(Decoding(), ("float16",)).compute_type == "bfloat16"
    assert device_for(Decoding(compute_type="auto"), ("int8",)).compute_type == "float16"
    assert device_for(Decoding(compute_type="float16"), ("float16",)).compute_type == "float16"
    there.remove("bfloat16")
    assert device_for(Decoding(), ("float16",)).compute_type == "float32"
    assert device_for(Decoding(device="cpu"), ("float16",)).compute_type == "int8"
    assert device_for(Decoding(device="cpu"), ("int8",)).compute_type == "float32"


def test_threads_are_those_asked_for_or_all_cores_one_may_use() -> None:
    assert device_for(Decoding(device="cpu", threads=3)).threads == 3
    assert device_for(Decoding(device="cpu")).threads == len(os.sched_getaffinity(0))


def test_a_compute_type_that_is_missing_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"'int3'.*default, float32"):
        device_for(Decoding(device="cpu", compute_type="int3"))


def test_options_at_their_default_are_honoured_by_all() -> None:
    checked_options(Options(), "e")
    checked_options(Options(beam_size=1), "e", "beam_size")
    with pytest.raises(UsageError, match="e has no option batch_size"):
        checked_options(Options(batch_size=1), "e", "beam_size")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("prompt", ""),
        ("prompt", " "),
        ("prompt", 7),
        ("vocabulary", "Hitra"),
        ("vocabulary", ["Hitra"]),
        ("vocabulary", ("Hitra", " ")),
        ("vocabulary", ("Hitra", 7)),
        ("context", "yes"),
        ("context", None),
        ("fallback", "on"),
        ("fallback", None),
    ],
)
def test_values_that_no_engine_knows(option: str, value: object) -> None:
    every = [field.name for field in fields(Options)]
    with pytest.raises(UsageError, match=f"option {option} must be"):
        checked_options(replace(Options(), **{option: value}), "e", *every)  # type: ignore[arg-type]


def test_options_are_those_of_the_settings() -> None:
    assert Options.of(Decoding()) == Options()
    asked = Decoding(beam_size=2, batch_size=3, prompt="a", vocabulary=("b",), context=True, fallback="off")
    assert Options.of(asked) == Options(2, 3, "a", ("b",), True, "off")


def test_prompts_are_refused_and_empty_ones_are_none() -> None:
    pcm = np.zeros(0, np.float32)
    refuse_prompts([Clip(pcm), Clip(pcm, prompt="")], "e")
    with pytest.raises(UsageError, match="engine e cannot be told"):
        refuse_prompts([Clip(pcm), Clip(pcm, prompt="said before")], "e")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_samples_come_out_as_float32_in_one_piece(dtype: type) -> None:
    pcm = checked_pcm(Clip(np.tile(np.array([0.5, -0.5], dtype), 1000)[::2]))
    assert pcm is None  # every second sample of it is the same: nothing to hear
    pcm = checked_pcm(Clip(np.tile(np.array([0.5, 0, -0.5, 0], dtype), 1000)[::2]))
    assert pcm is not None
    assert (pcm.dtype, pcm.size, pcm.flags.c_contiguous) == (np.float32, 2000, True)


def test_a_limit_of_its_own() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16_001).astype(np.float32)
    assert checked_pcm(noise[:-1], max_clip_ms=1000) is not None
    with pytest.raises(UsageError, match="longer than the 1000 ms"):
        checked_pcm(noise, max_clip_ms=1000)


def test_a_missing_package_names_its_cure() -> None:
    with (
        pytest.raises(DependencyError, match=r'ctranslate2 .*pip install "speechpipe\[transformers\]"'),
        missing_package("ctranslate2", "transformers"),
    ):
        raise ImportError("libcudart.so.12: cannot open shared object file")


@pytest.mark.parametrize(
    ("raised", "expected", "said"),
    [
        (RuntimeError("Unsupported model binary version"), BrokenModel, r"model\.bin: Unsupported"),
        (ValueError("bad"), BrokenModel, r"model\.bin: bad"),
        (MemoryError(), EngineError, "not enough memory"),
        (RuntimeError("CUDA failed with error out of memory"), EngineError, "not enough memory"),
        (RuntimeError("mkl_malloc: failed to allocate memory"), EngineError, "not enough memory"),
        (RuntimeError("could not create a memory object"), EngineError, "not enough memory"),
        (RuntimeError("std::bad_alloc"), EngineError, "not enough memory"),
        (RuntimeError("can't start new thread"), EngineError, "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), EngineError, "not enough memory"),
        (OSError(errno.EIO, "Input/output error", "m/a.bin"), EngineError, r"m/a\.bin is there, .*Input/output error"),
        (OSError(errno.EACCES, "Permission denied"), EngineError, r"m/model\.bin is there, .*Permission denied"),
        (OSError(errno.ENOENT, "No such file", "m/a.bin"), BrokenModel, r"m/a\.bin cannot be read"),
        (OSError("Unable to load weights"), BrokenModel, r"model\.bin: Unable"),
        (UnknownModel("as it was"), UnknownModel, "as it was"),
        (ImportError("as it was"), ImportError, "as it was"),
    ],
)
def test_what_a_loader_raises_is_explained(raised: Exception, expected: type[Exception], said: str) -> None:
    with pytest.raises(expected, match=said) as caught, loading(a_model(Path("m")), Path("m/model.bin")):
        raise raised
    assert type(caught.value) is expected


CHILD = """
import resource, sys
from pathlib import Path
import ctranslate2, faster_whisper
from speechpipe import engines
from speechpipe.engines.contract import ModelFiles
from speechpipe.errors import SpeechpipeError
from speechpipe.settings.decoding import Decoding

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (40 << 20),) * 2)
try:
    engines.load_engine("faster-whisper", ModelFiles("tiny", Path(sys.argv[1]), "whisper"), Decoding(threads=1))
except SpeechpipeError as error:
    print(type(error).__name__, error.curable, error)
"""


def test_a_whole_model_on_a_machine_with_little_memory_is_not_broken(root: Path) -> None:
    model = root / "models" / "whisper-tiny-archive"
    ran = subprocess.run([sys.executable, "-c", CHILD, str(model)], capture_output=True, text=True, cwd=root)
    assert ran.stdout.startswith("EngineError True There is not enough memory to load the model tiny."), ran.stderr


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_json_that_the_disk_refuses_is_not_damaged(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *how: object, **more: object) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(io, "open", refuse)
    with pytest.raises(EngineError, match=rf"config\.json is there, .*{os.strerror(number)}") as caught:
        read_json(tmp_path / "config.json")
    assert type(caught.value) is EngineError and caught.value.curable


def test_the_log_level_of_ctranslate2_is_put_back() -> None:
    import ctranslate2

    before = ctranslate2.get_log_level()
    with pytest.raises(BrokenModel), loading(a_model(Path("m")), Path("m/model.bin")):
        assert ctranslate2.get_log_level() != before
        raise RuntimeError
    assert ctranslate2.get_log_level() == before


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("std::bad_alloc"), "m ran out of memory"),
        (RuntimeError("x"), "m failed: x"),
        (ValueError("y"), "m failed: y"),
    ],
)
def test_what_native_code_raises_at_work_is_explained(raised: Exception, said: str) -> None:
    with pytest.raises(EngineError, match=said) as caught, running("m"):
        raise raised
    assert not isinstance(caught.value, BrokenModel)
