"""The public names, and the promise that importing them costs next to nothing."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import speechpipe

HEAVY = {"torch", "prefect", "av", "ctranslate2", "faster_whisper", "onnxruntime", "numpy", "lxml", "pydantic"}


def test_all_is_what_can_be_had() -> None:
    assert set(speechpipe.__all__) == set(speechpipe._HOMES)
    assert list(speechpipe.__all__) == sorted(speechpipe.__all__)
    for name in speechpipe.__all__:
        assert getattr(speechpipe, name).__name__ == name
    assert set(speechpipe.__all__) <= set(dir(speechpipe))


def test_the_type_checker_sees_the_same_names() -> None:
    source = Path(speechpipe.__file__).read_text()
    block = source.split("if TYPE_CHECKING:")[1].split("_HOMES")[0]
    for name in speechpipe.__all__:
        assert name in block


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="transcribble"):
        speechpipe.transcribble  # noqa: B018


def test_transcribe_takes_at_most_eight_keywords() -> None:
    parameters = inspect.signature(speechpipe.transcribe).parameters.values()
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert len(keywords) <= 8
    documented = inspect.getdoc(speechpipe.transcribe) or ""
    for keyword in keywords:
        assert f"{keyword.name}:" in documented


def test_importing_loads_nothing_heavy() -> None:
    code = "import json, sys, speechpipe; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()


def test_the_version_is_the_packages() -> None:
    from importlib.metadata import version

    from speechpipe.installed import version as told

    assert told() == version("speechpipe")
