"""What several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is no fault of the code: no deadline. What is drawn stays the same from run to run.
settings.register_profile("speechpipe", deadline=None, derandomize=True)
settings.load_profile("speechpipe")

ROOT = Path(__file__).resolve().parent.parent

# No test sees the models of whoever runs it, nor asks the hub for one.
os.environ["XDG_DATA_HOME"] = "/nonexistent"
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def speech() -> Path:
    """The folder of human speech and odd media files that tests read."""
    folder = Path(os.environ.get("SPEECHPIPE_SPEECH", ROOT.parent / "shared" / "speech"))
    if not (folder / "MANIFEST.jsonl").is_file():
        pytest.fail(f"no speech collection at {folder}; set SPEECHPIPE_SPEECH to its folder")
    return folder


@pytest.fixture(scope="session")
def formats_suite() -> Path:
    """The folder of schemas and of test data for parsers of WebVTT, which tests read."""
    folder = Path(os.environ.get("SPEECHPIPE_FORMATS", ROOT.parent / "shared" / "formats"))
    if not (folder / "webvtt-suite" / "SOURCES.md").is_file():
        pytest.fail(f"no schemas and test data of formats at {folder}; set SPEECHPIPE_FORMATS to their folder")
    return folder
