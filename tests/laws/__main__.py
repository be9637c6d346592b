"""Try every law on many random patients: `python -m tests.laws 10000`, from seed 0 or `--from SEED`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from rich.console import Console
from rich.progress import track

import cds_rules
from tests.laws.laws import LAWS, Trial
from tests.laws.patients import Patients
from tests.laws.questions import QUESTIONS

TOLD_EVERY = 500
"""Patients between two lines of progress where no bar can be drawn."""


def main() -> int:
    """Run, tell the first broken seeds of each law; 1 when a law is broken."""
    wanted = argparse.ArgumentParser(prog="python -m tests.laws", description="Try every law on random patients.")
    wanted.add_argument("patients", type=int, nargs="?", default=1000)
    wanted.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    chosen = wanted.parse_args()
    console = Console()
    knowledge = cds_rules.load_packs()
    patients, broken, cards = Patients(knowledge.tables), Counter[str](), Counter[str]()
    seeds = range(chosen.first, chosen.first + chosen.patients)
    for seed in track(seeds, "patients", console=console, disable=not console.is_terminal):
        trial = Trial.of(knowledge, patients, seed)
        if not console.is_terminal and (done := seed - chosen.first) % TOLD_EVERY == 0:
            console.print(f"{done} of {len(seeds)} patients, {broken.total()} laws broken")
        cards.update(finding.rule.id for finding in trial.answer.findings)
        for law in (*LAWS, *QUESTIONS):
            if (told := law(trial)) is not None:
                broken[law.__name__] += 1
                if broken[law.__name__] <= 3:
                    console.print(f"{law.__name__}, seed {seed}: {told}", markup=False, soft_wrap=True)
    for law in (*LAWS, *QUESTIONS):
        console.print(f"{law.__name__.replace('_', ' ')}: {broken[law.__name__] or 'never'} broken", markup=False)
    console.print(f"{len(seeds)} patients, {cards.total()} cards of {len(cards)} rules")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
