"""Text in, `Trace` out: load a model, record a run, and read every number it computed.

from models import record
head = record("builtin/translator", "the cat sleeps").head("decoder.1.cross", 0)
head.weights, head.error
"""

from models import errors
from models.catalog import BUILTIN, load
from models.edits import BlockCell, ForceRow, ScaleHead
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
    "ForceRow",
    "Generation",
    "Head",
    "ModelCard",
    "PositionalEncoding",
    "Request",
    "ScaleHead",
    "Site",
    "Step",
    "Strategy",
    "Token",
    "Trace",
    "errors",
    "generate",
    "load",
    "record",
    "wrap",
]
