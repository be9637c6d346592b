"""Reference material that may lie beside the checkout; tests that read it are skipped with a reason where it does not.

from tests.shared import SHARED, needs_shared

@needs_shared
def test_reads_it(): ...
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("CDS_RULES_SHARED", Path(__file__).parents[2] / "shared"))
"""The folder; CDS_RULES_SHARED names another place."""

needs_shared = pytest.mark.skipif(
    not (SHARED / "README.md").is_file(), reason="reference material does not lie beside the checkout"
)
