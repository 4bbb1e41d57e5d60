"""The tables of docs/models.md are those that the registry makes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from speechpipe import languages, registry
from speechpipe.registry import page

PAGE = "docs/models.md"


def test_the_tables_of_the_documentation_are_up_to_date(root: Path) -> None:
    text = (root / PAGE).read_text(encoding="utf-8")
    assert page.written(text) == text, f"run: python -m speechpipe.registry.page {PAGE}"


def test_the_command_that_is_told_writes_them_anew(root: Path, tmp_path: Path) -> None:
    text = (root / PAGE).read_text(encoding="utf-8")
    assert f"`python -m speechpipe.registry.page {PAGE}`" in text
    copy = tmp_path / "models.md"
    copy.write_text(re.sub(r"^\| `.*\n", "", text, flags=re.M), encoding="utf-8")
    command = [sys.executable, "-m", "speechpipe.registry.page", str(copy)]
    subprocess.run(command, check=True, timeout=60, cwd=root)
    made = copy.read_text(encoding="utf-8")
    assert made.split("## All models")[1] == text.split("## All models")[1]


@pytest.mark.parametrize("name", list(page.TABLES))
def test_every_table_has_its_place(name: str, root: Path) -> None:
    text = (root / PAGE).read_text(encoding="utf-8")
    assert text.count(f"<!-- {name} -->") == text.count(f"<!-- end of {name} -->") == 1
    assert page.TABLES[name]() in text


def test_every_model_stands_on_the_page_once_in_a_table_of_models(root: Path) -> None:
    text = (root / PAGE).read_text(encoding="utf-8").split("## All models")[1]
    for model in registry.list_models():
        if not model.embedded:
            assert text.count(f"| `{model.name}` |") == 1, model.name


def test_every_language_stands_on_the_page(root: Path) -> None:
    text = (root / PAGE).read_text(encoding="utf-8").split("## Languages")[1].split("## All models")[0]
    for code, row in languages.LANGUAGES.items():
        assert f"`{code}` {row.name}" in text or f"| `{code}` | {row.name} |" in text


def test_a_model_whose_licence_has_to_be_accepted_is_marked() -> None:
    rows = page.by_language().splitlines()
    (danish,) = [row for row in rows if row.startswith("| Danish")]
    assert "`danish-foundation-models/edda-v0.2` |" in danish
    assert "`CoRal-project/roest-v3-wav2vec2-315m`\\* |" in danish
    for itself in ("| Faroese", "| Irish", "| Upper Sorbian"):  # letters are timed where they are heard
        assert [row for row in rows if row.startswith(itself) and row.endswith("| itself |")], itself
    models = {row.split("`")[1]: row for row in page.by_model().splitlines()[2:]}
    assert "| OpenRAIL\\* |" in models["CoRal-project/roest-v3-whisper-1.5b"]
    assert "| none stated\\* |" in models["FremyCompany/xls-r-2b-nl-v2_lm-5gram-os"]
    assert "| Apache-2.0 ?\\* |" in models["BSC-LT/whisper-large-v3-LoS"]
    (swedish,) = [row for row in rows if row.startswith("| Swedish")]
    assert "\\*" not in swedish
