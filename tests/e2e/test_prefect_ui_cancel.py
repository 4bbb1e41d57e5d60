"""Cancel on the web page: the batch ends within seconds with all that it began, and Retry goes on where it stood."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import log_in, open_form, opened, press
from tests.e2e.served import Served, alive, children, eventually

pytestmark = [pytest.mark.extra, pytest.mark.timeout(600)]

#: Each batch of windows takes so long, and there is one for each second of speech.
BATCH_SECONDS = 1
#: Until all is over; of a machine that has much else to do.
END_SECONDS = 120


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("cancel")
    (folder / "batches.txt").touch()
    more = {"CHAOS_SECONDS": str(BATCH_SECONDS), "PYTHONPATH": str(Path(__file__).parent / "slow")}
    more |= {"CHAOS_BATCHES": str(folder / "batches.txt"), "SPEECHPIPE_CHUNKING__MAX_WINDOW_MS": "1000"}
    more |= {"SPEECHPIPE_DECODING__BATCH_SIZE": "1", "SPEECHPIPE_NIGHT__UNKNOWN_RIGHTS": "open"}
    served = Served(root, folder, more=more)
    for name in ("slate.wav", "innspilling.wav"):
        shutil.copy(root / "sample_audio" / name, served.recordings / name)
    try:
        yield served.start()
    finally:
        served.stop()


def test_a_batch_that_is_cancelled_on_its_page_ends_within_seconds_and_retry_goes_on(served: Served) -> None:
    from playwright.sync_api import expect

    batches = served.folder / "batches.txt"

    def worked() -> list[str]:
        return batches.read_text().split()

    def night() -> Any:
        return next(reversed(served.runs(flow="transcribe-new")), None)

    with opened() as page:
        log_in(page, served.address, served.login)
        open_form(page, served, "Transcribe new recordings")
        press(page, "Submit")
        run = eventually(night, "the form has begun a run")["id"]
        eventually(lambda: len(worked()) >= 3, "work has begun")
        page.goto(f"{served.address}/runs/flow-run/{run}")
        expect(page.get_by_text("Running", exact=True).first).to_be_visible()
        processes = children(served.process.pid, "prefect.engine")
        assert len(processes) == 2, "the batch and its group"

        press(page, "Cancel")
        press(page, "Confirm")
        expect(page.get_by_text("Cancelled", exact=True).first).to_be_visible(timeout=1000 * END_SECONDS)
        eventually(lambda: not any(map(alive, processes)), "its processes have ended", END_SECONDS)

        def over() -> bool:
            states = {found["name"]: found["state_type"] for found in served.runs()}
            ended = states["new recordings"] == states["group of 2"] == "CANCELLED"
            return ended and not {"RUNNING", "CANCELLING"} & {*states.values()}

        eventually(over, "all its runs are called cancelled", END_SECONDS)
        before = len(worked())
        time.sleep(2 * BATCH_SECONDS)
        assert len(worked()) == before, "nothing works on in secret"
        said = [log["message"] for log in served.post("/logs/filter", {"logs": {}})]
        assert any(line.startswith("2 recordings: 2 new") for line in said)
        assert not [line for line in said if "Crash" in line or "Traceback" in line or "Finished in state" in line]

        press(page, "Retry")
        page.get_by_text("This will retry flow run").wait_for()
        press(page, "Retry")
        eventually(lambda: len(worked()) > before, "it works again")
        expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=180_000)
    assert served.state(run)["message"] == "2 recordings: 2 transcribed."
    assert len(worked()) - len(set(worked())) <= 1, "at most the batch of windows that was cut off is done twice"
    outputs = [path.name for path in served.outputs() if path.suffix == ".vtt"]
    assert sorted(outputs) == ["innspilling.wav.vtt", "slate.wav.vtt"]
