"""Whatever an archive and its table do by day: after a night nothing stands open that a row does not let stand open."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from speechpipe.batch.renaming import settle
from speechpipe.repositories import FolderRepository, Package, Policy, Receipt, select

NAMES = st.sampled_from(("a.wav", "a.wav.v2.wav", "box/ba\u030and.wav"))
ROWS = ("yes,yes", "yes,no", "no,no", None)
NIGHTS = st.sampled_from(("ready", "ready", "not ready", "fails"))
HEAD = "path,identifier,may_transcribe,may_publish\n"


class Archive(RuleBasedStateMachine):
    @initialize(unknown=st.sampled_from(("open", "restrict", "skip")))
    def begin(self, unknown: str) -> None:
        self.root = Path(tempfile.mkdtemp())
        (self.root / "source" / "box").mkdir(parents=True)
        self.repository = FolderRepository(self.root / "source", self.root / "results", unknown_rights=unknown)
        self.write("keep.wav", b"keep")
        self.rows: dict[str, str] = {"keep.wav": "yes,yes"}
        self.number = 0
        self.theirs: set[bytes] = set()
        self.table()
        self.fsync, os.fsync = os.fsync, lambda descriptor: None

    def teardown(self) -> None:
        os.fsync = self.fsync
        shutil.rmtree(self.root)

    def write(self, name: str, content: bytes) -> None:
        path = self.repository.source / name
        path.write_bytes(content)
        os.utime(path, (1_000_000 + len(content), 1_000_000 + int.from_bytes(content[-3:])))

    def table(self) -> None:
        rows = "".join(f"{name},{name},{rights}\n" for name, rights in self.rows.items())
        (self.repository.source / "metadata.csv").write_text(HEAD + rows)

    @rule(name=NAMES)
    def digitise(self, name: str) -> None:
        self.number += 1
        self.write(name, b"sound %d" % self.number)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        (self.repository.source / name).unlink(missing_ok=True)

    @rule(name=NAMES, to=NAMES)
    def rename(self, name: str, to: str) -> None:
        old, new = self.repository.source / name, self.repository.source / to
        if old.exists() and not new.exists():
            old.rename(new)
            if name in self.rows:
                self.rows[to] = self.rows.pop(name)
                self.table()

    @rule(name=NAMES, rights=st.sampled_from(ROWS), happens=st.sampled_from(("", "digitise", "delete")), night=NIGHTS)
    def day(self, name: str, rights: str | None, happens: str, night: str) -> None:
        if happens:
            getattr(self, happens)(name=name)
        self.rows.pop(name, None)
        if rights is not None:
            self.rows[name] = rights
        self.table()
        self.night(happens=night)

    @rule(name=NAMES)
    def correct(self, name: str) -> None:
        for tree in (self.repository.outputs, self.repository.restricted):
            path = tree / f"{name}.vtt"
            if path.exists():
                self.number += 1
                text = b"corrected %d" % self.number
                self.theirs -= {path.read_bytes()}
                self.theirs.add(text)
                path.write_bytes(text)

    @rule(happens=NIGHTS)
    def night(self, happens: str) -> None:
        fails = happens == "fails"
        policy = Policy(settle=timedelta(0), ready_marker=".ready" if happens == "not ready" else None)
        for choice in settle(self.repository, select(self.repository, policy)).todo:
            item, fetched = choice.item, self.repository.fetch(choice.item)
            receipt = Receipt(
                item.identifier,
                "failed" if fails else "done",
                fetched.path.name,
                location=item.location,
                source_size=fetched.stat.size,
                source_mtime_ns=fetched.stat.mtime_ns,
                source_sha256=fetched.sha256,
                restricted=item.standing != "open",
                rights_known=item.location in self.rows,
            )
            if fails:
                self.repository.record_failure(item, receipt)
            else:
                text = b"%s is told of %s" % (fetched.path.read_bytes(), item.location.encode())
                self.repository.deposit(item, Package({".vtt": text}, receipt))
        self.check()

    def check(self) -> None:
        standing = {item.location: item.standing for item in self.repository.discover()}
        for path in self.repository.outputs.rglob("*.wav*"):
            if path.is_file():
                shelf = path.relative_to(self.repository.outputs).as_posix()
                longest = max((n for n in (*self.rows, *standing) if shelf.startswith(f"{n}.")), key=len, default="")
                if longest:
                    rights = self.rows.get(longest)
                    assert rights == "yes,yes" or (rights is None and self.repository.unknown_rights == "open"), shelf
        kept = {path.read_bytes() for path in self.root.rglob("*.vtt*")}
        assert self.theirs <= kept, "a person's work is kept"


TestRights = Archive.TestCase
TestRights.settings = settings(
    max_examples=60, stateful_step_count=25, suppress_health_check=list(HealthCheck), deadline=None
)
