"""The house keeps its shape: floors, doors, purity, and nothing of one machine in the project.

Every failure is a sentence that says what to do. The plan of the house: docs, and the docstring of each package.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cds_rules"

FLOORS: dict[str, int] = {
    "vocabulary": 0,
    "knowledge": 1,
    "fhir": 2,
    "derive": 2,
    "engine": 3,
    "cards": 4,
    "evaluate": 5,
    "hooks": 6,
    "service": 7,
    "store": 7,
    "replay": 7,
    "review": 7,
    "commands": 7,
    "cli": 7,
}
"""A folder imports only from floors with a smaller number, and from itself. The edges (7) may know one another."""
EDGE = 7
NEIGHBOURS_STRANGERS = {2}
"""Floors whose folders must not import each other."""

FACADE = {"__init__.py"}
"""Stands over everything: edges may import it, the pure floors may not."""

DOORS: dict[str, tuple[str, ...]] = {
    "durable": ("engine/durable.py",),
    "durable_rules_engine": ("engine/durable.py",),
    "fhir": ("fhir/validation.py",),
    "pydantic": ("fhir/validation.py", "service/settings.py", "service/configuration.py"),
    "msgspec": ("vocabulary/frozen.py", "fhir/wire.py", "fhir/shapes.py", "hooks/wire.py", "replay/wire.py"),
    "ruamel": ("knowledge/files.py",),
    "jinja2": ("cards/texts.py", "review/pages.py"),
    "markdown_it": ("review/pages.py",),
    "markupsafe": ("review/pages.py",),
    "joserfc": ("service/keys.py", "service/tokens.py", "review/openid.py"),
    "authlib": ("review/openid.py",),
    "prometheus_client": ("service/metrics.py",),
    "opentelemetry": ("service/traces.py",),
    "starlette": ("service/", "review/"),
    "httpcore2": ("service/outbound.py", "service/guard.py"),
    "uvicorn": ("service/", "cli.py"),
    "sqlalchemy": ("store/",),
    "alembic": ("store/",),
    "cryptography": ("store/keys.py",),
    "typer": ("cli.py", "commands/", "replay/"),
    "rich": ("cli.py", "commands/", "replay/"),
    "matplotlib": ("replay/plot.py", "review/charts.py"),
}
"""Outside package -> the modules (or folders) through which it enters. One line each in docs/dependencies.md."""

IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "glob",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "warnings",
    }
)
IMPURE_CALLS = frozenset({"open", "input", "print", "now", "utcnow", "today", "uuid1", "uuid4", "getenv"})
MAY_READ_FILES = {
    "knowledge/files.py": "reads rule files and tables, called once at start-up",
    "knowledge/languages.py": "finds the files of languages, called once at start-up",
    "knowledge/parsed.py": "keeps what rule files held, called once at start-up",
    "knowledge/pack.py": "finds the folder of a pack, called once at start-up",
    "knowledge/overlay.py": "reads the codes that a terminology server added, called once at start-up",
    "knowledge/cases.py": "reads the cases beside the rules, for tests alone",
    "engine/durable.py": "asks whether this Python can import durable-rules",
}


def modules() -> list[Path]:
    """Every module of the package."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "__pycache__" not in path.parts]


def place(path: Path) -> str:
    """The module's path inside the package."""
    return path.relative_to(PACKAGE).as_posix()


def floor_name(where: str) -> str:
    """The first folder, or the module itself at the top: "fhir/wire.py" -> "fhir", "evaluate.py" -> "evaluate"."""
    return where.split("/")[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Absolute dotted names a module imports, with line. `from a import b` gives "a.b" for our own package, else "a"."""
    package = ("cds_rules", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join((*package[: len(package) - node.level + 1], *filter(None, [base])))
            if base.split(".")[0] == "cds_rules":
                yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield base, node.lineno


def test_every_folder_has_a_floor() -> None:
    names = {floor_name(place(path)) for path in modules()} - {"__init__", "__main__", "packs"}
    strangers = sorted(names - FLOORS.keys())
    assert not strangers, (
        f"{strangers}: give each a floor in tests/test_house.py, or move it into a folder that has one."
    )


@pytest.mark.parametrize("path", modules(), ids=place)
def test_imports_go_upward(path: Path) -> None:
    where, wrong = place(path), []
    own = floor_name(where)
    if where in FACADE or own in {"__main__"}:
        return
    if own == "packs":
        wrong = [
            f"{where}:{line} imports {name}. A pack is data; what it needs of code belongs into `derive`."
            for name, line in imports(path)
            if name.startswith("cds_rules")
        ]
        assert not wrong, "\n".join(wrong)
        return
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] != "cds_rules":
            continue
        target = parts[1] if len(parts) > 1 else ""
        if target not in FLOORS:
            if FLOORS[own] < EDGE:
                wrong.append(
                    f"{where}:{line} imports the façade ({name}). Import from the module that holds it, on a floor above {own}."
                )
            continue
        if target == own:
            continue
        low, high = FLOORS[own], FLOORS[target]
        if high > low or (high == low and low in NEIGHBOURS_STRANGERS):
            wrong.append(
                f"{where}:{line} imports {name}, which lies below or beside it. Move what both need up to a floor above {own}, or pass it as an argument."
            )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", modules(), ids=place)
def test_outside_packages_enter_by_their_door(path: Path) -> None:
    where, wrong = place(path), []
    for name, line in imports(path):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top == "cds_rules":
            continue
        if top not in DOORS:
            wrong.append(
                f"{where}:{line} imports {top}, which has no door. Name one in tests/test_house.py and write its line in docs/dependencies.md, or do without it."
            )
        elif not any(where == door or (door.endswith("/") and where.startswith(door)) for door in DOORS[top]):
            wrong.append(
                f"{where}:{line} imports {top}. Its door is {' or '.join(DOORS[top])}: put there a function that does what is needed, and call it."
            )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "path", [path for path in modules() if FLOORS.get(floor_name(place(path)), EDGE) < EDGE], ids=place
)
def test_floors_up_to_hooks_are_pure(path: Path) -> None:
    where = place(path)
    if where in MAY_READ_FILES:
        return
    wrong = []
    for name, line in imports(path):
        if name.split(".")[0] in IMPURE_MODULES:
            wrong.append(
                f"{where}:{line} imports {name}. Floors up to `hooks` touch no file, socket, environment, log or clock: take the value as an argument, or move this to an edge."
            )
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = (
                node.func.id
                if isinstance(node.func, ast.Name)
                else node.func.attr
                if isinstance(node.func, ast.Attribute)
                else ""
            )
            if called in IMPURE_CALLS:
                wrong.append(
                    f"{where}:{node.lineno} calls {called}(). Take the time or the data as an argument (`at`), or move this to an edge."
                )
    assert not wrong, "\n".join(wrong)


def test_every_module_says_what_lives_there() -> None:
    silent = [
        place(path)
        for path in modules()
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent, f"{silent}: open each with a docstring: what lives here, what flows in and out, its floor."


def project_files() -> Iterator[Path]:
    """Text files that belong to the project: those git knows or would add."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: the list of the project's files is not known")
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".gz", ".png", ".ico", ".woff2", ".zip"}:
            yield path


def test_nothing_names_a_machine() -> None:
    machine = re.compile(
        r"(?<![\w.~-])/(?:work|root|home|Users|tmp/w)/[\w.]|\b(?:files\.pythonhosted\.org|pypi\.org/simple)\b|--(?:extra-)?index-url|--find-links"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in project_files()
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if machine.search(line)
    ]
    assert not found, (
        "These lines name a machine or a package host; write a relative path or leave it out:\n" + "\n".join(found)
    )


def test_lock_file_holds_names_and_versions_alone() -> None:
    allowed = re.compile(r"#.*|\s*|[a-z0-9][a-z0-9-]*==[^\s;@]+( ; [^@]+)?")
    wrong = [
        f"{path.name}:{number}: {line}"
        for path in ROOT.glob("*.lock")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if not allowed.fullmatch(line) or "://" in line
    ]
    assert not wrong, (
        "A lock file line is name==version, with a marker where needed, without address or path:\n" + "\n".join(wrong)
    )


def test_every_dependency_is_explained_and_locked() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[\s\[<>=!;~]", line, maxsplit=1)[0] for line in wanted} - {project["name"]}
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    missing = [
        f"{name}: write its line in docs/dependencies.md (what for, why this one, what was set aside)."
        for name in sorted(names)
        if not re.search(rf"\b{re.escape(name)}\b", explained)
    ]
    missing += [
        f"{name}: make requirements.lock anew with the command in its first lines."
        for name in sorted(names)
        if name.replace(".", "-").lower() not in locked
    ]
    assert not missing, "\n".join(missing)


def test_ci_runs_the_readme_test_command() -> None:
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    script = (ROOT / ".ci" / "run").read_text()
    assert commands, "README.md has lost its commands (each one line that begins with `python3 -m venv`)."
    assert commands[-1] in script.splitlines(), (
        ".ci/run must hold the README's test command word for word; change both together."
    )


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_tools_are_content(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, f"`{' '.join(command)}` finds:\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
