"""The command line: `cds-rules serve | replay | ...`. Each command imports what it needs when it runs, so that help is quick.

Mistakes of usage and of files are said in a sentence on stderr and end with exit code 2, never with a traceback.
Floor: edge.
"""

from __future__ import annotations

import sys
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
    except CdsRulesError as error:
        print(f"cds-rules: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@commands.callback()
def _root() -> None:
    """Keep commands apart even while there is only one."""


@commands.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
) -> None:
    """Answer CDS Hooks clients over HTTP."""
    try:
        from cds_rules.service.run import serve as start
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cds_rules"):
            raise
        raise CdsRulesError(
            f"{error.name} is not installed; `pip install 'cds-rules[service]'` brings what serving needs"
        ) from None
    start(host, port, workers)


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
) -> None:
    """Judge stored records and say what fires, what does not, and what could not be told.

    Exit codes: 0 done; 1 differences from expected cards, or invalid resources with --strict; 2 wrong usage, or nothing
    could be judged; 3 an evaluation failed through an error of this program. Inputs that are skipped are listed.
    """
    from cds_rules.replay.command import Asked, run

    raise typer.Exit(run(Asked(tuple(paths), hook, at, expect, json, report, strict, each, jobs, tuple(pack or ()))))


def _folders(packs: list[str] | None) -> list[Path]:
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
    return folders


Packs = Annotated[
    list[str] | None,
    typer.Option("--pack", help="Installed name or folder; may be given again. Default: all installed."),
]


@commands.command()
def lint(
    pack: Packs = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings end with exit code 1 as well.")] = False,
) -> None:
    """Name everything that is wrong or doubtful in rule packs. Exit codes: 0 clean, 1 errors."""
    from datetime import date

    from cds_rules.commands.lint import lint as look

    errors, warnings = look(_folders(pack), date.today())  # noqa: DTZ011  # the review date is a day of the calendar here
    for mistake in errors:
        print(f"error: {mistake}")
    for mistake in warnings:
        print(f"warning: {mistake}")
    print(f"{len(errors)} errors, {len(warnings)} warnings", file=sys.stderr)
    raise typer.Exit(1 if errors or (strict and warnings) else 0)


@commands.command("test")
def run_cases(
    rule: Annotated[str, typer.Argument(help="Only this rule.", show_default=False)] = "",
    pack: Packs = None,
    mutants: Annotated[
        bool,
        typer.Option("--mutants", help="Also break each rule in every small way and see whether its cases notice."),
    ] = False,
) -> None:
    """Run the cases of rules by both matchers.

    Exit codes: 0 all pass (and with --mutants at least 98 % of mutants are noticed); 1 otherwise.
    """
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from cds_rules.commands.test import CAUGHT_AT_LEAST, run

    table = Table("rule", "cases", "failed", *(["mutants", "noticed"] if mutants else []))
    lines, cases, failed, alive, count = [], 0, 0, 0, 0
    console = Console(stderr=True)
    for report in track(run(_folders(pack), rule, mutants), "cases", console=console, transient=True):
        wrong = len(report.failed) + len(report.mistakes)
        cells = [report.rule.id, str(len(report.results)), str(wrong)]
        noticed = report.mutants - len(report.survivors)
        table.add_row(*cells, *([str(report.mutants), str(noticed)] if mutants else []))
        lines += [f"{report.rule.id}: {mistake}" for mistake in report.mistakes]
        for result in report.failed:
            differ = f"; the matchers differ on {', '.join(result.disagreements)}" if result.disagreements else ""
            lines.append(
                f"{report.rule.id}: {result.case.name}: expected {result.case.expect}, found {result.found}{differ}"
            )
        lines += [f"{report.rule.id}: not noticed: {mutant.fault}" for mutant in report.survivors]
        cases, failed = cases + len(report.results), failed + wrong
        alive, count = alive + len(report.survivors), count + report.mutants
    if not table.row_count:
        raise CdsRulesError(f'no rule "{rule}" in these packs' if rule else "these packs hold no rules")
    Console().print(table)
    print(
        "\n".join(
            [
                *lines,
                f"{cases} cases, {failed} failed"
                + (f"; {count - alive} of {count} mutants noticed" if mutants else ""),
            ]
        )
    )
    raise typer.Exit(1 if failed or alive > (1 - CAUGHT_AT_LEAST) * count else 0)


@commands.command()
def new(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Rule id, which becomes the file name.")],
    group: Annotated[str, typer.Option(help="Group of pack.yaml the rule belongs to.")],
    pack: Annotated[Path, typer.Option(help="Folder of the pack.")],
    title: Annotated[str, typer.Option(help="What the rule is about, in a few words.")] = "",
) -> None:
    """Write the two files of a new rule, a draft that is judged and never shown."""
    from datetime import date

    from cds_rules.commands.new import new_rule

    written = new_rule(pack, identifier, group, title or identifier.replace("-", " ").capitalize(), date.today())  # noqa: DTZ011
    for path in written:
        print(f"written: {path}")
    print(
        f"next: list {identifier} under the group {group} in {pack / 'pack.yaml'}, then `cds-rules lint` and `cds-rules test {identifier}`"
    )


@commands.command()
def schema(
    file: Annotated[str, typer.Argument(help="rule, cases or pack.")],
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    import json

    from cds_rules.knowledge import schema as schemas
    from cds_rules.knowledge.pack import merged_tables, read_tables, vocabulary_words

    makers = {"rule": schemas.rule_schema, "cases": schemas.cases_schema, "pack": schemas.pack_schema}
    if file not in makers:
        raise CdsRulesError(f'found "{file}"; rule, cases or pack belongs here')
    words = vocabulary_words(merged_tables(read_tables(folder) for folder in _folders(None)))
    print(json.dumps(makers[file](words), indent=1))


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
    pack: Packs = None,
) -> None:
    """Say what a code or a text is taken for, and the row of the value sets that says so.

    Exit codes: 0 it is taken for something; 1 it is not, and where was looked is listed.
    """
    from json import dumps

    from cds_rules.commands.codes import CodeBook, as_json, as_lines

    answer = CodeBook(_folders(pack)).ask(asked, system)
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


if __name__ == "__main__":
    app()
