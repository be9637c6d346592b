"""Text from the record shows as text and nothing else; summaries fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cds_rules.cards.texts import _UNSEEN, SUMMARY_LIMIT, Draft, cleaned, compile_texts, escaped
from cds_rules.cards.views import vocabulary
from cds_rules.knowledge.pack import Pack
from cds_rules.knowledge.rules import CardText
from cds_rules.vocabulary.errors import PackError
from cds_rules.vocabulary.frozen import replace

# the most permissive reader: raw HTML passes, bare addresses become links
PERMISSIVE = MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable(["table", "strikethrough"])

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/a.png)",
    "https://evil.example www.evil.example me@evil.example",
    "| a | b |\n|---|---|\n| c | d |",
    "# heading\n- list\n> quote\n```code```",
    "`code` *em* _em_ **strong** ~~gone~~",
    "&lt;b&gt; &amp; &#60;b&#62;",
    "\u202eright to left\u2066",
    "a\\",
    "<https://evil.example>",
    "{{ kidney }} {% raw %}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_renders_as_itself(text: str) -> None:
    tokens = PERMISSIVE.parseInline(f"Drug {escaped(text)} end")
    children = tokens[0].children or []
    assert {token.type for token in children} <= {"text", "text_special"}
    assert "".join(token.content for token in children) == f"Drug {cleaned(text)} end".replace("Drug  end", "Drug  end")


@given(st.text(max_size=60))
def test_any_text_renders_as_itself(text: str) -> None:
    children = PERMISSIVE.parseInline(f"x {escaped(text)} y")[0].children or []
    assert {token.type for token in children} <= {"text", "text_special"}
    assert "".join(token.content for token in children) == f"x {cleaned(text)} y"


@given(st.text(max_size=40))
def test_cleaned_text_is_one_line_without_what_is_not_seen(text: str) -> None:
    assert "\n" not in cleaned(text)
    assert not set(cleaned(text)) & set("\u202e\u200b\u2066\u0000\ufeff\ud800")


def texts(pack: Pack, **parts: object):
    rule = replace(
        pack.rules[0], id="trial", card=CardText(**{"summary": "s", "why": "w", "consider": ("c",), **parts})
    )
    return compile_texts([Draft(rule, rule.card, "rules/trial.yaml", "card.")])["trial"]


@given(st.text(alphabet="abc 1", max_size=400))
def test_a_summary_fits_whatever_the_name(pack: Pack, name: str) -> None:
    found = (
        texts(pack, summary="eGFR 28 (20 d ago): {{ name|short }}, 482 mg Mg/day - risk of magnesium accumulation")
        .fill({"name": name})
        .summary
    )
    assert len(found) <= SUMMARY_LIMIT
    assert found.startswith("eGFR 28 (20 d ago): ")
    assert "482 mg Mg/day" in found


def test_a_line_that_comes_out_empty_is_left_out(pack: Pack) -> None:
    found = texts(
        pack, consider=("{% if no %}x{% endif %}", "{{ name }}", "{% for each in names %}{{ each }}\n{% endfor %}")
    )
    assert found.fill({"no": False, "name": "a<b", "names": ["c", "d*"]}).consider == ["a&lt;b", "c", r"d\*"]


def test_a_broken_template_is_a_mistake_of_the_rule(pack: Pack) -> None:
    with pytest.raises(PackError, match=r"rules/trial.yaml: card.summary: not a valid template"):
        texts(pack, summary="{{ oops")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ kidny.words }}", 'card.found[0]: unknown name "kidny"; did you mean "kidney"?'),
        ("{{ kidney.wrds }}", 'card.found[0]: kidney has no "wrds"; did you mean "words"?'),
        ("{{ labs.magnesum.words }}", 'card.found[0]: labs has no "magnesum"; did you mean "magnesium"?'),
        ("{{ ''.__class__ }}", 'card.found[0]: "__class__": a name that begins with _ is not for texts'),
        ("{{ kidney['_derived'] }}", 'card.found[0]: "_derived": a name that begins with _ is not for texts'),
        ("{{ ''|attr('__class__') }}", 'unknown filter "attr"'),
        ("{{ 'a'|shrt }}", 'unknown filter "shrt"; did you mean "short"?'),
        ("{% if 1 is evn %}{% endif %}", 'unknown test "evn"; did you mean "even"?'),
        ("{% include 'x' %}", "include: parts of other templates are not for texts"),
        ("{% block a %}{% endblock %}", "block: parts of other templates are not for texts"),
    ],
)
def test_a_name_nobody_knows_is_found_before_a_patient_needs_the_card(pack: Pack, text: str, message: str) -> None:
    rule = replace(pack.rules[0], id="trial", card=CardText(summary="s", why="w", consider=("c",), found=(text,)))
    with pytest.raises(PackError) as raised:
        compile_texts([Draft(rule, rule.card, "rules/trial.yaml", "card.")], vocabulary())
    assert message in str(raised.value)


def test_names_of_loops_and_of_lists_are_not_taken_for_unknown(pack: Pack) -> None:
    text = (
        "{% for each in statins %}{{ each.name }}{% endfor %}{% if cramp %}{{ cramp.words }}{% endif %}{{ indicator }}"
    )
    rule = replace(pack.rules[0], card=CardText(summary="s", why="w", consider=("c",), found=(text,)))
    assert compile_texts([Draft(rule, rule.card, "rules/trial.yaml", "card.")], vocabulary())


def test_nothing_unseen_is_printable() -> None:
    """A printable line need not be searched for it."""
    assert not [code for code in _UNSEEN if chr(code).isprintable()]
    assert [chr(code) for code in range(0x110000) if chr(code).isprintable() and chr(code).isspace()] == [" "]


@given(
    st.text(max_size=20),
    st.sampled_from(" *_~("),  # after these a bare address becomes a link
    st.sampled_from(["@", "://", "www.", "WWW.", "JavaScript:", "data:", "mailto:"]),
    st.text(max_size=20),
)
def test_no_address_is_left(before: str, mark: str, address: str, after: str) -> None:
    found = escaped(f"{before}{mark}{address}{after}").lower()
    assert "@" not in found
    assert "://" not in found
    assert address.lower() not in found
