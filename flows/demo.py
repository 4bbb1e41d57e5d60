"""``python -m flows.demo``: the flow of a folder with a temporary server, and a table of what came out."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from speechpipe.errors import SpeechpipeError
from speechpipe.reports.morning import Row, headline
from speechpipe.stopping import stop_by_ctrl_c

from .forms.parameters import how
from .places import Places
from .running import login
from .running.environment import TEMPORARY, closed, set_up
from .running.server import HOST, free_port, server
from .seen.rows import as_text, explanations


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 although a recording failed: its row says why."""
    asked = _parser().parse_args(arguments)
    try:
        rows = run(asked.source, asked.output, asked.model, asked.aligner)
    except SpeechpipeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on where it stopped.", file=sys.stderr)
        return 130
    print(closing(rows, shutil.get_terminal_size((120, 24)).columns))
    return 0


def run(source: Path, output: Path, model: str, aligner: str = "auto") -> list[Row]:
    """Every recording below ``source`` through ``transcribe-new``, into ``output``.

    Raises:
        SpeechpipeError: nothing could be begun; what is wrong with single recordings is in their rows.
    """
    home, port = output / ".prefect", free_port()
    address = f"http://{HOST}:{port}"
    set_up(home, TEMPORARY, closed(login.made(), address), PREFECT_API_URL=f"{address}/api")
    # What is copied a moment ago is complete, and a person asks for it by name.
    os.environ |= {"SPEECHPIPE_NIGHT__SETTLE_MINUTES": "0", "SPEECHPIPE_NIGHT__UNKNOWN_RIGHTS": "open"}
    os.environ["SPEECHPIPE_WORKSPACE"] = str((output / ".work").resolve())
    Places(source, output).put_into_environment()
    chosen = how(model, aligner)
    _tell(f"Transcribing {source} with {model}; results go to {output}.")
    with server(port, home / "server.log") as started:
        # Only now, as Prefect reads its switches when it is imported; and while the server starts.
        from .new import transcribe_new
        from .running.night import StoppedEarly

        started.wait_until_healthy()
        state = cast(Any, transcribe_new(how=chosen, return_state=True))
    result = state.result(raise_on_failure=False)
    if isinstance(result, StoppedEarly):
        return list(result.rows)
    if isinstance(result, BaseException):
        raise result
    return list(result)


def closing(rows: Sequence[Row], width: int) -> str:
    """The table, and where the captions and the full texts are."""
    files = [file for row in rows for file in row.files if file.endswith((".vtt", ".alto.xml"))]
    parts = [as_text(rows, width), "\n".join([headline(rows), *(f"  {told}" for told in explanations(rows))])]
    parts += ["\n".join(["Files:", *(f"  {_shown(file)}" for file in files)])] if files else []
    return "\n" + "\n\n".join(parts)


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _tell(sentence: str) -> None:
    """Show what the flows tell as it happens, and ``sentence`` first."""
    log = logging.getLogger("speechpipe.flows")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("  %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    print(sentence, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.demo", description="Run the flow on a folder of recordings.")
    parser.add_argument("--source", type=Path, default=Path("sample_audio"), help="folder of recordings")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for the results")
    parser.add_argument("--model", default="whisper-tiny-archive", help="model that recognises the words")
    parser.add_argument("--aligner", default="auto", help="model that times the words, or none")
    return parser


if __name__ == "__main__":
    stop_by_ctrl_c()
    sys.exit(main())
