"""The command line: `cds-rules serve | replay | ...`. Each command imports what it needs when it runs, so that help is quick.

Mistakes of usage and of files are said in a sentence on stderr and end with exit code 2, never with a traceback.
Floor: edge.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from cds_rules.vocabulary.errors import CdsRulesError

commands = typer.Typer(
    name="cds-rules",
    help="Clinical decision support over CDS Hooks and FHIR: magnesium safety and muscle cramps.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def app() -> None:
    """Run the command line; what a person can mend is said without a traceback."""
    try:
        commands()
    except (CdsRulesError, OSError) as error:
        print(f"cds-rules: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


Parameters = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A site's project decisions, as docs/rule-authors.md lists them."),
]


@commands.callback()
def _root() -> None:
    """Keep commands apart even while there is only one."""


@commands.command()
def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with settings. Default: what CDS_RULES_CONFIG names, if it does.", show_default=False
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, in place of server.host.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, in place of server.port.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that answer, in place of server.workers.", show_default=False)
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read settings and packs, name every mistake, and do not start.")
    ] = False,
    reference: Annotated[
        bool, typer.Option("--reference", help="Print every setting there is, as tables, and do not start.")
    ] = False,
    parameters: Parameters = None,
) -> None:
    """Answer CDS Hooks clients over HTTP.

    Settings: docs/operators.md. Exit codes: 0 stopped, or fit to start; 2 settings or packs that cannot be used.
    """
    try:
        from cds_rules.service.configuration import reference as tables
        from cds_rules.service.run import serve as start
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cds_rules"):
            raise
        raise CdsRulesError(
            f"{error.name} is not installed; `pip install 'cds-rules[service]'` brings what serving needs"
        ) from None
    if reference:
        print(tables())
        return
    said = {"SERVER_HOST": host, "SERVER_PORT": port, "SERVER_WORKERS": workers, "PACKS_PARAMETERS": parameters}
    start(config, {name: value for name, value in said.items() if value is not None}, check)


@commands.command()
def replay(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            show_default=False,
            help="Bundles, folders, NDJSON (one resource or Bundle a line), bulk exports, CDS Hooks requests; packed with gzip or not.",
        ),
    ],
    hook: Annotated[
        str,
        typer.Option(
            help="Hook to judge records at. Default: patient-view; order-sign with --at each-order. Requests keep their own.",
            show_default=False,
        ),
    ] = "",
    at: Annotated[
        str,
        typer.Option(
            help="When: last (end of each record), now, a day or instant, or each-order (each medication order, with the record as of just before)."
        ),
    ] = "last",
    expect: Annotated[
        Path | None,
        typer.Option(
            help="Folder of expected cards, one YAML or JSON file a patient; differences end with exit code 1."
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write one JSON line an evaluation; - for standard output.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write one HTML file for clinicians, readable offline.")] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Validate all that is read against FHIR R4; what is refused is not used and ends with exit code 1.",
        ),
    ] = False,
    each: Annotated[bool, typer.Option("--each", help="Print one line an evaluation.")] = False,
    jobs: Annotated[
        int,
        typer.Option(min=0, help="Processes that judge; 0: as many as there are processors when there is much to do."),
    ] = 0,
    pack: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a rule pack to use instead of the installed ones; may be given again."),
    ] = None,
    parameters: Parameters = None,
    language: Annotated[str, typer.Option(help="Language of cards and report, such as en or de.")] = "en",
    codes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Codes that `cds-rules terminology update` wrote, as the service reads them."
        ),
    ] = None,
    calls: Annotated[
        bool, typer.Option("--calls", help="Add to each line of --json what was judged, to make a review set of it.")
    ] = False,
) -> None:
    """Judge stored records and say what fires, what does not, and what could not be told.

    Exit codes: 0 done; 1 differences from expected cards, or invalid resources with --strict; 2 wrong usage, or nothing
    could be judged; 3 an evaluation failed through an error of this program. Inputs that are skipped are listed.
    """
    from cds_rules.replay.command import Asked, run

    words = (tuple(paths), hook, at, expect, json, report, strict, each, jobs, tuple(pack or ()), parameters, language)
    raise typer.Exit(run(Asked(*words, codes, calls)))


def _folders(packs: Sequence[str] | None) -> list[Path]:
    """Folders of packs given as installed names or as folders; all installed ones when none is given."""
    from cds_rules import installed_packs

    installed = installed_packs()
    folders = []
    for pack in packs or installed:
        folder = installed.get(pack) or Path(pack)
        if not (folder / "pack.yaml").is_file():
            raise CdsRulesError(
                f'"{pack}" is neither an installed pack ({", ".join(installed) or "none"}) nor a folder with a pack.yaml'
            )
        folders.append(folder)
    if not folders:
        raise CdsRulesError("no pack is installed; the folder of a pack belongs here")
    return folders


def _today() -> date:
    return datetime.now().astimezone().date()


Packs = Annotated[
    list[str] | None,
    typer.Option("--pack", help="Installed name or folder; may be given again. Default: all installed."),
]


@commands.command()
def lint(
    packs: Annotated[
        list[str] | None,
        typer.Argument(metavar="PACK", help="Installed names or folders. Default: all installed."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings end with exit code 1 as well.")] = False,
    parameters: Parameters = None,
) -> None:
    """Name every mistake and doubt in rule packs.

    Exit codes: 0 clean; 1 errors, or warnings with --strict; 2 wrong usage.
    """
    from cds_rules.commands.lint import command

    raise typer.Exit(command(_folders(packs), _today(), strict, parameters))


@commands.command("test")
def run_cases(
    rule: Annotated[str, typer.Argument(help="Only this rule.", show_default=False)] = "",
    pack: Packs = None,
    mutants: Annotated[
        bool,
        typer.Option("--mutants", help="Also break each rule in every small way and see whether its cases notice."),
    ] = False,
    cases: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Run the files of cases in this folder, such as those of a review.",
            show_default=False,
        ),
    ] = None,
    parameters: Parameters = None,
) -> None:
    """Run the cases of rules by both matchers.

    Exit codes: 0 all pass (and with --mutants at least 98 % of the mutants are noticed); 1 otherwise; 2 wrong usage, or
    a pack that cannot be read.
    """
    from cds_rules.commands.test import command

    raise typer.Exit(command(_folders(pack), rule, mutants, parameters, cases))


@commands.command()
def new(
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="Rule id, which becomes the file name.", show_default=False)
    ],
    group: Annotated[str, typer.Option(help="Group of pack.yaml the rule belongs to.", show_default=False)],
    title: Annotated[
        str, typer.Option(help="What the rule is about, in a few words. Default: the id.", show_default=False)
    ] = "",
    pack: Annotated[
        str, typer.Option(help="Installed name or folder. Default: the one that is installed.", show_default=False)
    ] = "",
) -> None:
    """Write the two files of a new rule, a draft.

    A draft is judged and counted, and never shown. Nothing that exists is changed. Exit codes: 0 written; 2 wrong usage.
    """
    from cds_rules.commands.new import command

    folders = _folders([pack] if pack else None)
    if len(folders) > 1:
        raise CdsRulesError(f"--pack: {len(folders)} packs are installed; name the one the rule belongs to")
    raise typer.Exit(command(folders[0], identifier, group, title, _today()))


@commands.command()
def schema(
    kind: Annotated[
        str, typer.Argument(metavar="rule|cases|pack|words|texts", help="Kind of file.", show_default=False)
    ] = "",
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write it into this folder; all where no kind is named."),
    ] = None,
    pack: Packs = None,
) -> None:
    """Print or write the JSON Schema of rule, case, pack or translation files."""
    from cds_rules.commands.schema import command

    raise typer.Exit(command(_folders(pack), kind, write))


@commands.command()
def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Bundle, NDJSON or CDS Hooks request; packed or not.")],
    rule: Annotated[str, typer.Option(help="Only this rule, with its whole tree.", show_default=False)] = "",
    hook: Annotated[
        str, typer.Option(help="Hook to judge a record at. Default: patient-view.", show_default=False)
    ] = "",
    at: Annotated[str, typer.Option(help="When: last, now, a day or instant, or each-order.")] = "last",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Take each cited fact away, and all that is not cited, and ask the rule again."),
    ] = False,
    show_parameters: Annotated[
        bool, typer.Option("--parameters", help="Also print the parameters that the rules were judged with.")
    ] = False,
    site: Annotated[
        Path | None, typer.Option("--site", help="A site's file of parameter values.", show_default=False)
    ] = None,
    pack: Packs = None,
) -> None:
    """Say why each rule spoke or was silent, what is nearest, and what would have to differ.

    Exit codes: 0 explained; 1 with --verify, an evidence is not faithful; 2 wrong usage, or nothing can be judged.
    """
    from cds_rules import load_packs
    from cds_rules.commands.explain import Asked, command

    knowledge = load_packs((), _folders(pack), site)
    raise typer.Exit(command(knowledge, Asked(file, rule, hook, at, json, verify, show_parameters)))


@commands.command()
def timeline(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A patient's record: Bundle or NDJSON, packed or not.")],
    svg: Annotated[
        Path | None, typer.Option(help="Write the picture here; needs the extra [plot].", show_default=False)
    ] = None,
    patient: Annotated[str, typer.Option(help="Only this patient, by id.", show_default=False)] = "",
    hook: Annotated[str, typer.Option(help="Hook to judge at.")] = "patient-view",
    site: Annotated[
        Path | None, typer.Option("--site", help="A site's file of parameter values.", show_default=False)
    ] = None,
    pack: Packs = None,
) -> None:
    """Replay a record event by event without look-ahead: when each rule would first have spoken.

    Exit codes: 0 told; 2 wrong usage, or nothing can be judged.
    """
    from cds_rules import load_packs
    from cds_rules.commands.timeline import command

    raise typer.Exit(command(load_packs((), _folders(pack), site), file, hook, svg, patient))


@commands.command()
def codes(
    asked: Annotated[str, typer.Argument(metavar="CODE|TEXT", help="A code, or any text of a record.")],
    system: Annotated[
        str,
        typer.Option(
            help="System of the code: rxnorm, atc, ndc, loinc, snomed, icd-10, icd-10-cm, edqm, or its URI. Default: every system, and as text.",
            show_default=False,
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    overlay: Annotated[
        Path | None, typer.Option(help="Codes that `terminology update` fetched, to be asked too.", show_default=False)
    ] = None,
    pack: Packs = None,
) -> None:
    """Say what a code or a text is taken for, and the row of the value sets that says so.

    Exit codes: 0 it is taken for something; 1 it is not, and where was looked is listed.
    """
    from json import dumps

    from cds_rules.commands.codes import CodeBook, as_json, as_lines

    answer = CodeBook(_folders(pack), overlay).ask(asked, system)
    print(dumps(as_json(answer), indent=1, ensure_ascii=False) if json else "\n".join(as_lines(answer)))
    raise typer.Exit(0 if answer.known else 1)


@commands.command()
def pages(
    out: Annotated[Path, typer.Option(help="Folder of the rule pages; statements.md stands beside it.")] = Path(
        "docs/rules"
    ),
    pack: Packs = None,
) -> None:
    """Write a page per rule for the clinical committee, an index, and a page statement by statement."""
    from cds_rules.commands.pages import write_pages

    written = write_pages(_folders(pack), out)
    print(f"{len(written)} pages written to {out} and {out.parent}")


@commands.command()
def rxnorm(
    folder: Annotated[Path, typer.Argument(help="Folder with RXNCONSO.RRF, RXNREL.RRF and RXNSAT.RRF.")],
    out: Annotated[Path, typer.Option(help="Folder to write rxnorm_products.csv and ndc.csv into.")],
    pack: Packs = None,
) -> None:
    """Rebuild the product tables of packs from a release of RxNorm."""
    from cds_rules.commands.rxnorm import rebuild

    for line in rebuild(folder, out, _folders(pack)).lines():
        print(line)


terminology = typer.Typer(help="Codes of a terminology server.", no_args_is_help=True)
commands.add_typer(terminology, name="terminology")


@terminology.callback()
def _terminology() -> None:
    """Keep room for commands beside `update`."""


@terminology.command()
def update(
    server: Annotated[str, typer.Option(metavar="URL", help="Base address of a FHIR terminology server.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that codes.csv is written into.")] = Path("."),
    network: Annotated[
        list[str] | None, typer.Option(help="Private network the server lies in, such as 10.1.0.0/16; may be repeated.")
    ] = None,
    pack: Packs = None,
) -> None:
    """Fetch the codes below the concepts of the packs, once, into a file that start-up reads.

    The file is named by `packs.codes` in the settings of the service. It only adds codes; what could not be asked for stays
    as an earlier update left it. Exit codes: 0 all was asked for; 1 some was not, and is named; 2 nothing was.
    """
    from cds_rules.commands.terminology import update as fetch

    path = out / "codes.csv"
    made = fetch(server, path, _folders(pack), _today(), tuple(network or ()))
    for line in made.lines(path):
        print(line)
    raise typer.Exit(1 if made.troubles else 0)


ledger_commands = typer.Typer(help="The ledger of decisions.", no_args_is_help=True, rich_markup_mode=None)
feedback_commands = typer.Typer(help="What clinicians answered to cards.", no_args_is_help=True, rich_markup_mode=None)
commands.add_typer(ledger_commands, name="ledger")
commands.add_typer(feedback_commands, name="feedback")
review_commands = typer.Typer(help="Review sets, for two readers.", no_args_is_help=True, rich_markup_mode=None)
commands.add_typer(review_commands, name="review")


@review_commands.callback()
def _review() -> None:
    """Keep room for commands beside `import`."""


Config = Annotated[
    Path | None, typer.Option(help="TOML file of settings. Default: what CDS_RULES_CONFIG names.", show_default=False)
]


@ledger_commands.command("verify")
def ledger_verify(
    config: Config = None,
    anchor: Annotated[
        str, typer.Option(help="What an earlier verify printed: nothing up to there may be missing or other.")
    ] = "",
) -> None:
    """Find any row of the ledger that was changed, removed or put elsewhere, and name the first.

    Exit codes: 0 all is as it was written; 1 it is not; 2 wrong usage, or the database cannot be read.
    """
    from cds_rules.commands.ledger import verify

    raise typer.Exit(verify(config, anchor))


@ledger_commands.command("prune")
def ledger_prune(config: Config = None) -> None:
    """Remove what is older than store.decision_days, content_days and feedback_days; the rest can still be verified."""
    from cds_rules.commands.ledger import prune

    raise typer.Exit(prune(config))


@ledger_commands.command("forget")
def ledger_forget(
    patient: Annotated[str, typer.Option(help="Patient id, as the EHR sends it in context.patientId.")],
    issuer: Annotated[
        str, typer.Option(help="The iss of the tokens of its calls. Default: calls without a token.")
    ] = "",
    tenant: Annotated[str, typer.Option(help="The tenant that they named. Default: none.")] = "",
    config: Config = None,
) -> None:
    """Remove everything that is kept about one patient; the rest can still be verified. Exit codes: 1 nothing is kept."""
    from cds_rules.commands.ledger import forget

    raise typer.Exit(forget(config, patient.removeprefix("Patient/"), issuer, tenant))


@commands.command()
def why(
    patient: Annotated[str, typer.Option(help="Patient id, as the EHR sends it in context.patientId; never printed.")],
    at: Annotated[str, typer.Option(help="A day or instant: 2026-01-31T08:00:00Z.")],
    rule: Annotated[str, typer.Option(help="Id of the rule that spoke, or did not.")],
    issuer: Annotated[
        str, typer.Option(help="The iss of the tokens of its calls. Default: calls without a token.")
    ] = "",
    tenant: Annotated[str, typer.Option(help="The tenant that they named. Default: none.")] = "",
    server: Annotated[
        str, typer.Option(help="Only decisions for this FHIR server. Default: any.", show_default=False)
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Config = None,
    site: Annotated[
        Path | None, typer.Option("--site", help="A site's file of parameter values.", show_default=False)
    ] = None,
    pack: Packs = None,
) -> None:
    """Say from the ledger why a rule spoke or was silent about a patient at a time, and judge again where the inputs are kept.

    Exit codes: 0 told; 1 nothing is recorded about it; 2 wrong usage, or the database cannot be read.
    """
    from cds_rules.commands.why import Asked, command

    wanted = Asked(patient.removeprefix("Patient/"), at, rule, issuer, tenant, server, json)
    raise typer.Exit(command(config, wanted, _folders(pack) if pack else (), site))


@feedback_commands.command("report")
def feedback_report(
    config: Config = None,
    since: Annotated[str, typer.Option(help="Cards shown from this day or instant on.", show_default=False)] = "",
    until: Annotated[str, typer.Option(help="Cards shown before this day or instant.", show_default=False)] = "",
    issuer: Annotated[str, typer.Option(help="Of one client alone: the iss of its tokens.", show_default=False)] = "",
    tenant: Annotated[str, typer.Option(help="Of one tenant of it alone.", show_default=False)] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say for each rule how often its card was shown, accepted, overridden and why, with 95 % intervals."""
    from cds_rules.commands.feedback import report

    raise typer.Exit(report(config, since, until, issuer, tenant, json))


@review_commands.command("import")
def review_import(
    run: Annotated[Path, typer.Argument(metavar="FILE", help="Output of `cds-rules replay --json FILE --calls`.")],
    config: Config = None,
    name: Annotated[
        str, typer.Option(help="What the set is called. Default: the name of the file.", show_default=False)
    ] = "",
    issuer: Annotated[str, typer.Option(help="Whose patients they are: the iss of a client.", show_default=False)] = "",
    tenant: Annotated[str, typer.Option(help="One tenant of it.", show_default=False)] = "",
    alerts: Annotated[int, typer.Option(min=0, help="Alerts drawn of each rule.")] = 20,
    silences: Annotated[int, typer.Option(min=0, help="Silences drawn of each rule and kind.")] = 10,
    rule: Annotated[
        list[str] | None, typer.Option(help="Only this rule; may be given again. Default: those that spoke.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random numbers; below 0: a new one, which is printed.")] = -1,
) -> None:
    """Draw a random sample of alerts and silences of a run, rule by rule, for two readers.

    Exit codes: 0 drawn; 2 wrong usage, a file that is something else, or nothing to draw from.
    """
    from cds_rules.commands.review import Asked, bring_in

    asked = Asked(run, name, issuer, tenant, alerts, silences, tuple(rule or ()), seed)
    raise typer.Exit(bring_in(config, asked))


@review_commands.command("load")
def review_load(
    run: Annotated[Path, typer.Argument(metavar="FILE", help="Output of `cds-rules replay --json FILE --calls`.")],
    into: Annotated[
        Path, typer.Option(help="SQLite file that is made; it holds patient data, sealed by the key beside it.")
    ],
) -> None:
    """Make a store of a run, to be looked through on the review pages as decisions are.

    Exit codes: 0 made; 2 wrong usage, or a file that is something else.
    """
    from cds_rules.commands.review import load

    raise typer.Exit(load(run, into))


if __name__ == "__main__":
    app()
