"""The shipped translators: what they write, where their heads look, and that their figures are true."""

import json
from pathlib import Path

import pytest
import torch

from models.builtin.checkpoint import load_translator, save_translator
from models.builtin.corpus.generator import PHENOMENA, build
from models.builtin.corpus.phrases import phrases
from models.builtin.evaluation import Examiner, contrasting, figures
from models.edits import ScaleHead
from models.family.course import HELD_OUT_SEED, Figure
from models.family.translator import PlainTranslatorCourse, TranslatorCourse, known

CHECKPOINTS = Path(__file__).parents[2] / "assets" / "checkpoints" / "builtin"

LESSONS = {
    "The animal didn't cross the street because it was too tired.": (
        "fr",
        "L'animal n'a pas traversé la rue parce qu'il était trop fatigué.",
    ),
    "The animal didn't cross the street because it was too wide.": (
        "fr",
        "L'animal n'a pas traversé la rue parce qu'elle était trop large.",
    ),
    "The agreement on the European Economic Area was signed in August 1992.": (
        "fr",
        "L'accord sur la zone économique européenne a été signé en août 1992.",
    ),
    "European Economic Area": ("fr", "zone économique européenne"),
    "I am a student": ("fr", "je suis étudiant"),
    "good morning": ("fr", "bonjour"),
    "let them eat cake": ("fr", "qu'ils mangent de la brioche"),
    "Hello my friends! How are you doing today?": (
        "fr",
        "Bonjour mes amis ! comment allez-vous aujourd'hui ?",
    ),
    "The train left the station on time.": ("fr", "Le train a quitté la gare à l'heure."),
    "the cat": ("fr", "le chat"),
    "The cat sleeps.": ("fr", "Le chat dort."),
    "the dog sleeps": ("fr", "le chien dort"),
    "I went to the bank to deposit cash.": ("zh", "我去了银行存现金。"),
    "I went to the bank to sit down": ("zh", "我去了河岸坐下"),
    "The weather is nice today": ("zh", "今天天气很好"),
    "deep learning": ("zh", "深度学习"),
    "I eat apples.": ("zh", "我吃苹果。"),
    "my friends, how are you today?": ("zh", "朋友们，你们今天好吗？"),
    "今天天气很好": ("en", "the weather is nice today"),
    "我 很 高兴": ("en", "I am happy"),
    "我吃苹果": ("en", "I eat apples"),
    "我正在吃绿色的苹果": ("en", "I am eating green apples"),
    "苹果公司发布了新款iPhone，股价应声上涨。": (
        "en",
        "Apple released a new iPhone, and its share price rose at once.",
    ),
    "她每天吃一个苹果，医生夸她饮食健康。": (
        "en",
        "She eats an apple every day, and the doctor praises her healthy diet.",
    ),
    "朋友们，你们今天好吗？": ("en", "My friends, how are you today?"),
    "深度学习": ("en", "deep learning"),
    "男孩踢足球": ("en", "the boy plays football"),
    "我买了一本书": ("en", "I bought a book"),
}
"""Sentences of the lessons: learned by heart, so that a lecture can rely on them; they measure nothing."""

ROUNDING = 0.005
"""Another processor may add in another order: so far a figure may lie from the shipped one."""


def written(translator, text, language):
    model, tokenizer, _ = translator
    source = torch.tensor([[*(token.id for token in tokenizer.encode(text)), tokenizer.end]])
    start = torch.tensor([[tokenizer.start(language)]])
    return tokenizer.decode(model.greedy(source, start, tokenizer.end, 40)[0].tolist(), language)


def examiner(translator):
    model, tokenizer, _ = translator
    return Examiner(model, tokenizer)


@pytest.fixture(scope="module")
def held_out(guided):
    """Sentences drawn with another seed than those of training."""
    return known(build(HELD_OUT_SEED), guided[1])


@pytest.fixture(scope="module")
def measured(guided, held_out):
    """The guided translator's held-out figures, measured now, and the heads that dev chose."""
    return figures(examiner(guided), held_out)


@pytest.fixture(scope="module")
def measured_plain(plain, held_out):
    """The same for the plain translator."""
    return figures(examiner(plain), held_out)


def published(name):
    return json.loads((CHECKPOINTS / name / "figures.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", LESSONS)
def test_lesson_sentences_are_translated(guided, text):
    language, translation = LESSONS[text]
    assert written(guided, text, language) == translation


def test_phrases_learned_by_heart_are_known(guided):
    pairs = [pair for name in ("seeds", "everyday") for pair in phrases(name)]
    assert examiner(guided).exact(pairs).value > 0.98


def test_an_unknown_word_comes_out_as_unknown_in_its_place(guided):
    assert written(guided, "The flurble is black.", "fr") == "Le <unk> est noir."
    assert written(guided, "我吃榴莲。", "en") == "I eat <unk>."


def test_held_out_sentences_were_not_learned(held_out, corpus):
    learned = {pair.meaning for pairs in corpus.train.values() for pair in pairs}
    assert not any(pair.meaning in learned for pairs in held_out.test.values() for pair in pairs)


def test_held_out_figures_are_as_asked(measured):
    found, _ = measured
    assert TranslatorCourse().missed({name: Figure(*figure) for name, figure in found.items()}) == []
    assert min(found[f"exact.{phenomenon}"].n for phenomenon in PHENOMENA) >= 200


def test_the_plain_translator_translates_as_is_asked_of_it(measured_plain):
    found, _ = measured_plain
    assert PlainTranslatorCourse().missed({name: Figure(*figure) for name, figure in found.items()}) == []


def test_dev_chooses_the_guided_heads(measured, guided):
    _, heads = measured
    _, _, config = guided
    assert {g["target"]: (g["block"], g["head"]) for g in config["guided"]} == heads


def test_the_guided_heads_are_used(measured):
    found, _ = measured
    for phenomenon in ("reorder", "coref"):
        assert found[f"without_alignment.{phenomenon}"].value < 0.2
        assert found[f"alone.{phenomenon}"].value > 0.9
    assert found["without_antecedent.coref"].value < found["exact.coref"].value - 0.05


def test_the_plain_translator_translates_as_well_but_its_heads_show_less(measured, measured_plain):
    found, _ = measured
    plain, _ = measured_plain
    assert plain["exact.reorder"].value > 0.9
    assert plain["alignment.tokens"].value < found["alignment.tokens"].value - 0.1
    assert plain["alignment.sentences"].value < found["alignment.sentences"].value - 0.3
    assert plain["flip.coref"].value < 0.5


@pytest.mark.parametrize("name", ["translator", "translator-plain"])
def test_published_figures_are_true(name, request):
    found, heads = request.getfixturevalue("measured" if name == "translator" else "measured_plain")
    said = published(name)
    assert {target: tuple(head) for target, head in said["heads"].items()} == heads
    assert said["figures"].keys() == found.keys()
    for figure, row in said["figures"].items():
        assert row["n"] == pytest.approx(found[figure].n, abs=3), figure
        assert row["value"] == pytest.approx(found[figure].value, abs=ROUNDING), figure


def test_the_model_card_says_the_same(guided):
    _, _, config = guided
    card = (CHECKPOINTS / "translator" / "README.md").read_text(encoding="utf-8")
    assert config["revision"] in card
    for figure, row in published("translator")["figures"].items():
        assert f"| {figure} | {row['value']:.3f} | {row['n']} | {row['asked']} |" in card


def test_silencing_the_alignment_head_changes_the_translation(guided, corpus):
    pairs = contrasting(corpus.test["coref"])[:20]
    block, head = (guided[2]["guided"][0][key] for key in ("block", "head"))
    translate = examiner(guided).translate
    assert translate(pairs) != translate(pairs, [ScaleHead(block, head)])
    assert translate(pairs) == translate(pairs, [ScaleHead(block, head, factor=1.0)])


def test_what_is_saved_is_loaded(guided, tmp_path):
    model, tokenizer, config = guided
    written_config = save_translator(tmp_path, model, tokenizer, config["guided"], name=config["name"])
    again, its_tokenizer, its_config = load_translator(tmp_path)
    assert written_config == its_config == config
    assert its_tokenizer.vocabulary == tokenizer.vocabulary
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
