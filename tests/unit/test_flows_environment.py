"""What Prefect finds in its environment: ours, what operators may set, and nothing of a shell's other work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import pytest

from flows.running.environment import OPERATORS, SERVED, SILENT, TEMPORARY, closed, refuse_files, set_up
from speechpipe.errors import UsageError
from tests.e2e.elsewhere import of_a_shell

#: A value that an operator sets, and how Prefect reads it.
SET = {
    "PREFECT_API_REQUEST_TIMEOUT": ("71", "71.0"),
    "PREFECT_CLIENT_MAX_RETRIES": ("7", "7"),
    "PREFECT_CLIENT_RETRY_JITTER_FACTOR": ("0.7", "0.7"),
    "PREFECT_LOGGING_LEVEL": ("DEBUG", "DEBUG"),
    "PREFECT_RUNNER_POLL_FREQUENCY": ("7", "7"),
    "PREFECT_SERVER_API_CSRF_TOKEN_EXPIRATION": ("PT7M", "0:07:00"),
    "PREFECT_SERVER_API_KEEPALIVE_TIMEOUT": ("700", "700"),
    "PREFECT_SERVER_API_WEBSOCKET_PING_INTERVAL": ("7", "7.0"),
    "PREFECT_SERVER_API_WEBSOCKET_PING_TIMEOUT": ("7", "7.0"),
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": ("7", "7.0"),
    "PREFECT_SERVER_DATABASE_TIMEOUT": ("7", "7.0"),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": ("P7D", "7 days, 0:00:00"),
    "PREFECT_SERVER_LOGGING_LEVEL": ("ERROR", "ERROR"),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": ("events", "{'events'}"),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": ("7000", "7000.0"),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": ("P70D", "70 days, 0:00:00"),
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": ("PT7M", "0:07:00"),
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": ("7", "7.0"),
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS": ("7", "7"),
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME": ("P7D", "7 days, 0:00:00"),
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``os.environ`` as it was, whatever a test puts into it."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.parametrize("table", [TEMPORARY, SERVED])
def test_no_telemetry_and_a_state_of_its_own(table: dict[str, str], tmp_path: Path) -> None:
    os.environ |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "true", "DO_NOT_TRACK": "0", "OTEL_SDK_DISABLED": "false"}
    set_up(tmp_path / "state", table)
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS"] == "false"
    assert os.environ["DO_NOT_TRACK"] == "1" and os.environ["OTEL_SDK_DISABLED"] == "true"
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "state")
    assert (tmp_path / "state").is_dir()


def test_only_what_was_asked_for_is_left_of_prefects_switches(tmp_path: Path) -> None:
    os.environ |= of_a_shell(9) | {name: given for name, (given, _) in SET.items()}
    address = "http://127.0.0.1:1"
    set_up(tmp_path, SERVED, closed("archive:secret", address), PREFECT_API_URL=f"{address}/api")
    left = {name: value for name, value in os.environ.items() if name.upper().startswith("PREFECT_")}
    own = {
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_UI_STATIC_DIRECTORY": str(tmp_path / "ui"),
        "PREFECT_API_AUTH_STRING": "archive:secret",
        "PREFECT_SERVER_API_AUTH_STRING": "archive:secret",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": address,
    }
    assert left == {name: value for name, value in (SILENT | SERVED).items() if name.startswith("PREFECT_")} | own
    assert "PREFECT_API_AUTH_STRING" not in closed(None, address)


READ = """
import json, sys
from pathlib import Path
from flows.running.environment import OPERATORS, SERVED, set_up
set_up(Path(sys.argv[1]), SERVED, operators=OPERATORS, PREFECT_API_URL="http://127.0.0.1:1/api")
import prefect.settings
settings = prefect.settings.get_current_settings()
read = {name: str(getattr(prefect.settings, name).value()) for name in OPERATORS}
print(json.dumps([read, settings.api.url, settings.api.key and "key", str(settings.profiles_path),
                  str(prefect.settings.PREFECT_API_DATABASE_CONNECTION_URL.value())]))
"""


def test_what_an_operator_sets_is_what_prefect_reads_and_says_nothing_of_where(tmp_path: Path) -> None:
    assert set(SET) == set(OPERATORS)
    given = {name: value for name, (value, _) in SET.items()}
    assert not set(OPERATORS) & set(SILENT)
    environment = os.environ | given | of_a_shell(9) | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path)], env=environment, capture_output=True, text=True,
                          check=True)  # fmt: skip
    read, url, key, profiles, database = json.loads(done.stdout)
    assert read == {name: shown for name, (_, shown) in SET.items()}
    assert (url, key) == ("http://127.0.0.1:1/api", None)
    assert profiles == str(tmp_path / "profiles.toml")
    assert database == f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"


def test_the_documentation_lists_what_an_operator_may_set(root: Path) -> None:
    text = (root / "docs" / "operations.md").read_text()
    assert set(re.findall(r"^\| `(PREFECT_\w+)`", text, re.M)) == set(OPERATORS)


@pytest.mark.parametrize("before", [None, "archive.example", "*"])
def test_no_proxy_of_the_shell_is_asked_for_our_own_server(before: str | None, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ |= {"HTTP_PROXY": "http://proxy.example", "ALL_PROXY": "http://proxy.example"}
    if before:
        os.environ["NO_PROXY"] = before
    set_up(tmp_path, SERVED)
    assert getproxies()["http"] == "http://proxy.example"
    assert all(proxy_bypass(host) for host in ("127.0.0.1", "localhost"))
    assert bool(proxy_bypass("models.example")) == (before == "*")
    assert bool(proxy_bypass("archive.example")) == (before is not None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prefect.toml", "[api]\nurl = 'http://pages.example'"),
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.prefect.api]\nurl = 'http://pages.example'"),
        (".env", "A=1\nPREFECT_API_KEY=shell"),
        (".env", "export prefect_profiles_path=/elsewhere"),
    ],
)
def test_files_of_the_working_folder_that_prefect_would_read_are_refused(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=rf"{re.escape(name)} holds settings of Prefect.*another folder"):
        set_up(tmp_path / "state", SERVED)
    assert not (tmp_path / "state").exists()


def test_files_of_other_tools_are_not(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 120\n# [tool.prefect]\n[tool.prefecture]\n")
    (tmp_path / ".env").write_text("# PREFECT_API_URL=x\nIMPERFECT_API=1\n")
    refuse_files(tmp_path)
