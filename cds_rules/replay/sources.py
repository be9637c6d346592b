"""Finding what can be replayed and reading it: bundles, resources, NDJSON, bulk exports, CDS Hooks requests, packed or not.

Flows in: paths. Flows out: first a `Plan` of small `Task`s (one pass over folder listings; NDJSON is indexed by byte
offsets, so that memory does not grow with the text), then, task by task and in any process, what it holds. What cannot be
read becomes a `Problem`: where, what was found, what belongs there; the rest goes on. Floor: edge.
"""

from __future__ import annotations

import gzip
import io
import mmap
import os
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cds_rules.replay.record import Record, bare, owner, records
from cds_rules.replay.wire import USED, Entry, entries, line_head, outline
from cds_rules.vocabulary.errors import BadInput

_JSON = (".json",)
_LINES = (".ndjson", ".jsonl")
_CONTINUED = re.compile(r"\.\d{1,3}(?=\.json(\.gz)?\Z)")
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_BOM = b"\xef\xbb\xbf"
_MOST_LINES_NAMED = 3
_CASE_FILES = ("bundle", "request")
"""Files that say nothing by their name: the folder does."""

_DOMAIN_FILES: Mapping[str, tuple[str, ...]] = {
    "patient": ("Patient",),
    "labs": ("Observation",),
    "vitals": ("Observation",),
    "conditions": ("Condition",),
    "medications": ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"),
}
"""Domain -> the resource types of an export that bring it. Without a line of any of them it was not delivered. Procedures and
orders are not in this list: an export without them is an export of patients without them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not replayed: where it stands, and what was found and what belongs there; no patient data."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file: the whole file when length is below 0. name: how people know it, with the line if it is one."""

    path: str
    name: str
    offset: int = 0
    length: int = -1


@dataclass(frozen=True, slots=True)
class Slices:
    """Many lines of a few files, packed: pairs of (file number and offset, length)."""

    files: tuple[tuple[str, str], ...]
    pairs: array[int]

    def __iter__(self) -> Iterator[Part]:
        for place in range(0, len(self.pairs), 2):
            path, name = self.files[self.pairs[place] >> _FILE_SHIFT]
            yield Part(path, name, self.pairs[place] & _OFFSET, self.pairs[place + 1])


_FILE_SHIFT = 48
_OFFSET = (1 << _FILE_SHIFT) - 1


@dataclass(frozen=True, slots=True)
class Task:
    """What is read together: usually one patient. alone: to be judged even if it is only a piece of a record.

    folder: where other pieces of the same record would lie. only: the one patient that is wanted. missing: domains that
    were not delivered.
    """

    name: str
    parts: tuple[Part, ...] | Slices
    folder: str = ""
    alone: bool = True
    only: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A file that is only a piece of a record: without the Patient, or the Patient and nothing else."""

    part: Part
    folder: str
    patients: tuple[str, ...]


@dataclass(slots=True)
class Plan:
    """What there is to do. ignored: files that are neither FHIR nor said to be, by ending."""

    tasks: list[Task] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Loaded:
    """What a task held."""

    records: list[Record] = field(default_factory=list)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    fragments: list[Fragment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def plan(paths: Iterable[Path], spool: Path) -> Plan:
    """List what is to be replayed.

    Args:
        paths: files and folders; folders are searched to the bottom.
        spool: an empty folder for NDJSON that has to be unpacked to be read by offset; the caller takes it away.
    """
    made = Plan()
    for path in paths:
        if path.is_dir():
            for folder, inner, names in os.walk(path):
                inner[:] = sorted(name for name in inner if not name.startswith("."))
                _plan_folder(made, Path(folder), sorted(name for name in names if not name.startswith(".")), spool)
        elif not path.exists():
            made.problems.append(Problem(str(path), "no such file or folder"))
        else:
            _plan_folder(made, path.parent, [path.name], spool, named=True)
    return made


def _plan_folder(made: Plan, folder: Path, names: list[str], spool: Path, named: bool = False) -> None:
    documents: dict[str, list[str]] = {}
    lines: list[Path] = []
    for name in names:
        ending = Path(name.removesuffix(".gz")).suffix.lower()
        if ending in _LINES:
            lines.append(folder / name)
        elif ending in _JSON or named:
            documents.setdefault(_CONTINUED.sub("", name), []).append(name)
        elif ending == ".xml":
            made.problems.append(Problem(str(folder / name), "XML; FHIR as JSON belongs there"))
        else:
            made.ignored[ending or name] += 1
    lone = len(documents) == 1
    for stem, pieces in documents.items():
        parts = tuple(Part(str(folder / name), str(folder / name)) for name in pieces)
        made.tasks.append(Task(stem_of(str(folder / stem)), parts, str(folder), alone=lone))
    if lines:
        _plan_lines(made, lines, spool)


def stem_of(path: str) -> str:
    """The name of a file without folder and endings: expected cards are looked up by it.

    A bundle.json or request.json is known by its folder, so that a case can have a folder of its own.

    >>> stem_of("in/patient-7.json.gz"), stem_of("export/Bundle.ndjson:12"), stem_of("samples/mg-oral-aki/request.json")
    ('patient-7', 'Bundle-12', 'mg-oral-aki')
    """
    folder, _, name = path.rpartition("/")
    name, _, line = name.partition(":")
    for ending in (".gz", *_JSON, *_LINES):
        name = name.removesuffix(ending)
    if line:
        return f"{name}-{line}"
    return (folder.rpartition("/")[2] if name in _CASE_FILES else "") or name


class _Index:
    """Where the lines of each patient stand, over the NDJSON files of one folder."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str]] = []
        self.patients: dict[str, array[int]] = {}
        self.medications: dict[str, tuple[int, int]] = {}
        self.needed: dict[str, set[str]] = {}
        self.types: Counter[str] = Counter()

    def add(self, patient: str, place: int, length: int) -> None:
        pairs = self.patients.get(patient)
        if pairs is None:
            pairs = self.patients[patient] = array("Q")
        pairs.append(place)
        pairs.append(length)

    def tasks(self, folder: str) -> Iterator[Task]:
        files = tuple(self.files)
        missing = {
            domain: f"the export has no {' and no '.join(kinds)}"
            for domain, kinds in _DOMAIN_FILES.items()
            if not any(self.types[kind] for kind in kinds)
        }
        for patient, pairs in self.patients.items():
            for medication in sorted(self.needed.get(patient, ())):
                if medication in self.medications:
                    pairs.extend(self.medications[medication])
            yield Task(patient, Slices(files, pairs), folder, only=patient, missing=missing)


def _plan_lines(made: Plan, paths: list[Path], spool: Path) -> None:
    index = _Index()
    for path in paths:
        try:
            readable = _seekable(path, spool)
            _index_file(made, index, path, readable)
        except (OSError, EOFError, zlib.error) as error:
            made.problems.append(Problem(str(path), _unreadable(error)))
    folder = str(paths[0].parent)
    if nobody := index.patients.pop("", None):
        made.problems.append(
            Problem(folder, f"{len(nobody) // 2} resources that name no patient; `subject` belongs there")
        )
    tasks = list(index.tasks(folder))
    if tasks and (missing := tasks[0].missing):
        made.notes.append(
            f"{folder}: {'; '.join(dict.fromkeys(missing.values()))}. Taken as not delivered: {', '.join(missing)}."
        )
    made.tasks.extend(tasks)


def _seekable(path: Path, spool: Path) -> Path:
    """The file itself, or its unpacked copy in the spool folder."""
    with path.open("rb") as packed:
        if packed.read(2) != _GZIP:
            return path
    copy = spool / f"{len(list(spool.iterdir()))}.ndjson"
    with gzip.open(path, "rb") as source, copy.open("wb") as target:
        while block := source.read(1 << 20):
            target.write(block)
    return copy


def _index_file(made: Plan, index: _Index, path: Path, readable: Path) -> None:
    number = len(index.files)
    index.files.append((str(readable), str(path)))
    offset, bad = 0, 0
    for count, line in enumerate(_lines(readable), 1):
        length = len(line)
        start, offset = offset, offset + length
        if not line.strip():
            continue
        if count == 1 and line.startswith(_BOM):
            line, start, length = line[3:], start + 3, length - 3
        name = f"{path}:{count}"
        try:
            head = line_head(line)
        except BadInput as error:
            message = str(error)
        else:
            kind = head.resourceType
            if isinstance(head.hook, str) and not kind:
                made.tasks.append(Task(stem_of(name), (Part(str(readable), name, start, length),), str(path.parent)))
                continue
            if kind in ("Bundle", "Parameters"):
                made.tasks.append(Task(stem_of(name), (Part(str(readable), name, start, length),), str(path.parent)))
                continue
            if isinstance(kind, str) and kind:
                index.types[kind] += 1
                identifier = head.id if isinstance(head.id, str) else ""
                place = number << _FILE_SHIFT | start
                if kind == "Medication":
                    index.medications[identifier] = (place, length)
                elif kind == "Patient" and identifier:
                    index.add(identifier, place, length)
                elif kind in USED:
                    reference = head.subject or head.patient
                    patient = bare(reference.reference if reference else None)
                    index.add(patient, place, length)
                    if head.medicationReference and (needed := bare(head.medicationReference.reference)):
                        index.needed.setdefault(patient, set()).add(needed)
                else:
                    made.left_out[kind] += 1
                continue
            message = "no resourceType; one FHIR resource a line belongs there"
        bad += 1
        if bad <= _MOST_LINES_NAMED:
            made.problems.append(Problem(name, message))
    if bad > _MOST_LINES_NAMED:
        made.problems.append(Problem(str(path), f"{bad - _MOST_LINES_NAMED} more lines that cannot be read"))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=1 << 20) as file:
        yield from file


def load(task: Task) -> Loaded:
    """Read what a task names; each document that cannot be read is a problem and the others go on."""
    loaded = Loaded()
    found: list[Entry] = []
    origins: list[str] = []
    pieces: list[tuple[Part, list[Entry]]] = []
    bulk = isinstance(task.parts, Slices)
    for part in task.parts:
        try:
            data = read_part(part)
            if bulk:
                pieces.append((part, list(entries(data))))
                continue
            kind = outline(data)
            if kind == "hook":
                loaded.requests.append((part.name, data))
            elif not kind:
                raise BadInput("no resourceType; a FHIR resource, a Bundle or a CDS Hooks request belongs there")
            else:
                pieces.append((part, list(entries(data))))
        except BadInput as error:
            loaded.problems.append(Problem(part.name, str(error)))
        except (OSError, EOFError, zlib.error) as error:
            loaded.problems.append(Problem(part.name, _unreadable(error)))
    if not task.alone and _is_fragment([entry for _, held in pieces for entry in held]):
        loaded.fragments += [Fragment(part, task.folder, _names(held)) for part, held in pieces]
        return loaded
    for part, held in pieces:
        found += held
        if part.name not in origins:
            origins.append(part.name)
    if found:
        loaded.records = [
            record for record in records(found, tuple(origins), task.missing, task.only) if _worth(loaded, record)
        ]
    return loaded


def _is_fragment(held: Iterable[Entry]) -> bool:
    """Whether there is something of a patient, but not both the Patient and a record."""
    kinds = [entry.kind for entry in held if entry.kind in USED]
    patients = kinds.count("Patient")
    return bool(kinds) and patients in (0, len(kinds))


def _names(held: Iterable[Entry]) -> tuple[str, ...]:
    """The patients that entries are of or point to."""
    names = ((entry.head.id or "") if entry.kind == "Patient" and entry.head else owner(entry.head) for entry in held)
    return tuple(dict.fromkeys(filter(None, names)))


def _worth(loaded: Loaded, record: Record) -> bool:
    """Whether a record holds anything of a patient; a problem that says so where it does not."""
    if any(item.kind != "Medication" for item in record.items):
        return True
    kinds = Counter(item.kind or "resources without a type" for item in record.items) + record.left_out
    what = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
    for origin in record.origins:
        loaded.problems.append(
            Problem(
                origin,
                f"nothing of a patient ({what}); a Patient with observations, conditions or medications belongs there",
            )
        )
    return False


def joined(fragments: Iterable[Fragment]) -> list[Task]:
    """Tasks for the pieces of records, one a patient and folder; a piece that names nobody stands for itself."""
    held: dict[tuple[str, str], list[Part]] = {}
    alone: list[Task] = []
    for fragment in fragments:
        for patient in fragment.patients:
            held.setdefault((fragment.folder, patient), []).append(fragment.part)
        if not fragment.patients:
            alone.append(Task(stem_of(fragment.part.name), (fragment.part,), fragment.folder))
    return [
        Task(stem_of(parts[0].name) if len(parts) == 1 else patient, tuple(parts), folder, only=patient)
        for (folder, patient), parts in held.items()
    ] + alone


def read_part(part: Part) -> bytes:
    """The bytes of a part: unpacked, without a byte-order mark.

    Raises:
        BadInput: empty, or plainly something else than JSON.
        OSError, EOFError, zlib.error: cannot be read or unpacked.
    """
    if part.length >= 0:
        return _mapped(part.path)[part.offset : part.offset + part.length]
    data = Path(part.path).read_bytes()
    if data.startswith(_GZIP):
        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read()
    if data.startswith(_BOM):
        data = data[3:]
    start = data[:64].lstrip()
    if not start:
        raise BadInput("an empty file; FHIR JSON belongs there")
    if start.startswith(b"<"):
        raise BadInput("XML or HTML; FHIR as JSON belongs there")
    if start.startswith(_ZIP):
        raise BadInput("a ZIP archive; unpack it first")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise BadInput("not UTF-8 text; FHIR JSON in UTF-8 belongs there")
    return data


@lru_cache(maxsize=32)
def _mapped(path: str) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _unreadable(error: Exception) -> str:
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return "a gzip file that is damaged or cut off"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"cannot be read ({reason})"
