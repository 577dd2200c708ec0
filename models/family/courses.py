"""The courses by the name that `scripts/train.py` takes."""

from __future__ import annotations

from models.family.course import Course
from models.family.gpt import GPT
from models.family.llama import Llama
from models.family.translator import PlainTranslatorCourse, TranslatorCourse

COURSES: dict[str, type[Course]] = {
    "translator": TranslatorCourse,
    "translator-plain": PlainTranslatorCourse,
}
"""In the order in which they are trained."""
