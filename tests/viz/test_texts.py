"""The words of the page: complete, the same in both languages, and about facts that exist."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from models import errors as model_errors
from models.catalog import BUILTIN
from viz import texts as module
from viz.facts import COUNTS, LITERALS, MEASURES, WORDS
from viz.texts import (
    ASSETS,
    ERROR_FACTS,
    TextsError,
    load_texts,
    placeholders,
    read_texts,
    render,
    spell,
)

TEXTS = load_texts()
HAN = r"[\u4e00-\u9fff]"
WIDE = r"[\u4e00-\u9fff，。；：！？、（）《》“”]"
MARKS = r"[,.;:!?()\"']"
PAGE_ERRORS = {
    *(
        "internal",
        "server_down",
        "url_fixed",
        "unknown_words",
        "untrained_pair",
        "resized",
        "opening_cancelled",
    )
}
READINGS = {
    *("sharp", "self_sharp", "broad", "uniform", "decoder_sharp", "decoder_broad", "decoder_first"),
    *("cross_sharp", "cross_broad", "cell", "cell_masked", "guided_alignment", "guided_antecedent"),
    *(
        "guided_object",
        "guided_previous",
        "guided_copy",
        "plain_note",
        "proof_title",
        "proof",
        "proof_failed",
    ),
    *("absent_plain", "absent_attention", "guided_alone", "proof_state"),
    *("first_token", "masked_predict", "idle", "patch_sharp", "patch_broad"),
    *(f"cell_masked_{why}" for why in ("sliding", "chunked", "chosen", "padding", "windows", "other")),
    *(f"route_{route}" for route in ("builtin", "interface", "tracer", "module", "band")),
}
CORE = {"token", "query", "key", "value", "score", "mask", "weight", "context", "embedding"}


def strings(side, place=""):
    """Each text of one language with its place, whatever it is nested in."""
    if isinstance(side, str):
        yield place, side
    else:
        for field in dataclasses.fields(side):
            yield from strings(getattr(side, field.name), f"{place}.{field.name}")


PAIRS = [
    (place, english, chinese)
    for where, table in TEXTS.tables()
    for (place, english), (_, chinese) in zip(strings(table.en, where), strings(table.zh, where), strict=True)
]
EXPLAINED = [p for p in PAIRS if p[0].startswith(("stages.", "readings.")) and not p[0].endswith(".short")]


def prose(text):
    """A text without mathematics, code and facts."""
    return re.sub(r"\$[^$]*\$|`[^`]*`|\[\[[^\]]*\]\]", "", text)


def says(text, term):
    """Whether an English text uses a term, in the singular or the plural."""
    return re.search(rf"(?<![\w-]){re.escape(term)}(s|es)?(?![\w-])", text, re.IGNORECASE) is not None


def chinese_names(term):
    return [term.zh.term, *(synonym for synonym in term.synonyms if re.search(HAN, synonym))]


def test_both_languages_say_the_same_facts():
    faults = [place for place, english, chinese in PAIRS if placeholders(english) != placeholders(chinese)]
    faults += [place for place, english, chinese in PAIRS if not english.strip() or not chinese.strip()]
    assert not faults


def test_chinese_is_chinese_and_english_is_english():
    for place, english, chinese in PAIRS:
        is_name = re.match(r"(ui|glossary|family\.lesson)\.|family\.model\..*\.title$", place)
        is_symbol = is_name or not re.search(r"[a-z]{3}", prose(english))
        assert is_symbol or re.search(HAN, chinese), f"{place}: {chinese}"
        is_about_chinese = place.startswith(("presets.", "ui.", "family."))
        assert is_about_chinese or not re.search(HAN, english), f"{place}: {english}"


def test_punctuation_beside_chinese_is_full_width():
    beside = re.compile(rf"{HAN}\s*{MARKS}|{MARKS}\s*{HAN}")
    faults = [(place, found[0]) for place, _, zh in PAIRS if (found := beside.search(prose(zh)))]
    assert not faults


def test_no_space_between_chinese_characters():
    faults = [(place, found[0]) for place, _, zh in PAIRS if (found := re.search(rf"{WIDE}\s+{WIDE}", zh))]
    assert not faults


def test_markdown_is_closed():
    texts = [(place, text) for place, *both in PAIRS for text in both]
    assert not [(place, mark) for place, text in texts for mark in ("**", "`", "$") if text.count(mark) % 2]


def test_terms_are_those_of_the_glossary():
    faults = [
        f"{place}: {term.en.term} is {term.zh.term}"
        for place, english, chinese in EXPLAINED
        for term in TEXTS.glossary
        if says(prose(english), term.en.term) and not any(name in chinese for name in chinese_names(term))
    ]
    assert not faults


def test_the_core_terms_are_in_the_glossary_and_in_use():
    terms = {term.id: term for term in TEXTS.glossary}
    assert terms.keys() >= CORE
    for id in CORE:
        assert any(says(prose(english), terms[id].en.term) for _, english, _ in EXPLAINED), id
        assert any(terms[id].zh.term in chinese for _, _, chinese in EXPLAINED), id


def test_each_term_is_one_thing_with_one_definition():
    assert len(TEXTS.glossary) >= 28
    for field in ("id", "en", "zh"):
        assert len({getattr(term, field) for term in TEXTS.glossary}) == len(TEXTS.glossary), field
    for language in ("en", "zh"):
        terms = [getattr(term, language) for term in TEXTS.glossary]
        assert len({term.term for term in terms}) == len(terms), language
        for term in terms:
            assert term.definition.endswith("." if language == "en" else "。"), term
            assert len(re.findall(r"[.。](?=\s|$)", term.definition)) == 1, f"one sentence: {term}"


def test_no_synonym_is_the_name_of_another_term():
    names = {name.lower() for term in TEXTS.glossary for name in (term.en.term, term.zh.term)}
    for term in TEXTS.glossary:
        assert not names & {synonym.lower() for synonym in term.synonyms}, term.id


def test_every_reading_that_the_page_may_pick_is_there():
    assert TEXTS.readings.keys() == READINGS


def test_a_decoder_row_is_named_by_what_it_reads_and_what_it_predicts():
    for id in ("decoder_sharp", "decoder_broad", "decoder_first", "cross_sharp", "cross_broad"):
        assert placeholders(TEXTS.readings[id].en) >= {"query_token", "predicted_token"}, id


def refusals(kind):
    yield kind
    for inner in kind.__subclasses__():
        yield from refusals(inner)


def test_every_error_has_its_message():
    ids = {kind.id for kind in refusals(model_errors.MicroscopeError)}
    assert ids | PAGE_ERRORS == TEXTS.errors.keys()


@pytest.mark.parametrize(
    "error",
    [
        model_errors.EmptyText(),
        model_errors.TextTooLong(70, 64),
        model_errors.TextTooLarge(30_000, 20_000),
        model_errors.OnlyUnknownWords(["xyzzy", "格物"]),
        model_errors.TargetTooLong(70, 64),
        model_errors.TargetOnlyUnknown(["xyzzy"]),
        model_errors.UnknownModel("gpt-9", BUILTIN),
        model_errors.TokenRefused("someone/tiny"),
        model_errors.ModelTooLarge("someone/tiny", "9", "8"),
        model_errors.NotEnoughDisk("someone/tiny", "3", "2.5"),
        model_errors.NotEnoughMemory("someone/tiny", "4", "1"),
        model_errors.NoSoftmaxAttention("someone/tiny", "24 × MambaBlock"),
        model_errors.UnsupportedEdit("an edit", (int,)),
        model_errors.EditOutOfRange("an edit"),
        model_errors.BadRequest("not a key"),
        model_errors.StaleKey(),
        model_errors.ServerBusy(8),
    ],
    ids=lambda error: error.id,
)
def test_an_error_brings_the_facts_of_its_message(error):
    message = TEXTS.errors[error.id]
    assert error.facts.keys() >= ERROR_FACTS.get(error.id, frozenset())
    for words in (message.en, message.zh):
        said = render(words.title + words.body, error.facts)
        assert all(str(fact) in said for fact in error.facts.values())


def test_every_group_of_facts_is_apart():
    assert not WORDS & COUNTS
    assert not WORDS & MEASURES
    assert not COUNTS & MEASURES
    assert LITERALS < WORDS


def test_the_browser_gets_every_text_in_the_shape_of_the_files():
    said = TEXTS.as_json(TEXTS.stages)
    assert said.keys() == {"stages", "readings", "errors", "presets", "family", "glossary", "ui"}
    assert said["stages"]["scores"]["zh"]["short"] == "得分"
    assert said["readings"]["cell"]["en"] == TEXTS.readings["cell"].en
    assert said["errors"]["empty_text"]["zh"]["title"] == TEXTS.errors["empty_text"].zh.title
    assert said["presets"][0]["en"]["why"] == TEXTS.presets[0].en.why
    assert said["glossary"][0]["zh"]["term"] == "词元"


@pytest.mark.parametrize(
    ("fact", "format", "said"),
    [
        (0.12345, ".3f", "0.123"),
        (-1.5, ".2f", "−1.50"),
        (-0.0001, ".3f", "0.000"),
        (float("-inf"), ".3f", "−∞"),
        (float("nan"), ".3f", "NaN"),
        (6.2e-8, ".1e", "6.2e-08"),
        (7, "", "7"),
        (7, "d", "7"),
        ("it", "", "it"),
        ("−{}$[[x]]", "", "−{}$[[x]]"),
    ],
)
def test_a_fact_is_written_as_people_read_it(fact, format, said):
    assert spell(fact, format) == said


def test_facts_land_in_their_places():
    facts = {"query_token": "it", "weight": -0.5, "query": 3}
    said = render("“[[query_token]]” $[[weight:.2f]]$ x[[[query]]]", facts)
    assert said == "“it” $−0.50$ x[3]"


def test_a_word_that_looks_like_a_fact_stays_a_word():
    assert render("[[query_token]]", {"query_token": "[[weight:.3f]]"}) == "[[weight:.3f]]"


def test_a_missing_fact_is_named():
    with pytest.raises(KeyError, match=r"no fact 'weight'.*query"):
        render("[[weight:.3f]]", {"query": 3})


def broken(tmp_path: Path, file: str, before: str, after: str) -> Path:
    """A copy of the texts in which one passage is changed."""
    shutil.copytree(ASSETS / "texts", tmp_path / "texts")
    shutil.copy(ASSETS / "glossary.toml", tmp_path)
    changed = tmp_path / file
    text = changed.read_text(encoding="utf-8")
    assert before in text
    changed.write_text(text.replace(before, after, 1), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "before", "after", "fault"),
    [
        ("texts/stages.toml", "zh.short = '得分'\n", "", "stages.scores.zh: missing short"),
        ("texts/stages.toml", "[scores]\n", "[scores]\ncolour = 'red'\n", "stages.scores: unknown colour"),
        ("texts/errors.toml", "'文字太长'", "''", "errors.text_too_long.zh.title: wanted str"),
        ("texts/errors.toml", "[empty_text]", "[empty_text", "cannot read the texts"),
        ("texts/presets.toml", "head = 0", "head = 'first'", "presets[0].head: wanted int"),
        ("glossary.toml", "['标记', '令牌']", "'标记'", "glossary[0].synonyms"),
        (
            "texts/variants.toml",
            "like = 'tokens'",
            "like = 'token'",
            "tokens_pieces: like token, which is not there",
        ),
        ("texts/variants.toml", "like = 'tokens'", "like = 'tokens_numbered'", "which is like another"),
        (
            "texts/variants.toml",
            "like = 'scale'",
            "like = 'scale'\nen.short = 'Scale'",
            "en.short: says what",
        ),
        ("texts/variants.toml", "[softcap]", "[softmax]", "stages.softmax: there are two"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path, file, before, after, fault):
    with pytest.raises(TextsError, match=re.escape(fault)):
        read_texts(broken(tmp_path, file, before, after))


@pytest.mark.parametrize(
    ("file", "before", "after", "fault"),
    [
        ("texts/readings.toml", "把 [[percent:.1f]]% ", "把一些", "readings.cell: English and Chinese"),
        ("texts/readings.toml", "[[percent:.1f]]", "[[share:.1f]]", "no fact 'share' here"),
        ("texts/readings.toml", "[[percent:.1f]]", "[[percent]]", "'percent' needs a format"),
        ("texts/readings.toml", "[[percent:.1f]]", "[[percent:03]]", "cannot have the format '03'"),
        ("texts/readings.toml", "[[percent:.1f]]", "[[percent:.1f]", "a placeholder is broken"),
        (
            "texts/readings.toml",
            "[[percent:.1f]]",
            "[[arguments_literal]]",
            "no fact 'arguments_literal' here",
        ),
        ("texts/stages.toml", "[[product:.3f]]; of", "[[turn:.3f]]; of", "there is no fact 'turn' here"),
        (
            "texts/errors.toml",
            "[[got]] tokens",
            "[[weight:.1f]] tokens",
            "errors.text_too_long: there is no fact",
        ),
    ],
)
def test_a_fact_that_does_not_exist_is_refused(tmp_path, monkeypatch, file, before, after, fault):
    monkeypatch.setattr(module, "ASSETS", broken(tmp_path, file, before, after))
    with pytest.raises(TextsError, match=re.escape(fault)):
        load_texts.__wrapped__()
