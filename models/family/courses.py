"""The courses by the name that `scripts/train.py` takes."""

from __future__ import annotations

from models.family.bert import Bert
from models.family.course import Course
from models.family.gpt import GPT
from models.family.llama import Llama
from models.family.moe import MoE
from models.family.moe_sparse import SparseMoE
from models.family.recurrent import AttentionCourse, Seq2SeqCourse
from models.family.t5 import T5Course
from models.family.translator import PlainTranslatorCourse, TranslatorCourse
from models.family.vision import ShiftedWindows, VisionTransformer

COURSES: dict[str, type[Course]] = {
    "translator": TranslatorCourse,
    "translator-plain": PlainTranslatorCourse,
    "seq2seq": Seq2SeqCourse,
    "seq2seq-attention": AttentionCourse,
    "vit": VisionTransformer,
    "swin": ShiftedWindows,
    "gpt": GPT,
    "llama": Llama,
    "bert": Bert,
    "t5": T5Course,
    "moe": MoE,
    "moe-sparse": SparseMoE,
}
"""In the order in which they are trained."""
