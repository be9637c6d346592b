"""Magnesium: amounts of products, totals, IV doses, limits and bands."""

from __future__ import annotations

import math

import pytest

from cds_rules.derive.magnesium import magnesium_limits_mg_dl, supplement_limit_mg
from cds_rules.vocabulary.chart import Amount, Dosage, MagnesiumContent
from cds_rules.vocabulary.facts import Between
from cds_rules.vocabulary.frozen import replace
from tests.derive.charts import ago, derived, dosage, elemental, field, medication, oxide, problem, sulfate_iv

LIQUID = MagnesiumContent("magnesium hydroxide", 33.34, "mL", "salt", strength_mg=80)


def amount(content: MagnesiumContent, taken: Dosage) -> int | None:
    found = derived(medication("magnesium oxide", "mg-oral-supplement", content=content, dosage=taken)).magnesium
    return found.products[0].elemental_mg


def test_tablets_times_frequency() -> None:
    assert derived(oxide(400, 2)).magnesium.total_mg == 482


@pytest.mark.parametrize(
    ("dose", "expected"),
    [
        (Amount(30, "mL"), 1000),
        (Amount(2400, "mg"), 1000),
        (Amount(2.4, "g"), 1000),
        (Amount(10, "mEq"), 122),
        (Amount(10, "mmol"), 243),
    ],
)
def test_doses_by_volume_weight_and_amount(dose: Amount, expected: int) -> None:
    assert amount(LIQUID, Dosage(dose, 1)) == expected


def test_a_weight_without_a_known_strength_uses_the_salt() -> None:
    assert amount(MagnesiumContent("magnesium oxide", None, "unit", "salt"), dosage(400, "mg")) == 241
    assert amount(MagnesiumContent("", None, "unit", "unknown"), dosage(400, "mg")) is None


def test_a_unit_that_does_not_fit_leaves_the_amount_unknown() -> None:
    found = derived(medication("milk of magnesia", "mg-laxative", content=LIQUID, dosage=dosage(1, "unit"))).magnesium
    assert (found.products[0].elemental_mg, found.total_mg, found.at_least) == (None, 0, True)
    assert found.words == "unknown amount of Mg/day"


def test_an_unknown_amount_counts_as_mg_oral() -> None:
    assert field(derived(medication("magnesium", "mg-oral-supplement")), "magnesium", "focal_oral") is True


def test_an_unknown_frequency_is_once_a_day_and_marked() -> None:
    (product,) = derived(oxide(400, None)).magnesium.products
    assert (product.elemental_mg, product.assumed) == (241, True)
    assert "once a day assumed" in product.amount


def test_a_single_dose_is_not_assumed() -> None:
    (product,) = derived(oxide(dosage=Dosage(Amount(1, "unit"), one_time=True))).magnesium.products
    assert (product.elemental_mg, product.assumed) == (241, False)


def test_as_needed_counts_the_ordered_maximum() -> None:
    capped = Dosage(Amount(1, "unit"), 4, prn=True, maximum_per_day=Amount(3, "unit"))
    assert derived(oxide(dosage=capped)).magnesium.total_mg == 724
    assert derived(oxide(400, 4, prn=True)).magnesium.total_mg == 965
    only_maximum = Dosage(prn=True, maximum_per_day=Amount(2, "unit"))
    assert derived(oxide(dosage=only_maximum)).magnesium.total_mg == 482


def test_an_ambiguous_strength_uses_the_salt_and_shows_the_other_reading() -> None:
    content = MagnesiumContent("magnesium oxide", 241.2, "unit", "ambiguous", upper_mg=400, strength_mg=400)
    found = derived(medication("magnesium oxide", "mg-oral-supplement", content=content, dosage=dosage(1))).magnesium
    assert (found.total_mg, found.upper_total_mg) == (241, 400)
    assert "up to 400 mg" in found.products[0].amount


@pytest.mark.parametrize(("mg", "counts"), [(49, False), (50, True)])
def test_mg_oral_starts_at_50_mg(mg: float, counts: bool) -> None:
    found = derived(elemental(mg))
    assert field(found, "magnesium", "focal_oral") is counts
    assert field(found, "magnesium", "total_mg") == mg


@pytest.mark.parametrize(("mg", "sources"), [(7, 1), (8, 2)])
def test_sources_start_at_8_mg(mg: float, sources: int) -> None:
    assert derived(elemental(100), elemental(mg)).magnesium.source_count == sources


@pytest.mark.parametrize(
    ("age", "limit"), [(0, None), (1, 65), (3, 65), (4, 110), (8, 110), (9, 350), (60, 350), (None, None)]
)
def test_supplement_limit(age: int | None, limit: float | None) -> None:
    assert supplement_limit_mg(age) == limit


def test_over_the_limit_is_above_it() -> None:
    assert field(derived(elemental(250), elemental(100)), "magnesium", "over_limit") is False
    assert field(derived(elemental(251), elemental(100)), "magnesium", "over_limit") is True


def test_topical_and_trace_magnesium_are_no_sources() -> None:
    bath = medication("magnesium sulfate", "mg-oral-supplement", "mg-topical", route="topical")
    ppi = medication("esomeprazole magnesium", "ppi", "mg-trace")
    found = derived(bath, ppi)
    assert found.magnesium.products == ()
    assert field(found, "magnesium", "source_taken") is False


def test_preparations_are_not_summed() -> None:
    found = derived(elemental(4221, 1, "mg-bowel-prep"))
    assert found.magnesium.total_mg == 0
    assert field(found, "magnesium", "focal_bowel_prep") is True
    assert found.magnesium.products[0].elemental_mg == 4221


def test_heavy_means_laxative_or_antacid_in_focus() -> None:
    assert field(derived(oxide(400, 1, "mg-laxative")), "magnesium", "heavy") is True
    assert field(derived(oxide(400, 1, "mg-antacid")), "magnesium", "heavy") is True
    assert field(derived(oxide(400, 1, "mg-binder")), "magnesium", "heavy") is False
    assert field(derived(oxide(400, 1, "mg-binder")), "magnesium", "focal_binder_only") is True
    assert field(derived(oxide(400, 1, "mg-laxative"), hook="order-sign"), "magnesium", "heavy") is False


@pytest.mark.parametrize(("stop", "recent"), [(3, True), (3.1, False), (None, False)])
def test_a_stopped_source_is_recent_for_three_days(stop: float | None, recent: bool) -> None:
    found = derived(oxide(state="stopped", stop=stop))
    assert field(found, "magnesium", "source_taken") is recent
    assert field(found, "magnesium", "toxicity_source") is recent
    assert found.magnesium.total_mg == 0


@pytest.mark.parametrize(
    ("dose", "grams"),
    [(Amount(2000, "mg"), 2), (Amount(16.2, "mEq"), 2), (Amount(8.12, "mmol"), 2), (Amount(4, "g"), 4)],
)
def test_iv_doses_in_grams(dose: Amount, grams: float) -> None:
    (product,) = derived(sulfate_iv(dosage=Dosage(dose, one_time=True))).magnesium.products
    assert product.dose_g == pytest.approx(grams)


def test_small_iv_means_every_order_once_and_at_most_two_grams() -> None:
    def small(*orders: object) -> object:
        return field(derived(*orders), "magnesium", "focal_iv_small")  # type: ignore[arg-type]

    assert small(sulfate_iv(2)) is True
    assert small(sulfate_iv(2.01)) is False
    assert small(sulfate_iv(2, one_time=False)) is False
    assert small(sulfate_iv(None)) is False
    assert small(sulfate_iv(1), sulfate_iv(4)) is False


def test_obstetric_by_pregnancy_or_reason() -> None:
    assert derived(sulfate_iv(4), problem("pregnant")).magnesium.obstetric is True
    assert derived(sulfate_iv(4, reasons=frozenset({"eclampsia"}))).magnesium.obstetric is True
    assert derived(sulfate_iv(4)).magnesium.obstetric is False
    assert derived(oxide(), problem("pregnant")).magnesium.obstetric is False
    assert derived(sulfate_iv(4), gaps=["conditions"]).magnesium.obstetric is None


def test_an_obstetric_infusion_is_no_source_of_toxicity() -> None:
    found = derived(sulfate_iv(4), problem("pregnant"))
    assert field(found, "magnesium", "toxicity_source") is False
    assert field(found, "magnesium", "source_taken") is True
    assert field(derived(sulfate_iv(4)), "magnesium", "toxicity_source_iv") is True


def test_a_medication_list_that_was_not_delivered() -> None:
    found = derived(gaps=["medications"])
    for name in ("focal_oral", "heavy", "source_taken", "over_limit", "toxicity_source"):
        assert field(found, "magnesium", name) is None
    assert field(found, "magnesium", "total_mg") == Between(0, math.inf)
    drafted = derived(oxide(state="draft"), hook="order-sign", gaps=["medications"])
    assert field(drafted, "magnesium", "focal_oral") is True
    assert field(derived(hook="order-sign", gaps=["medications"]), "magnesium", "focal_oral") is False


def test_the_latest_start_of_the_products_in_focus() -> None:
    assert field(derived(oxide(start=10), oxide(start=90)), "magnesium", "focal_start_days") == 10
    assert field(derived(oxide(start=10), oxide(start=None)), "magnesium", "focal_start_days") is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (None, None, (1.7, 2.4, "default")),
        (1.4, 2.9, (1.4, 2.9, "laboratory")),
        (2.0, 2.1, (2.0, 2.1, "laboratory")),
        (1.39, 2.6, (1.7, 2.6, "laboratory and default")),
        (1.6, 2.91, (1.6, 2.4, "laboratory and default")),
        (2.01, 2.09, (1.7, 2.4, "default")),
    ],
)
def test_own_limits_are_used_where_plausible(
    low: float | None, high: float | None, expected: tuple[float, float, str]
) -> None:
    assert magnesium_limits_mg_dl(low, high) == expected


def test_known_days_of_a_scheduled_product() -> None:
    assert field(derived(oxide(start=36)), "magnesium-product", "known_days") == 36
    assert field(derived(replace(oxide(), start=None)), "magnesium-product", "known_days") == 0
    assert derived(oxide(start=36)).magnesium.products[0].start == ago(36)


def test_of_a_part_of_the_medications_the_total_is_a_lower_bound() -> None:
    assert derived(oxide()).magnesium.words == "241 mg Mg/day"
    part = derived(oxide(), gaps=["medications"])
    assert part.magnesium.words == "at least 241 mg Mg/day"
    assert field(part, "magnesium", "total_mg") == Between(241, math.inf)
    assert field(part, "magnesium", "source_count") == Between(1, math.inf)
