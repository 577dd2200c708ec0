"""The corpus: its alignments, its split, its grammar."""

import random
from itertools import chain

import pytest

from models.builtin.corpus.french import agreeing, contracted, french_plural
from models.builtin.corpus.generator import LEARNED_BY_HEART, PHENOMENA, UNSEEN_ORDER, build
from models.builtin.corpus.lexicon import Lexicon, english_plural
from models.builtin.corpus.pair import Pair, unstopped
from models.builtin.corpus.phrases import phrases
from models.builtin.corpus.sentence import say
from models.builtin.corpus.variations import varied, without_stop, written_out
from models.builtin.training import tokenizer_of

SMALL = 0.02


def every(part):
    return list(chain(*part.values()))


def words_of(pairs):
    return {word for pair in pairs for word in (*pair.source, *pair.target)}


@pytest.mark.parametrize("part", ["train", "dev", "test"])
def test_alignments_are_source_positions_one_row_per_target_word(corpus, part):
    for pair in every(getattr(corpus, part)):
        assert len(pair.alignment) == len(pair.target)
        assert all(0 <= i < len(pair.source) for links in pair.alignment for i in links), pair


def test_nearly_every_target_word_comes_from_somewhere(corpus):
    rows = [links for pair in every(corpus.train) for links in pair.alignment]
    assert sum(not links for links in rows) / len(rows) < 1e-3


def test_every_pronoun_has_an_antecedent_and_a_rival(corpus):
    pairs = [*corpus.test["coref"], *corpus.train["coref"]]
    assert pairs
    for pair in pairs:
        assert pair.source[pair.pronoun] in ("it", "它")
        assert len({pair.pronoun, pair.antecedent, pair.rival}) == 3


def test_il_and_elle_agree_with_the_antecedent_where_the_nouns_contrast(corpus):
    genders = {noun.en: noun.gender for nouns in Lexicon(random.Random(0)).by_kind.values() for noun in nouns}
    contrasting = [pair for pair in corpus.test["coref"] if pair.contrast and pair.language == "fr"]
    assert len(contrasting) >= 200
    for pair in contrasting:
        pronoun = "il" if genders[pair.source[pair.antecedent]] == "m" else "elle"
        assert pronoun in pair.target, pair
        assert genders[pair.source[pair.antecedent]] != genders[pair.source[pair.rival]]


def test_ambiguous_words_have_cues(corpus):
    ambiguous = [pair for pair in every(corpus.train) if pair.ambiguous is not None]
    assert {pair.source[pair.ambiguous] for pair in ambiguous} >= {"bank", "station", "match", "苹果", "小米"}
    assert all(pair.cues and pair.ambiguous not in pair.cues for pair in ambiguous)


@pytest.mark.parametrize("phenomenon", PHENOMENA)
def test_at_least_200_sentences_of_each_phenomenon_are_held_out(corpus, phenomenon):
    assert len(corpus.test[phenomenon]) >= 200


def test_no_held_out_sentence_is_learned_in_any_direction(corpus):
    learned = {pair.meaning for pair in every(corpus.train)}
    sources = {unstopped(pair.source) for pair in every(corpus.train)}
    for pair in [*every(corpus.dev), *every(corpus.test)]:
        assert pair.meaning not in learned, pair
        assert "<unk>" in pair.source or unstopped(pair.source) not in sources, pair


def test_every_held_out_word_is_learned(corpus):
    known = words_of(every(corpus.train))
    assert words_of([*every(corpus.dev), *every(corpus.test)]) <= known


def test_lesson_sentences_are_learned_and_never_measured(corpus):
    lessons = {pair.meaning for name in LEARNED_BY_HEART for pair in phrases(name)}
    assert {pair.meaning for name in LEARNED_BY_HEART for pair in corpus.train[name]} == lessons
    assert not lessons & {pair.meaning for pair in [*every(corpus.dev), *every(corpus.test)]}


def test_one_order_of_two_adjectives_is_never_learned(corpus):
    assert not [pair for pair in every(corpus.train) if UNSEEN_ORDER in pair.meaning]
    assert len([pair for pair in corpus.test["reorder"] if UNSEEN_ORDER in pair.meaning]) > 50


def test_a_sentence_has_one_translation(corpus):
    translations = {}
    for pair in chain(every(corpus.train), every(corpus.dev), every(corpus.test)):
        if "<unk>" not in pair.source:
            translations.setdefault(pair.key, set()).add(unstopped(pair.target))
    assert [key for key, found in translations.items() if len(found) > 1] == []


def test_the_same_seed_makes_the_same_corpus():
    assert build(3, SMALL) == build(3, SMALL)
    assert build(3, SMALL) != build(4, SMALL)


def test_half_of_the_measured_sentences_have_no_stop(corpus):
    stopped = [pair.source[-1] in ".?。？" for pair in every(corpus.test)]
    assert 0.45 < sum(stopped) / len(stopped) < 0.55


def test_chinese_without_spaces_is_cut_into_the_corpus_words(corpus):
    tokenizer = tokenizer_of(corpus)
    sentences = {
        pair.source
        for pair in every(corpus.train)
        if pair.source_language == "zh" and "<unk>" not in pair.source
    }
    for words in sentences:
        typed = tokenizer.decode([tokenizer.id(word) for word in words], "zh")
        assert tuple(tokenizer.vocabulary[t.id] for t in tokenizer.encode(typed)) == words


@pytest.mark.parametrize(
    ("naive", "written"),
    [
        ("le accord", "l' accord"),
        ("la eau", "l' eau"),
        ("le homme", "l' homme"),
        ("à le parc", "au parc"),
        ("à le hôpital", "à l' hôpital"),
        ("de le pain", "du pain"),
        ("je ne ai pas de oranges", "je n' ai pas d' oranges"),
        ("ma amie", "mon amie"),
        ("ce animal", "cet animal"),
        ("parce que elle", "parce qu' elle"),
        ("la souris", "la souris"),
    ],
)
def test_french_elides_and_contracts(naive, written):
    assert " ".join(word.text for word in contracted([say(word) for word in naive.split()])) == written


@pytest.mark.parametrize(
    ("singular", "plural"),
    [
        ("chat", "chats"),
        ("oiseau", "oiseaux"),
        ("animal", "animaux"),
        ("souris", "souris"),
        ("jeu", "jeux"),
        ("bleu", "bleus"),
    ],
)
def test_french_plurals(singular, plural):
    assert french_plural(singular) == plural


def test_french_adjectives_agree():
    words = Lexicon(random.Random(0))
    white = next(adjective for adjective in words.adjectives("colours") if adjective.en == "white")
    forms = [agreeing(white, gender, plural=plural) for gender in "mf" for plural in (False, True)]
    assert forms == ["blanc", "blancs", "blanche", "blanches"]


@pytest.mark.parametrize(
    ("singular", "plural"),
    [("cat", "cats"), ("fox", "foxes"), ("city", "cities"), ("toy", "toys"), ("watch", "watches")],
)
def test_english_plurals(singular, plural):
    assert english_plural(singular) == plural


NOT_TIRED = Pair(
    source=("it", "didn't", "sleep", "."),
    target=("il", "n'", "a", "pas", "dormi", "."),
    alignment=((0,), (1,), (1,), (1,), (2,), (3,)),
    language="fr",
    phenomenon="svo",
    pronoun=0,
    ambiguous=2,
    cues=(1, 3),
)


def test_writing_out_a_contraction_moves_every_position():
    pair = written_out(NOT_TIRED)
    assert pair.source == ("it", "did", "not", "sleep", ".")
    assert pair.alignment == ((0,), (1, 2), (1, 2), (1, 2), (3,), (4,))
    assert (pair.pronoun, pair.ambiguous, pair.cues) == (0, 3, (1, 2, 4))


def test_dropping_the_stop_drops_it_on_both_sides():
    pair = without_stop(NOT_TIRED)
    assert (pair.source[-1], pair.target[-1], len(pair.alignment)) == ("sleep", "dormi", 5)
    assert without_stop(pair) == pair


def test_a_varied_pair_keeps_its_meaning(corpus):
    chance, variants = random.Random(0), Lexicon(random.Random(0)).variants
    for pair in corpus.test["coref"][:200]:
        changed = varied(pair, chance, variants)
        assert changed.meaning == pair.meaning
        assert changed.pronoun is not None
        assert changed.source[changed.pronoun] in ("it", "它")
        assert len(changed.alignment) == len(changed.target)
