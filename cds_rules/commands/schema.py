"""`cds-rules schema`: the JSON Schemas of rule, case, pack and translation files, printed or written, for editors.

They know the words of the value sets of the packs they are made from. Flows in: folders of packs. Flows out: text.
Floor: edge.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cds_rules.knowledge import schema
from cds_rules.knowledge.files import near
from cds_rules.knowledge.pack import merged_tables, read_tables, vocabulary_words
from cds_rules.vocabulary.errors import BadInput

KINDS = {
    "rule": schema.rule_schema,
    "cases": schema.cases_schema,
    "pack": schema.pack_schema,
    "words": schema.words_schema,
    "texts": schema.texts_schema,
}


def schemas(folders: Sequence[Path]) -> dict[str, str]:
    """The text of each schema by the name of its file."""
    words = vocabulary_words(merged_tables(map(read_tables, folders)))
    return {
        f"{kind}.schema.json": f"{json.dumps(make(words), indent=1, ensure_ascii=False)}\n"
        for kind, make in KINDS.items()
    }


def command(folders: Sequence[Path], kind: str, write: Path | None) -> int:
    """Print the schema of one kind of file, or write it, or all of them where none is named, into a folder."""
    if kind not in KINDS and (kind or not write):
        raise BadInput(
            f'"{kind}" is no kind of file{near(kind, KINDS)}'
            if kind
            else "rule, cases, pack, words or texts belongs here"
        )
    chosen = {name: text for name, text in schemas(folders).items() if not kind or name == f"{kind}.schema.json"}
    for name, text in chosen.items():
        if write is None:
            print(text, end="")
            continue
        write.mkdir(parents=True, exist_ok=True)
        (write / name).write_text(text, encoding="utf-8")
        print(f"written: {write / name}")
    return 0
