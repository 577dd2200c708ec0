"""What the arrays of a trace are: every site and the names of its axes. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Axis(StrEnum):
    """What a dimension of an array counts."""

    EXPERT = "expert"
    GATE = "gate"
    HEAD = "head"
    KV_HEAD = "kv_head"
    PAIR = "pair"
    END = "end"
    QUERY = "query"
    KEY = "key"
    POSITION = "position"
    D_MODEL = "d_model"
    D_HEAD = "d_head"
    D_VALUE = "d_value"
    D_HIDDEN = "d_hidden"
    UNIT = "unit"
    VOCABULARY = "vocabulary"
    CLASS = "class"


class Site(StrEnum):
    """What an array is. `AXES` says which axes it has."""

    TOKEN_EMBEDDING = "token_embedding"
    POSITION_ENCODING = "position_encoding"
    SEGMENT_EMBEDDING = "segment_embedding"
    RESIDUAL = "residual"

    QUERY_INPUT = "query_input"
    KEY_INPUT = "key_input"
    QUERY_WEIGHT = "query_weight"
    KEY_WEIGHT = "key_weight"
    VALUE_WEIGHT = "value_weight"
    OUTPUT_WEIGHT = "output_weight"
    QUERY_BIAS = "query_bias"
    KEY_BIAS = "key_bias"
    VALUE_BIAS = "value_bias"
    OUTPUT_BIAS = "output_bias"

    QUERY_UNROTATED = "query_unrotated"
    KEY_UNROTATED = "key_unrotated"
    ANGLE = "angle"
    PAIR = "pair"
    QUERY = "query"
    KEY = "key"
    VALUE = "value"
    SINK = "sink"
    SCORES = "scores"
    BIAS = "bias"
    MASK = "mask"
    MASK_PATTERN = "mask_pattern"
    MASK_PADDING = "mask_padding"
    MASK_SHIFT = "mask_shift"
    MASKED_SCORES = "masked_scores"
    WEIGHTS = "weights"
    CONTEXT = "context"
    ATTENTION_OUTPUT = "attention_output"

    ROUTER = "router"
    ROUTER_PROBABILITIES = "router_probabilities"
    MLP_INPUT = "mlp_input"
    UP = "up"
    GATE = "gate"
    HIDDEN = "hidden"
    MLP_OUTPUT = "mlp_output"
    UP_WEIGHT = "up_weight"
    UP_BIAS = "up_bias"
    GATE_WEIGHT = "gate_weight"
    GATE_BIAS = "gate_bias"
    DOWN_WEIGHT = "down_weight"
    DOWN_BIAS = "down_bias"
    RESIDUAL_SUM = "residual_sum"
    NORM_INPUT = "norm_input"
    NORM = "norm"
    NORM_WEIGHT = "norm_weight"
    NORM_BIAS = "norm_bias"
    NORM_EPSILON = "norm_epsilon"

    GATE_INPUT = "gate_input"
    GATE_STATE = "gate_state"
    RESET = "reset"
    UPDATE = "update"
    CANDIDATE = "candidate"
    STATE = "state"
    CONTEXT_VECTOR = "context_vector"
    OUTPUT_VECTOR = "output_vector"
    UNEMBEDDING = "unembedding"
    UNEMBEDDING_BIAS = "unembedding_bias"
    LOGIT_SCALE = "logit_scale"
    LOGIT_CAP = "logit_cap"
    LOGITS = "logits"
    NEXT_SENTENCE = "next_sentence"


_STREAM = (Axis.POSITION, Axis.D_MODEL)
_STATE = (Axis.POSITION, Axis.UNIT)
_GATES = (Axis.POSITION, Axis.GATE, Axis.UNIT)
_PROJECTION = (Axis.HEAD, Axis.D_MODEL, Axis.D_HEAD)
_GRID = (Axis.HEAD, Axis.QUERY, Axis.KEY)

AXES: Mapping[Site, tuple[Axis, ...]] = {
    **dict.fromkeys((Site.TOKEN_EMBEDDING, Site.POSITION_ENCODING, Site.SEGMENT_EMBEDDING), _STREAM),
    **dict.fromkeys((Site.RESIDUAL, Site.QUERY_INPUT, Site.KEY_INPUT), _STREAM),
    Site.QUERY_WEIGHT: _PROJECTION,
    Site.KEY_WEIGHT: (Axis.KV_HEAD, Axis.D_MODEL, Axis.D_HEAD),
    Site.VALUE_WEIGHT: (Axis.KV_HEAD, Axis.D_MODEL, Axis.D_VALUE),
    Site.OUTPUT_WEIGHT: (Axis.HEAD, Axis.D_VALUE, Axis.D_MODEL),
    Site.QUERY_BIAS: (Axis.HEAD, Axis.D_HEAD),
    Site.KEY_BIAS: (Axis.KV_HEAD, Axis.D_HEAD),
    Site.VALUE_BIAS: (Axis.KV_HEAD, Axis.D_VALUE),
    Site.OUTPUT_BIAS: (Axis.D_MODEL,),
    Site.QUERY_UNROTATED: (Axis.HEAD, Axis.QUERY, Axis.D_HEAD),
    Site.KEY_UNROTATED: (Axis.KV_HEAD, Axis.KEY, Axis.D_HEAD),
    Site.ANGLE: (Axis.POSITION, Axis.PAIR),
    Site.PAIR: (Axis.PAIR, Axis.END),
    Site.QUERY: (Axis.HEAD, Axis.QUERY, Axis.D_HEAD),
    Site.KEY: (Axis.KV_HEAD, Axis.KEY, Axis.D_HEAD),
    Site.VALUE: (Axis.KV_HEAD, Axis.KEY, Axis.D_VALUE),
    Site.SINK: (Axis.HEAD,),
    **dict.fromkeys((Site.SCORES, Site.BIAS, Site.MASKED_SCORES, Site.WEIGHTS), _GRID),
    **dict.fromkeys((Site.MASK, Site.MASK_PATTERN, Site.MASK_SHIFT), _GRID),
    Site.MASK_PADDING: (Axis.KEY,),
    Site.CONTEXT: (Axis.HEAD, Axis.QUERY, Axis.D_VALUE),
    Site.ATTENTION_OUTPUT: _STREAM,
    Site.ROUTER: (Axis.POSITION, Axis.EXPERT),
    Site.ROUTER_PROBABILITIES: (Axis.POSITION, Axis.EXPERT),
    Site.MLP_INPUT: _STREAM,
    **dict.fromkeys((Site.UP, Site.GATE, Site.HIDDEN), (Axis.POSITION, Axis.D_HIDDEN)),
    Site.MLP_OUTPUT: _STREAM,
    **dict.fromkeys((Site.UP_WEIGHT, Site.GATE_WEIGHT), (Axis.D_MODEL, Axis.D_HIDDEN)),
    **dict.fromkeys((Site.UP_BIAS, Site.GATE_BIAS), (Axis.D_HIDDEN,)),
    Site.DOWN_WEIGHT: (Axis.D_HIDDEN, Axis.D_MODEL),
    Site.DOWN_BIAS: (Axis.D_MODEL,),
    **dict.fromkeys((Site.RESIDUAL_SUM, Site.NORM_INPUT, Site.NORM), _STREAM),
    **dict.fromkeys((Site.NORM_WEIGHT, Site.NORM_BIAS), (Axis.D_MODEL,)),
    Site.NORM_EPSILON: (),
    Site.GATE_INPUT: _GATES,
    Site.GATE_STATE: _GATES,
    Site.RESET: _STATE,
    Site.UPDATE: _STATE,
    Site.CANDIDATE: _STATE,
    Site.STATE: _STATE,
    Site.CONTEXT_VECTOR: _STATE,
    Site.OUTPUT_VECTOR: _STREAM,
    Site.UNEMBEDDING: (Axis.VOCABULARY, Axis.D_MODEL),
    Site.UNEMBEDDING_BIAS: (Axis.VOCABULARY,),
    **dict.fromkeys((Site.LOGIT_SCALE, Site.LOGIT_CAP), ()),
    Site.LOGITS: (Axis.POSITION, Axis.VOCABULARY),
    Site.NEXT_SENTENCE: (Axis.CLASS,),
}
"""Site → its axes, in order. The only place where they are said."""

DERIVED = frozenset({Site.SCORES, Site.MASKED_SCORES, Site.WEIGHTS})
"""Sites that are computed from the recorded ones when somebody looks."""
