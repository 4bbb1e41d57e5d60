"""The language token of a Whisper model: its own, a relative's, or the one it was trained with."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe.engines import load_engine
from speechpipe.engines.contract import Clip, EngineInfo, ModelFiles, Options
from speechpipe.engines.whisper.tokens import forced_language, whisper_language
from speechpipe.errors import BrokenModel, UnknownLanguage
from speechpipe.settings.decoding import Decoding

INFO = EngineInfo("faster-whisper", "1", "some/model", languages=frozenset({"se", "nb"}))


def write(folder: Path, config: Any) -> Path:
    (folder / "generation_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("config", "language"),
    [
        ({"language": "<|fi|>"}, "fi"),
        ({"language": "fi"}, "fi"),
        ({"language": "Finnish"}, "fi"),
        ({"language": "quenya"}, None),
        ({"lang_to_id": {"<|fi|>": 50277}, "forced_decoder_ids": [[1, 50277], [2, 50359]]}, "fi"),
        ({"lang_to_id": {"<|fi|>": 50277}, "forced_decoder_ids": [[1, None], [2, 50359]]}, None),
        ({"lang_to_id": {"<|fi|>": 50277}, "forced_decoder_ids": None}, None),
        ({"lang_to_id": [], "forced_decoder_ids": [[1, 50277]]}, None),
        ({"lang_to_id": {"<|fi|>": 50277}, "forced_decoder_ids": [1, "x", [1]]}, None),
        ({}, None),
    ],
)
def test_the_token_that_is_forced(config: Any, language: str | None, tmp_path: Path) -> None:
    assert forced_language([write(tmp_path, config)]) == language


def test_the_first_folder_that_has_it_counts(tmp_path: Path) -> None:
    (tmp_path / "ct2").mkdir()
    write(tmp_path, {"language": "fi"})
    assert forced_language([tmp_path / "ct2", tmp_path]) == "fi"
    write(tmp_path / "ct2", {"language": "et"})
    assert forced_language([tmp_path / "ct2", tmp_path]) == "et"
    assert forced_language([]) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(BrokenModel, match=r"generation_config\.json"):
        whisper_language("se", INFO, [tmp_path], lambda token: True)


def test_a_language_of_the_models_own_takes_the_token_it_was_trained_with(tmp_path: Path) -> None:
    folders = [write(tmp_path, {"language": "<|fi|>"})]
    assert whisper_language("se", INFO, folders, lambda token: token == "fi") == "fi"
    assert whisper_language("nb-NO", INFO, folders, lambda token: True) == "no", "the table comes first"
    assert whisper_language("gsw", INFO, folders, lambda token: True) == "de"


@pytest.mark.parametrize(
    ("code", "info", "has"),
    [
        ("ga", INFO, True),  # not the model's own
        ("se", INFO, False),  # the token that is forced is not in the model
        ("se", replace(INFO, languages=None), True),
        ("sv", INFO, False),
    ],
)
def test_a_language_that_the_model_does_not_know(code: str, info: EngineInfo, has: bool, tmp_path: Path) -> None:
    folders = [write(tmp_path, {"language": "fi"})]
    with pytest.raises(UnknownLanguage, match=rf"some/model does not know {code} .*models recommend --language {code}"):
        whisper_language(code, info, folders, lambda token: has)


def test_an_engine_decodes_sami_with_the_token_of_its_model(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(root / "models" / "whisper-tiny-archive" / "ct2", folder)
    model = ModelFiles("some/model", folder, "whisper", languages=frozenset({"se"}))
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    with pytest.raises(UnknownLanguage, match="does not know se"):
        load_engine("faster-whisper", model, Decoding()).transcribe([Clip(noise, language="se")], Options())
    write(folder, {"language": "<|en|>"})
    (result,) = load_engine("faster-whisper", model, Decoding()).transcribe([Clip(noise, language="se")], Options())
    assert result.language == "se"


@pytest.mark.extra
@pytest.mark.parametrize("engine", ["transformers", "whisper"])
def test_the_engines_on_torch_do_so_too(engine: str, root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(root / "models" / "whisper-tiny-archive", folder, ignore=shutil.ignore_patterns("ct2", "SHA*"))
    model = ModelFiles("some/model", folder, "whisper", languages=frozenset({"se"}))
    config = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    clip = Clip(np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32), language="se")
    with pytest.raises(UnknownLanguage, match="does not know se"):
        load_engine(engine, model, Decoding(fallback="off")).transcribe([clip], Options())
    write(folder, {**config, "language": "<|en|>"})
    (result,) = load_engine(engine, model, Decoding(fallback="off")).transcribe([clip], Options())
    assert result.language == "se"
