"""The courses by the name that `scripts/train.py` takes."""

from __future__ import annotations

from models.family.course import Course
from models.family.t5 import T5Course
from models.family.translator import PlainTranslatorCourse, TranslatorCourse

COURSES: dict[str, type[Course]] = {
    "translator": TranslatorCourse,
    "translator-plain": PlainTranslatorCourse,
    "t5": T5Course,
}
"""In the order in which they are trained."""
