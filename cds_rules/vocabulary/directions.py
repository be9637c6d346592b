"""Text beside other text: what runs from right to left in it, or says that what follows does, turns nothing around it.

A name of the record may hold marks of direction, by accident or to deceive: U+202E makes "400 mg" of "gm 004", and a date
beside it run backwards. Letters of a script that runs from the right do that to a date without any mark. Pages, reports and
pictures pass what they show through here. Floor: vocabulary.

Source:
    Unicode Standard Annex 9, Unicode Bidirectional Algorithm, 2.1 to 2.4 (marks), 2.7 (isolates in plain text)
"""

from __future__ import annotations

import re

_MARKS = {code: f"[U+{code:04X}]" for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_FROM_THE_RIGHT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]+"
_WORDS = re.compile(rf"{_FROM_THE_RIGHT}(?:\s+(?:[\d.,]+\s+)?{_FROM_THE_RIGHT})*")
"""Words of such scripts, with blanks and bare numbers between them; a date is none."""
_APART = "\u2068{}\u2069"


def isolated(text: str) -> str:
    """The same text, in which marks of direction are seen, and words that run from right to left stand apart.

    >>> isolated("gm 004 \\u202eCaltrate")
    'gm 004 [U+202E]Caltrate'
    >>> isolated("\u05d0\u05d1 2026-03-01") == "\\u2068\u05d0\u05d1\\u2069 2026-03-01"
    True
    """
    if text.isascii():
        return text
    return _WORDS.sub(lambda found: _APART.format(found[0]), text.translate(_MARKS))
