"""The wheel works where there is no checkout: it transcribes, lists its models and finds its flows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("speechpipe-*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, which borrows the dependencies (not the checkout) of the tests' own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (site,) = (folder / "env" / "lib").glob("python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # A plain line in a .pth adds a folder without reading that folder's own .pth files, where the checkout is named.
    borrowed = [entry for entry in sys.path if entry.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return folder


def run(elsewhere: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(elsewhere), "LANG": "C.UTF-8"}
    command = [str(elsewhere / "env" / "bin" / "python"), *arguments]
    return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=240)


def test_it_holds_flows_and_models_but_no_recipes(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "speechpipe/flows/serve.py",
        "speechpipe/models/registry.yaml",
        "speechpipe/models/whisper-tiny-archive/ct2/model.bin",
        "speechpipe/models/wav2vec2-tiny-archive/ct2/model.bin",
        "speechpipe/transcript.schema.json",
        "speechpipe/formats/page/html_page.html",
        "speechpipe/formats/page/html_viewer.css",
        "speechpipe/formats/page/html_viewer.js",
        "speechpipe/formats/page/html_words.tsv",
    ):
        assert needed in names
    assert not [name for name in names if "recipes" in name or name.startswith(("tests", "flows", "models"))]


def test_it_is_the_wheel_that_runs(elsewhere: Path) -> None:
    code = "import speechpipe, importlib.util as u; print(speechpipe.__file__, u.find_spec('flows'))"
    done = run(elsewhere, "-c", code)
    assert done.stdout.startswith(str(elsewhere)) and done.stdout.strip().endswith("None"), done


def test_it_transcribes(elsewhere: Path, root: Path) -> None:
    shutil.copy(root / "sample_audio" / "slate.wav", elsewhere)
    arguments = ["transcribe", "slate.wav", "--model", "whisper-tiny-archive", "--language", "en", "--output", "out"]
    done = run(elsewhere, "-m", "speechpipe.cli", *arguments, "--format", "vtt,html", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "done" and told["words"] > 5
    assert (elsewhere / "out" / "slate.wav.vtt").read_text().startswith("WEBVTT\n")
    assert 'src="./slate.wav"' in (elsewhere / "out" / "slate.wav.html").read_text()


def test_it_lists_its_models(elsewhere: Path) -> None:
    done = run(elsewhere, "-m", "speechpipe.cli", "models", "list", "--json")
    assert done.returncode == 0, done.stderr
    assert {"whisper-tiny-archive", "wav2vec2-tiny-archive"} <= {
        json.loads(line)["name"] for line in done.stdout.splitlines()
    }


def test_it_finds_its_flows(elsewhere: Path) -> None:
    code = (
        "from importlib import import_module; from speechpipe.installed import flows_module; "
        "m = flows_module(); print(m); import_module(m + '.serve'); import_module(m + '.new'); "
        "import_module(import_module(m + '.running.server').PROGRAM)"
    )
    done = run(elsewhere, "-c", code)
    assert done.returncode == 0 and done.stdout.startswith("speechpipe.flows"), done.stderr
