"""Text in, `Trace` out: load a model, record a run, and read every number it computed.

from models import record
head = record("builtin/translator", "the cat sleeps").head("decoder.1.cross", 0)
head.weights, head.error
"""

from models import errors
from models.beams import Branch, Tree
from models.catalog import BUILTIN, load
from models.choosing import Shares, shares
from models.edits import BlockCell, ForceRow, OpenMask, ScaleHead
from models.generate import generate
from models.generation import Generation, Step, Strategy
from models.huggingface.wrap import wrap
from models.record import Request, record
from models.trace import AXES, Axis, Block, Head, ModelCard, PositionalEncoding, Site, Token, Trace

__all__ = [
    "AXES",
    "BUILTIN",
    "Axis",
    "Block",
    "BlockCell",
    "Branch",
    "ForceRow",
    "Generation",
    "Head",
    "ModelCard",
    "OpenMask",
    "PositionalEncoding",
    "Request",
    "ScaleHead",
    "Shares",
    "Site",
    "Step",
    "Strategy",
    "Token",
    "Trace",
    "Tree",
    "errors",
    "generate",
    "load",
    "record",
    "shares",
    "wrap",
]
