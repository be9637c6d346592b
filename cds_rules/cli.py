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


if __name__ == "__main__":
    app()
