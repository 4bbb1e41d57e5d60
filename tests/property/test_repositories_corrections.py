"""Whatever is done in whatever order, a person's bytes stay, and what a receipt says is there."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from types import ModuleType

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from speechpipe import exchange
from speechpipe.files import sha256_file
from speechpipe.repositories import FolderRepository, Item, Package, Receipt
from speechpipe.repositories.results.receipts import from_json, to_json

ENDINGS = (".vtt", ".txt", ".json", ".alto.xml")
#: Names that archives have and programs stumble over; all of one folder, so that their results could meet.
NAMES = (
    "a.wav",
    "a.wav.v2.wav",
    "a.v2.wav",
    "a",
    "a.v2",
    "a.v2.v3",
    "*.wav",
    "[a].wav",
    "a\n.wav",
    "bånd.wav",
    "båånd.wav",
    "x" * 251 + ".wav",
)


class Killed(BaseException):
    """The process was killed."""


class Folder(RuleBasedStateMachine):
    """Deposits, kills, corrections, foreign files, deletions and spoiled manifests over a few recordings."""

    placed = Bundle("placed")

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.repository = FolderRepository(self.root / "source", self.root / "results")
        (self.root / "results").mkdir()
        (self.root / "source").mkdir()
        for name in NAMES:
            (self.root / "source" / name).touch()
        self.human: dict[Path, bytes] = {}
        self.texts = 0
        self.fsync, os.fsync = os.fsync, lambda descriptor: None

    def teardown(self) -> None:
        os.fsync = self.fsync
        shutil.rmtree(self.root)

    def item(self, name: str) -> Item:
        return FolderRepository.of_file(self.root / "source" / name)[1]

    def package(self, name: str, text: int, endings: set[str]) -> Package:
        files = {ending: f"machine {text} {ending} {name}".encode() for ending in sorted(endings)}
        return Package(files, Receipt(name, "done", name, key=str(text)))

    @rule(name=st.sampled_from(NAMES), text=st.integers(0, 3), endings=st.sets(st.sampled_from(ENDINGS), min_size=1))
    def deposit(self, name: str, text: int, endings: set[str]) -> None:
        item, package = self.item(name), self.package(name, text, endings)
        done = self.repository.deposit(item, package)
        assert {path.read_bytes() for path in done.paths} == set(package.files.values())
        assert not self.human.keys() & set(done.paths)
        assert self.repository.existing(item) == done.receipt
        assert self.repository.deposit(item, package) == done

    @rule(name=st.sampled_from(NAMES), text=st.integers(0, 3), step=st.integers(1, 24))
    def deposit_killed(self, name: str, text: int, step: int) -> None:
        places: dict[str, ModuleType] = {"replace": os, "unlink": os, "rename": os, "_rename": exchange}
        real = {call: getattr(place, call) for call, place in places.items()}
        left = [step]

        def counted(call: str) -> None:
            def act(*arguments: object, **options: object) -> object:
                left[0] -= 1
                if left[0] <= 0:
                    raise Killed
                return real[call](*arguments, **options)

            setattr(places[call], call, act)

        try:
            for call in real:
                counted(call)
            self.repository.deposit(self.item(name), self.package(name, text, set(ENDINGS)))
        except Killed:
            pass
        finally:
            for call, function in real.items():
                setattr(places[call], call, function)

    @rule(name=st.sampled_from(NAMES), message=st.text(max_size=5))
    def fail(self, name: str, message: str) -> None:
        receipt = Receipt(name, "failed", name, message=message)
        self.repository.record_failure(self.item(name), receipt)
        assert self.repository.existing(self.item(name)) == receipt

    def outputs(self) -> list[Path]:
        ours = (".speechpipe.json", ".speechpipe.pending.json", ".speechpipe.failed.json", ".part")
        found = (path for path in (self.root / "results").iterdir() if not path.name.startswith(".speechpipe"))
        return sorted(path for path in found if not path.name.endswith(ours))

    @rule(target=placed, data=st.data())
    def correct(self, data: st.DataObject) -> Path:
        return self._write(data.draw(st.sampled_from(self.outputs() or [self.root / "results" / "a.wav.vtt"])))

    @rule(
        target=placed,
        name=st.sampled_from(NAMES[:-1]),
        version=st.sampled_from(["", ".v2", ".v3"]),
        ending=st.sampled_from(ENDINGS),
    )
    def place(self, name: str, version: str, ending: str) -> Path:
        return self._write(self.root / "results" / f"{name}{version}{ending}")

    def _write(self, path: Path) -> Path:
        self.texts += 1
        self.human[path] = f"person {self.texts}".encode()
        path.write_bytes(self.human[path])
        return path

    @rule(path=consumes(placed))
    def take_back(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.human.pop(path, None)

    @rule(data=st.data())
    def spoil_a_record(self, data: st.DataObject) -> None:
        records = sorted((self.root / "results").glob("*.speechpipe*.json"))
        if records:
            data.draw(st.sampled_from(records)).write_bytes(data.draw(st.sampled_from([b"", b"{", b"{}", b"null"])))

    @invariant()
    def a_persons_bytes_stay(self) -> None:
        assert {path: path.read_bytes() for path in self.human} == self.human

    @invariant()
    def a_receipt_is_true_but_for_corrections(self) -> None:
        for name in NAMES:
            item = self.item(name)
            receipt = self.repository.existing(item)
            if receipt is None:
                continue
            for path, digest in zip(self.repository.paths(item, receipt), receipt.files.values(), strict=True):
                if path.exists() and path not in self.human:
                    assert sha256_file(path) == digest


Folder.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFolder = Folder.TestCase


#: Surrogates too: so Python shows bytes of a file name that are no UTF-8.
text = st.text(st.characters(), max_size=20) | st.sampled_from(["lyd\udce5.wav", '"\\u\x00\n'])


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


receipts = st.builds(
    Receipt,
    identifier=text,
    status=st.sampled_from(["done", "failed", "skipped"]),
    source_name=text,
    key=maybe(text),
    source_size=maybe(st.integers(0)),
    outcome=maybe(st.sampled_from(["speech", "no_speech", "silent", "no_audio"])),
    complete=maybe(st.booleans()),
    message=maybe(text),
    languages=st.lists(text).map(tuple),
    confidence=maybe(st.floats(0, 1)),
    version=st.integers(1),
    files=st.dictionaries(text, text),
)


@given(receipts)
def test_a_receipt_survives_json(receipt: Receipt) -> None:
    content = to_json(receipt)
    assert from_json(content) == receipt
    content.decode("utf-8")
