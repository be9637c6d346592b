"""Reading the settings: one TOML file and the environment, which wins; every mistake at once.

A variable is CDS_RULES_ and the path of the setting: CDS_RULES_HEED_AT, CDS_RULES_SERVER_PORT. A list of texts may be
written with commas, everything that is no plain value as JSON. A secret is never written into the file: KEY_file names a
file that holds it, in the file or as variable, or the variable itself does.
Flows in: file, environment. Flows out: `Settings`, or `SettingsError`; no message shows a secret. Floor: edge (service).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from cds_rules.hooks.profiles import SHIPPED
from cds_rules.knowledge.files import near
from cds_rules.service.settings import SANDBOX, Issuer, Launch, ProfileChange, Secret, Section, Settings, Tenant
from cds_rules.vocabulary.errors import CdsRulesError

PREFIX = "CDS_RULES_"
CONFIG = f"{PREFIX}CONFIG"
_OTHERS = frozenset({CONFIG, f"{PREFIX}SHARED"})
"""Names with our prefix that are not settings."""

LEAST_KEY = 32
Path_ = tuple[str | int, ...]


class SettingsError(CdsRulesError):
    """The service cannot start like this; carries every mistake."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


def read_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Settings:
    """Read and check the settings.

    Args:
        file: None: what CDS_RULES_CONFIG names, if it does. environment: None: the process's own.
        given: what the command line says, by the name of the variable without prefix; wins over both.

    Raises:
        SettingsError: with every mistake of file and environment; or, once these are clean, with everything that the mode
            still lacks.
    """
    variables = dict(os.environ if environment is None else environment)
    variables |= {f"{PREFIX}{name}": str(value) for name, value in (given or {}).items()}
    named = variables.get(CONFIG, "").strip()
    reading = _Reading(file or (Path(named) if named else None))
    reading.file_in()
    reading.environment_in({name: value for name, value in variables.items() if name.startswith(PREFIX)})
    settings = reading.settings()
    if lacking := tuple(_lacking(settings)):
        raise SettingsError(lacking)
    return settings


def places() -> Mapping[str, Path_]:
    """Every variable there is, with the path of its setting."""
    paths = [path for path, _ in fields_of(Settings)] + [pointer_of(path) for path in _secrets()]
    return {variable_of(path): path for path in paths}


def pointer_of(path: Path_) -> Path_:
    """The setting that names the file in which a secret stands."""
    return (*path[:-1], f"{path[-1]}_file")


def variable_of(path: Path_) -> str:
    """The variable of a setting."""
    return PREFIX + "_".join(map(str, path)).upper()


def fields_of(section: type[Section], path: Path_ = ()) -> Iterator[tuple[Path_, dataclasses.Field[Any]]]:
    """The settings of a section and of those inside it, with the path of each."""
    for each in dataclasses.fields(section):  # type: ignore[arg-type]
        inner = hints(section)[each.name]
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from fields_of(inner, (*path, each.name))
        else:
            yield (*path, each.name), each


def reference() -> str:
    """The settings as tables in Markdown, for the operators' page."""
    sections: dict[str, list[str]] = {}
    for path, each in fields_of(Settings):
        secret = path in _secrets()
        name = f"`{path[-1]}`" + (f", `{path[-1]}_file`" if secret else "")
        row = f"| {name} | {_default(each)} | {each.metadata['belongs']} | {each.metadata['meaning']} |"
        sections.setdefault(_dotted(path[:-1]), []).append(row)
    inner: Mapping[str, type[Section]] = {
        "trust.issuers": Issuer,
        "trust.issuers.tenants.NAME": Tenant,
        "review.launches": Launch,
        "profiles.NAME": ProfileChange,
    }
    for title, section in inner.items():
        sections[title] = [
            f"| `{each.name}` | {_default(each)} | {each.metadata['belongs']} | {each.metadata['meaning']} |"
            for each in dataclasses.fields(section)  # type: ignore[arg-type]
        ]
    head = "| setting | default | what belongs there | meaning |\n|---|---|---|---|\n"
    return "\n\n".join(
        f"### {f'`[{title}]`' if title else 'At the top'}\n\n{head}" + "\n".join(rows)
        for title, rows in sections.items()
    )


def _default(each: dataclasses.Field[Any]) -> str:
    value = {} if each.default_factory is not dataclasses.MISSING else each.default
    if value is dataclasses.MISSING:
        return "required"
    if value is None or value == () or value == {} or isinstance(value, Secret):
        return ""
    return f"`{json.dumps(value)}`"


@cache
def hints(section: type[Section]) -> Mapping[str, Any]:
    """The types of a section's fields."""
    return typing.get_type_hints(section)


@cache
def _adapter() -> TypeAdapter[Settings]:
    return TypeAdapter(Settings)


class _Reading:
    """One reading of file and environment: what was found, where it came from, what is wrong with it."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.data: dict[str, Any] = {}
        self.from_environment: dict[Path_, str] = {}
        self.mistakes: list[str] = []

    def file_in(self) -> None:
        if self.file is None:
            return
        try:
            self.data = tomllib.loads(self.file.read_text("utf-8"))
        except OSError as error:
            self.mistakes.append(f"{self.file}: cannot be read: {error.strerror}; a TOML file belongs here")
        except UnicodeDecodeError:
            self.mistakes.append(f"{self.file}: is not UTF-8; a TOML file belongs here")
        except tomllib.TOMLDecodeError as error:
            self.mistakes.append(f"{self.file}: is not TOML: {error}")
        for path in _secrets():
            self._secret_in_file(path)

    def _secret_in_file(self, path: Path_) -> None:
        table = _table(self.data, path[:-1])
        held = table.get(path[-1])
        if held is None or (path == ("store", "url") and isinstance(held, str) and not _has_password(held)):
            return
        del table[path[-1]]
        self.mistakes.append(
            f"{self._place(path)}: a secret does not belong into this file; name a file that holds it in "
            f"{path[-1]}_file, or set {variable_of(path)}"
        )

    def environment_in(self, variables: Mapping[str, str]) -> None:
        known = places()
        for name in sorted(variables.keys() - _OTHERS):
            if name not in known:
                self.mistakes.append(f"{name}: no such setting{near(name, known)}")
                continue
            path, value = known[name], variables[name].strip()
            self.from_environment[path] = name
            self.data = _with(self.data, path, _untangled(value, path))
        for path in _secrets():
            self._secret_from_file(path)

    def _secret_from_file(self, path: Path_) -> None:
        """Put what KEY_file names in place of it."""
        pointer = pointer_of(path)
        table = _table(self.data, path[:-1])
        named = table.pop(pointer[-1], None)
        if named is None:
            return
        if table.get(path[-1]):
            self.mistakes.append(
                f"{self._place(pointer)}: {self._place(path)} is set as well; one of them belongs there"
            )
            return
        try:
            held = Path(str(named)).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            held = ""
        if held:
            table[path[-1]] = held
        else:
            self.mistakes.append(
                f"{self._place(pointer)}: found nothing that can be read at this path; the path of a file with the secret belongs here"
            )

    def settings(self) -> Settings:
        """The settings.

        Raises:
            SettingsError: with every mistake.
        """
        made = None
        try:
            made = _adapter().validate_python(self.data)
        except ValidationError as error:
            found = [self._told(each) for each in error.errors(include_url=False)]
            self.mistakes += dict.fromkeys(filter(None, found))
        if made is None or self.mistakes:
            raise SettingsError(self.mistakes)
        return made

    def _told(self, error: Any) -> str:
        """An error of pydantic in our words."""
        path, owner, named = _resolved(error["loc"])
        place = self._place(path)
        if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            return f"{place}: no such setting{near(str(path[-1]), [each.name for each in dataclasses.fields(owner)])}"  # type: ignore[arg-type]
        belongs = named.metadata["belongs"] if named else "a table"
        if error["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
            return f"{place}: found nothing; {belongs} belongs here"
        hidden = any(path[: len(each)] == each for each in _secrets())
        found = "something" if hidden else _shown(error["input"])
        reason = error.get("ctx", {}).get("error")
        said = (
            str(reason)
            if isinstance(reason, ValueError) and "belongs here" in str(reason)
            else f"{belongs} belongs here"
        )
        return f"{place}: found {found}; {said}"

    def _place(self, path: Path_) -> str:
        """Where a value stands: the variable it came from, or the file and the key in it."""
        for end in range(len(path), 0, -1):
            if variable := self.from_environment.get(path[:end]):
                return variable + _dotted(path[end:], inner=True)
        return f"{self.file}: {_dotted(path)}" if self.file else variable_of(path)


def _dotted(path: Path_, inner: bool = False) -> str:
    """server.port, trust.issuers[0].jku."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text if inner else text.removeprefix(".")


def _resolved(loc: Sequence[str | int]) -> tuple[Path_, type[Section], dataclasses.Field[Any] | None]:
    """Follow pydantic's location through our sections: the path, the last section, and the field the error lies in."""
    owner: type[Section] = Settings
    named: dataclasses.Field[Any] | None = None
    path: list[str | int] = []
    kind: Any = Settings
    for step in loc:
        if isinstance(kind, type) and issubclass(kind, Section):
            owner = kind
            named = next((each for each in dataclasses.fields(owner) if each.name == step), None)  # type: ignore[arg-type]
            kind = hints(owner).get(str(step))
            path.append(step)
        elif (inner := _element(kind)) is not None:
            kind = inner
            path.append(step)
        # what is left are pydantic's names for the arms of a union: no part of what the operator wrote
    return tuple(path), owner, named


def _element(kind: Any) -> Any:
    """The type of a list's or a table's elements; None for anything else."""
    arguments = get_args(kind)
    if get_origin(kind) is tuple and arguments:
        return arguments[0]
    if get_origin(kind) in (dict, Mapping) and len(arguments) == 2:
        return arguments[1]
    if type(None) in arguments:
        return next((found for each in arguments if (found := _element(each)) is not None), None)
    return None


@cache
def _secrets() -> frozenset[Path_]:
    return frozenset(path for path, each in fields_of(Settings) if _section_hint(path) is Secret)


def _section_hint(path: Path_) -> Any:
    kind: Any = Settings
    for step in path:
        kind = hints(kind)[str(step)]
    return kind


def _table(data: dict[str, Any], path: Path_) -> dict[str, Any]:
    """The table at a path, an empty one where there is none."""
    table: Any = data
    for step in path:
        table = table.get(step) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _with(data: dict[str, Any], path: Path_, value: Any) -> dict[str, Any]:
    """Data with one value more; where the file has no table, the table is told as its mistake."""
    first, *rest = path
    inner = data.get(str(first), {})
    if rest and not isinstance(inner, dict):
        return data
    return data | {str(first): _with(inner, tuple(rest), value) if rest else value}


def _untangled(value: str, path: Path_) -> Any:
    """A variable's text as the value it stands for; what cannot be read stays the text and is refused with its type."""
    if path not in {known for known, _ in fields_of(Settings)}:
        return value
    kind = _section_hint(path)
    element = _element(kind)
    if element is None:
        return value
    if value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    listed = get_origin(kind) is tuple or any(get_origin(each) is tuple for each in get_args(kind))
    return [each.strip() for each in value.split(",") if each.strip()] if listed else value


def _shown(value: object) -> str:
    """A found value in a message, short."""
    match value:
        case str():
            return f'"{value[:60]}"' if value else "an empty text"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
    return "something else"


def _has_password(url: str) -> bool:
    return urlsplit(url).password is not None


def _lacking(settings: Settings) -> Iterator[str]:
    """What goes together and does not, then what production still needs."""
    yield from _unfit(settings)
    server, trust = settings.server, settings.trust
    if not settings.production:
        if not _is_loopback(server.host):
            yield f'server.host: found "{server.host}"; in development a loopback address belongs here (127.0.0.1). Set mode = "production" to serve others'
        return
    if server.public_url is None:
        yield "server.public_url: found nothing; production needs the address that clients call"
    elif not server.public_url.startswith("https://"):
        yield f'server.public_url: found "{server.public_url}"; production needs an https address'
    if not trust.issuers and not trust.public_sandbox:
        yield "trust.issuers: found none; production needs at least one client that may call, with its keys"
    if not server.certificate and not server.trusted_proxies:
        yield "server.certificate, server.trusted_proxies: found neither; production needs TLS here, or a proxy that speaks it"
    if settings.cors.origins is None:
        yield "cors.origins: found nothing; production needs the list of browser origins ([] when no browser calls)"
    elif "*" in settings.cors.origins:
        yield 'cors.origins: found "*"; production needs a list of origins'
    if not settings.store.url.get_secret_value():
        yield "store.url: found nothing; production needs a database that outlasts the process"
    if not settings.store.key.get_secret_value():
        yield f"store.key: found nothing; production needs a secret of at least {LEAST_KEY} characters, by {PREFIX}STORE_KEY or store.key_file"
    yield from _review_lacking(settings)
    if settings.heed_at:
        yield "heed_at: found true; in production no client chooses the instant it is judged at"


def _review_lacking(settings: Settings) -> Iterator[str]:
    """What production still needs to show alerts to people."""
    review = settings.review
    if review.development_sign_in:
        yield "review.development_sign_in: found true; in production nobody is let in without a sign-in"
    if review.enabled and not review.issuer and not review.launches:
        yield "review.enabled: found true without review.issuer or review.launches; production needs a way to sign in"
    for where, address in (
        ("review.issuer", review.issuer),
        *((f"review.launches[{number}].iss", each.iss) for number, each in enumerate(review.launches)),
    ):
        if address and not address.startswith("https://"):
            yield f'{where}: found "{address}"; production needs https'
    several = len(settings.trust.issuers) > 1 or any(each.tenants for each in settings.trust.issuers)
    if review.issuer and several and not review.house_claim and not review.all_houses:
        yield "review.house_claim: found nothing; with several clients production needs the claim that says whose alerts may be seen (or review.all_houses = true)"


def _unfit(settings: Settings) -> Iterator[str]:
    server, review, kept = settings.server, settings.review, settings.store
    if 0 < len(kept.key.get_secret_value()) < LEAST_KEY:
        yield f"store.key: found fewer than {LEAST_KEY} characters; a secret of at least so many belongs there"
    if any(len(each) < LEAST_KEY for each in kept.previous_keys.get_secret_value().split()):
        yield f"store.previous_keys: found one of fewer than {LEAST_KEY} characters; earlier keys in full belong there, with blanks between several"
    if review.issuer and not review.client_id:
        yield "review.client_id: found nothing beside review.issuer; what the provider calls these pages belongs there"
    if review.house_claim and not review.houses:
        yield "review.houses: found nothing beside review.house_claim; the houses that the claim names belong there"
    if "*" in review.frame_ancestors:
        yield 'review.frame_ancestors: found "*"; a list of origins belongs there'
    if (server.certificate is None) != (server.certificate_key is None):
        yield "server.certificate, server.certificate_key: found one of the two; both belong there, or neither"
    if server.client_ca and not server.certificate:
        yield "server.client_ca: found without server.certificate; client certificates are demanded only where TLS ends here"
    names = SHIPPED.keys() | settings.profiles.keys()
    for where, profile in _profiles_named(settings):
        if profile not in names:
            yield f'{where}: found "{profile}"; no such profile{near(profile, names)}'
    for name, change in settings.profiles.items():
        if name in SHIPPED:
            yield f"profiles.{name}: found the name of a profile that is shipped; another name belongs here"
        if change.base not in SHIPPED:
            yield f'profiles.{name}.base: found "{change.base}"; no such profile{near(change.base, SHIPPED)}'
    seen: set[str] = set()
    for number, issuer in enumerate(settings.trust.issuers):
        where = f"trust.issuers[{number}]"
        if issuer.issuer in seen:
            yield f'{where}.issuer: found "{issuer.issuer}" again; each issuer stands once'
        seen.add(issuer.issuer)
        if not (issuer.jku or issuer.jwks_file or issuer.jwks):
            yield f"{where}: found no keys; jku, jwks_file or jwks belongs here"
        if issuer.jwks_file and issuer.jwks:
            yield f"{where}.jwks: found beside jwks_file; one of them belongs here"
        for address in issuer.jku:
            if settings.production and not address.startswith("https://"):
                yield f'{where}.jku: found "{address}"; production needs https'
        if _is_sandbox(issuer) and not settings.trust.public_sandbox:
            yield f"{where}: found the public CDS Hooks sandbox, whose private key everybody can read; set trust.public_sandbox = true to trust it all the same, never with real patients"


def _profiles_named(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "profile", settings.profile
    for number, issuer in enumerate(settings.trust.issuers):
        if issuer.profile:
            yield f"trust.issuers[{number}].profile", issuer.profile
        for name, tenant in issuer.tenants.items():
            if tenant.profile:
                yield f"trust.issuers[{number}].tenants.{name}.profile", tenant.profile


def _is_sandbox(issuer: Issuer) -> bool:
    return any(urlsplit(each).hostname == SANDBOX for each in (issuer.issuer, *issuer.jku))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
