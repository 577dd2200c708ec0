"""The courses by the name that `scripts/train.py` takes."""

from __future__ import annotations

from models.family.course import Course
from models.family.gpt import GPT
from models.family.llama import Llama
from models.family.moe import MoE
from models.family.moe_sparse import SparseMoE
from models.family.translator import PlainTranslatorCourse, TranslatorCourse

COURSES: dict[str, type[Course]] = {
    "translator": TranslatorCourse,
    "translator-plain": PlainTranslatorCourse,
    "gpt": GPT,
    "llama": Llama,
    "moe": MoE,
    "moe-sparse": SparseMoE,
}
"""In the order in which they are trained."""
