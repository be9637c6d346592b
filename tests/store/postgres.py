"""A PostgreSQL cluster of our own for tests: made from installed binaries, on a loopback port, gone afterwards.

`initdb` and the server refuse to run as root: then they run as `postgres`, or as `nobody` where there is no such user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=60",
    "log_statement=none",
)


def binaries() -> Path | None:
    """The newest installed folder that holds initdb and pg_ctl; None where there is none."""
    on_path = shutil.which("initdb")
    found = [
        folder
        for folder in (*Path("/usr/lib/postgresql").glob("*/bin"), *([Path(on_path).parent] if on_path else []))
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists()
    ]
    return max(found, key=lambda each: int(each.parent.name) if each.parent.name.isdecimal() else 0, default=None)


class Cluster:
    """A running cluster; `restart` takes it away and brings it back, with every connection cut."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._programs = folder, programs
        self.port = _free_port()
        self._made = 0
        self._user = _unprivileged() if os.geteuid() == 0 else None
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", self._data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        user = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,  # the server keeps what it is given open
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            text=True,
            check=False,
            **user,  # type: ignore[call-overload]
        )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {(done.stderr or '')[-2000:]}")

    def start(self) -> None:
        """Start and wait until it takes connections."""
        options = " ".join(f"-c {setting}" for setting in (*SETTINGS, f"port={self.port}"))
        self._run("pg_ctl", "-D", self._data, "-l", str(self.folder / "log"), "-w", "-t", "60", "-o", options, "start")

    def stop(self) -> None:
        """Stop as a crash does: at once, whoever is connected."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def restart(self) -> None:
        """Crash and come back."""
        self.stop()
        self.start()

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._made += 1
        name = f"cds_rules_{self._made}"
        engine = create_engine(
            f"postgresql+psycopg://tests@127.0.0.1:{self.port}/postgres", isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"postgresql://tests@127.0.0.1:{self.port}/{name}"


@contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    """A cluster in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="cds-rules-postgres-"))
    try:
        running = Cluster(folder, programs)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
