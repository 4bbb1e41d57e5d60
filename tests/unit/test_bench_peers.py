"""What the comparison with peers counts, and how it tells of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from bench import gpu, peers
from bench.borders import Timed
from bench.side_by_side import environments, page, tree

# A child that takes memory and time, and outlives its parent in a session of its own.
ORPHAN = """
import os, sys, time
hold, burn = int(sys.argv[1]), float(sys.argv[2])
if os.fork() == 0:
    os.setsid()
    kept = bytearray(os.urandom(1)) * hold
    while time.process_time() < burn:
        pass
    os._exit(0)
kept = bytearray(os.urandom(1)) * hold
while time.process_time() < burn:
    pass
"""


def taken(folder: Path, program: str, *arguments: str, limit_s: float = 120) -> tree.Use:
    """In a process of its own, since it becomes the parent of all orphans and waits for every child."""
    code = f"""
import sys, json, dataclasses
from pathlib import Path
sys.path.insert(0, {str(peers.ROOT)!r})
from bench.side_by_side.tree import used
command = [sys.executable, "-c", *sys.argv[1:]]
import os
print(json.dumps(dataclasses.asdict(used(command, os.environ, Path({str(folder)!r}, "log"), {limit_s}))))
"""
    told = subprocess.run([sys.executable, "-c", code, program, *arguments], capture_output=True, text=True, check=True)
    return tree.Use(**json.loads(told.stdout))


def test_all_processes_of_the_tree_are_counted(tmp_path: Path) -> None:
    use = taken(tmp_path, ORPHAN, str(60 << 20), "0.6")
    assert use.code == 0
    assert use.cpu_s >= 1.2
    assert use.peak_mib >= 120


def test_memory_that_processes_share_counts_once(tmp_path: Path) -> None:
    program = """
import os, time
kept = bytearray(os.urandom(1)) * (100 << 20)
for _ in range(3):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
time.sleep(1)
"""
    assert 100 <= taken(tmp_path, program).peak_mib < 200


def test_what_takes_too_long_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); os.fork(); time.sleep(600)"
    use = taken(tmp_path, program, limit_s=2)
    assert use.code is None
    assert not Path(f"/proc/{int((tmp_path / 'log').read_text())}").exists()


def test_descendants_are_those_below(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in tree.descendants(os.getpid())
        assert os.getpid() not in tree.descendants(child.pid)
    finally:
        child.communicate(b"\n")


def test_judged() -> None:
    said = [Timed("Tape", 0, 300), Timed("seven,", 400, 700), Timed("please.")]
    heard = [
        {"text": " tape", "start_ms": 40, "end_ms": 300, "confident": True},
        {"text": " 7", "start_ms": 320, "end_ms": 700, "confident": False},
    ]
    found = peers.judged(said, heard)
    assert (found["wer"], found["deleted"], found["inserted"]) == (pytest.approx(1 / 3, abs=1e-4), 1, 0)
    assert (found["f1_50"], found["f1_100"], found["confident"]) == (0.5, 1.0, 0.5)


def test_judged_when_nothing_was_heard() -> None:
    found = peers.judged([Timed("tape", 0, 300)], [])
    assert (found["wer"], found["deleted"], found["f1_100"], found["confident"]) == (1.0, 1, 0.0, None)


def test_of_a_peer_that_fails_the_last_line_is_kept_without_the_machines_paths(tmp_path: Path) -> None:
    code = f"""
import sys, json
from pathlib import Path
sys.path.insert(0, {str(peers.ROOT)!r})
from bench import peers
peers.PLAYERS = Path({str(tmp_path)!r})
task = {{"media": "/home/somebody/film.mkv", "threads": 1}}
print(json.dumps(peers.ran(Path(sys.executable), peers.Peer("broken"), task, [])))
"""
    (tmp_path / "broken.py").write_text("raise SystemExit('cannot open /home/somebody/film.mkv.')")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(told.stdout)
    assert found["failed"] == "ended with 1: cannot open film.mkv"
    assert found["wall_s"] > 0


def test_order_turns_and_slow_peers_come_once_at_the_end() -> None:
    names = ["openai-whisper", "speechpipe", "faster-whisper"]
    turns = [peer for _, _, peer in peers.order(2, ["reel"], names)]
    assert turns == ["speechpipe", "faster-whisper", "faster-whisper", "speechpipe", "openai-whisper"]


def test_what_is_left_out_is_said() -> None:
    slow, weights = peers.PEERS["openai-whisper"], Path("model.pt")
    assert "not in the store" in str(peers.left_out(slow, "film", None, False))
    assert peers.left_out(slow, "film", weights, False) is None
    assert "--audio reel" in str(peers.left_out(slow, "reel", weights, False))
    assert peers.left_out(slow, "reel", weights, True) is None
    assert peers.left_out(peers.PEERS["speechpipe"], "reel", None, False) is None


def run(peer: str, **values: Any) -> dict[str, Any]:
    none = dict.fromkeys(name for _, name, _ in page.COLUMNS)
    return {"audio": "reel", "peer": peer, "failed": None, "compute_type": "int8", "known": 3, **none, **values}


def figures(*runs: dict[str, Any], load: float = 0.2) -> dict[str, Any]:
    return {
        "date": "2026-12-01",
        "machine": "a machine",
        "settings": {"threads": 2, "compute_type": "int8", "beam": 5, "rounds": 3},
        "load": load,
        "versions": {"faster-whisper": "1.2.1"},
        "audio": {"reel": {"seconds": 600.0, "words": 9, "known": 3}},
        "rows": page.medians(runs),
        "notes": ["A note."],
    }


def test_the_table_has_medians_and_a_dash_for_what_is_not_known() -> None:
    runs = [run("speechpipe", wall_s=wall, wer=0.1, deleted=count) for wall, count in ((3.0, 1), (1.0, 2), (2.0, 9))]
    told = page.table(figures(*runs))
    assert "| speechpipe | 2.0 s | – | – | 10.0% | 2 | – | – | – | – |" in told
    assert told.startswith("2026-12-01, a machine, 2 threads; whisper-base in int8, beam 5; medians of 3 rounds")
    assert "faster-whisper 1.2.1." in told
    assert told.endswith("- A note.")


def test_a_peer_that_failed_is_named_with_its_cause_and_has_no_row() -> None:
    told = page.table(figures(run("speechpipe", wall_s=1.0), run("whisperX", failed="not run, no weights")))
    assert "\nwhisperX: not run, no weights." in told
    assert "| whisperX" not in told


@pytest.mark.parametrize(("load", "busy"), [(0.2, False), (4.0, True)])
def test_a_busy_machine_is_told_of(load: float, busy: bool) -> None:
    found = figures(run("speechpipe", wall_s=9.0, cpu_s=4.0), load=load)
    assert ("other programs were running" in page.table(found)) == busy
    assert ("4.0 s" in page.plot(found, "reel")) == busy


def test_bars_are_as_long_as_their_figures() -> None:
    rows = figures(run("speechpipe", wall_s=5.0), run("a <peer>", wall_s=10.0), run("third"))
    drawn = list(page.bars(rows["rows"], "wall_s", "{} s".format, 100))
    assert [(long, text, own) for _, long, text, own in drawn] == [
        (50, "5.0 s", True),
        (100, "10.0 s", False),
        (0, "not known", False),
    ]
    plot = etree.fromstring(page.plot(rows, "reel").encode())
    assert "a <peer>" in plot.xpath("//*[local-name()='text']/text()")


def test_the_page_keeps_what_stands_around() -> None:
    begin, end = page.BEGIN.format("peers"), page.END.format("peers")
    text = f"before\n{begin}\nold\n{end}\nafter\n"
    assert page.put(text, "new", "peers") == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    for script in ("peers", "gpu"):
        assert "new" in page.put(peers.PAGE.read_text(encoding="utf-8"), "new", script)


def test_a_run_goes_on_only_with_what_it_was_about(tmp_path: Path) -> None:
    path, about = tmp_path / "runs.json", {"rounds": 1}
    first = peers.Kept(path, about, fresh=False)
    first.add({"round": 0, "audio": "reel", "peer": "speechpipe"})
    assert peers.Kept(path, about, fresh=False).has(0, "reel", "speechpipe")
    assert not peers.Kept(path, about, fresh=False).has(1, "reel", "speechpipe")
    assert not peers.Kept(path, {"rounds": 2}, fresh=False).runs
    assert not peers.Kept(path, about, fresh=True).runs
    first.done()
    assert not path.exists()


@pytest.mark.parametrize("name", [name for name, peer in peers.PEERS.items() if peer.environment])
def test_each_peer_is_pinned_and_has_a_program(name: str) -> None:
    peer = peers.PEERS[name]
    assert peer.environment is not None
    assert environments.version(peer.environment, peer.package)
    assert (peers.PLAYERS / f"{peer.player}.py").is_file()


def test_no_setting_of_the_shell_reaches_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPEECHPIPE_DECODING__BEAM_SIZE", "1")
    found = peers.surroundings(tmp_path / "bin" / "python", 2, tmp_path)
    assert not [name for name in found if name.startswith("SPEECHPIPE_")]
    assert (found["OMP_NUM_THREADS"], found["PATH"].split(os.pathsep)[0]) == ("2", str(tmp_path / "bin"))


def test_without_a_cuda_device_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    with pytest.raises(SystemExit, match="no CUDA device"):
        gpu.main()


def test_on_a_gpu_each_setting_comes_once_a_round_for_both() -> None:
    one, two = list(gpu.settings(1)), list(gpu.settings(2))
    assert len(set(one)) == len(one) == 2 * len(gpu.COMPUTE_TYPES) * len(gpu.BATCHES)
    assert two == [*one, *one[::-1]]


def test_the_table_of_a_gpu_names_device_and_weights() -> None:
    kept = figures(run("speechpipe, float16, batches of 8", wall_s=1.5))
    told = gpu.table({**kept, "device": "H200", "weights": "/store/base-int8", "rounds": 2})
    assert told.startswith("2026-12-01, H200; base-int8, reel, 600 s, medians of 2 rounds.")
    assert "| speechpipe, float16, batches of 8 | 1.5 s |" in told
