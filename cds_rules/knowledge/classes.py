"""From a product to the medication classes of knowledge.md 5.1 in one order: route, reason, form and amount decide.

Floor: knowledge.
"""

from __future__ import annotations

from cds_rules.vocabulary.chart import Dosage, Product


def classes(
    product: Product, *, route: str | None, reasons: frozenset[str], dosage: Dosage, label: str
) -> frozenset[str]:
    """The classes a medication really belongs to as it is ordered.

    Args:
        product: what the terminology knows.
        route: the ordered route, None when not said.
        reasons: words of `Medication.reasons`.
        dosage: the sig as read.
        label: what the record calls the product.
    """
    raise NotImplementedError
