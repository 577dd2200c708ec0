"""The courses by the name that `scripts/train.py` takes."""

from __future__ import annotations

from models.family.bert import Bert
from models.family.course import Course

COURSES: dict[str, type[Course]] = {"bert": Bert}
"""In the order in which they are trained."""
