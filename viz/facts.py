"""The facts that the texts may use of a selection: their names, and which of them only some models have.

`viz.steps.facts` supplies them, and the browser computes the same (assets/explorer/facts.js).
"""

from __future__ import annotations

from collections.abc import Mapping

LITERALS = frozenset({"arguments_literal"})
"""Facts that are Python source, for code: what `record` is given besides the model (`viz.steps.arguments`)."""

WORDS = LITERALS | {
    *("model", "block", "stream", "query_token", "key_token", "predicted_token"),
    *("top_token", "second_token", "choice_token", "best_token", "sentence", "last_token"),
    *("word_token", "picked_token", "runner_up_token", "truth_token"),
    *(f"{sublayer}_before_{where}" for sublayer in ("attention", "mlp") for where in ("site", "place")),
}
"""Facts that are words."""

SUM_PARTS = ("before", "added", "after", "before_length", "added_length", "after_length", "cosine")
"""What is measured of E + ΔE = E′."""

COUNTS = frozenset({
    *("head", "query", "key", "channel", "pair", "token_id", "largest_dimension"),
    *("n_query", "n_key", "d_model", "d_head", "d_value", "vocabulary", "layers", "heads"),
    *("kv_heads", "kv_head", "sharing", "joined", "distance", "window"),
    *("may", "pattern", "padding", "shift"),
    *("row", "column", "rows", "columns", "pieces"),
    *("pairs", "first_channel", "second_channel"),
    *("experts", "experts_chosen", "expert", "router_top"),
    *("step", "moved_to", "query_moved", "key_moved", "other_place", "apart", "pe_pair"),
    *("choice_id", "outputs", "others", "norm_size", "unit", "units", "units_shown", "units_on"),
    *("units_silent", "column_size", "memory_readers", "memory_width", "written_size", "most_head"),
    *("attention_width", "mlp_width", "output_row", "word_id", "output_width", "largest_place"),
    *("truth_rank", "rows_judged"),
})  # fmt: skip
"""Facts that are whole numbers: indices, which count from 0, sizes, and 1 or 0 for whether a mask allows a look."""

MEASURES = frozenset({
    *("embedding", "table_value", "root_d_model", "position", "segment", "sum", "wavelength"),
    *("query_made", "key_made", "query_value", "key_value", "value_value"),
    *("product", "largest_product", "root_d_head", "scale", "score"),
    *("capped", "unmasked", "masked_score", "row_max", "shifted", "exponential", "row_sum", "weight", "percent"),
    *("kept", "context", "top_weight", "second_weight", "error", "tolerance"),
    *("angle", "frequency", "turn", "stretch", "query_before", "other_before", "product_before"),
    *("softcap", "bias", "slope", "sink_score", "sink", "sink_exponential"),
    *("router_weight", "router_chance", "router_top_weight", "router_sum"),
    *(f"{part}_{gate}" for part in ("word", "carried") for gate in ("reset", "update", "candidate")),
    *("reset", "update", "candidate", "before", "state", "kept_percent"),
    *("choice_logit", "choice_shifted", "choice_exponential", "choice_probability"),
    *("best_logit", "best_probability", "output_sum", "others_probability"),
    *("follows_logit", "random_logit", "pair_logit", "follows_exponential", "random_exponential", "pair_sum"),
    *("follows_probability", "random_probability"),
    *("logit_product", "logit_bias", "logit_scale", "logit_cap", "logit_made", "logit_value", "vector_length"),
    *("word_length", "logit_cosine", "largest_term", "picked_probability", "runner_up_probability"),
    *("truth_probability", "truth_logit", "truth_surprise", "loss", "perplexity"),
    *("norm_given", "norm_mean", "norm_spread", "norm_root", "norm_plain", "gamma", "beta", "normed"),
    *("pe", "pe_norm", "pe_norm_other", "pe_product", "likeness", "likeness_mean", "reach", "reach_factor"),
    *("pe_frequency", "pe_wave", "pe_angle", "pe_partner", "pe_moved", "step_turn", "step_cos", "step_sin"),
    *("product_moved",),
    *("column_mean", "column_spread", "column_plain", "units_zero", "units_zero_mean", "memory_difference"),
    *("head_written", "heads_written", "output_bias", "written_sum", "written_recorded", "written_error"),
    *("head_length", "most_length", "lengths_sum", "written_length"),
    *(f"{sublayer}_{part}" for sublayer in ("attention", "mlp") for part in SUM_PARTS),
    *("written", "before_sum", "mlp_up", "mlp_gate", "mlp_active", "mlp_hidden", "mlp_written"),
})  # fmt: skip
"""Facts that are real numbers; `masked_score` and `shifted` are −∞ where attention is forbidden."""

FACTS = WORDS | COUNTS | MEASURES
"""Everything that a text about a selection may say of it."""

_SUM = frozenset({"embedding", "position", "segment", "sum"})
_SINK = frozenset({"sink_score", "sink", "sink_exponential"})
_ROTATION = frozenset({
    *("pairs", "pair", "first_channel", "second_channel", "angle", "turn", "stretch"),
    *("query_before", "other_before", "product_before"),
})  # fmt: skip
_ROUTER = frozenset({
    *("experts", "experts_chosen", "expert"),
    *("router_weight", "router_top", "router_top_weight", "router_sum"),
})  # fmt: skip
_OUTPUT = frozenset({
    *("choice_id", "choice_token", "choice_logit", "choice_shifted", "choice_exponential"),
    *("choice_probability", "best_token", "best_logit", "best_probability"),
    *("output_sum", "outputs", "others", "others_probability"),
})  # fmt: skip
_LOGIT = frozenset({
    *("output_row", "word_id", "word_token", "output_width", "logit_product", "logit_bias", "logit_scale"),
    *("logit_cap", "logit_made", "logit_value", "vector_length", "word_length", "logit_cosine", "largest_term"),
    *("largest_place", "outputs"),
})  # fmt: skip
_CHOICE = frozenset({
    *("picked_token", "picked_probability", "runner_up_token", "runner_up_probability", "truth_token"),
    *("truth_probability", "truth_logit", "truth_rank", "truth_surprise", "loss", "perplexity"),
    *("rows_judged", "output_row"),
})  # fmt: skip
_FOLLOWS = frozenset({
    *("follows_logit", "random_logit", "pair_logit", "follows_exponential", "random_exponential"),
    *("pair_sum", "follows_probability", "random_probability"),
})  # fmt: skip
_NORM = frozenset({
    *("norm_size", "norm_given", "norm_spread", "norm_root", "norm_plain", "gamma", "normed"),
    *("column_size", "column_mean", "column_spread", "column_plain"),
})  # fmt: skip
_MLP = frozenset({
    *("unit", "units", "units_shown", "units_on", "mlp_up", "mlp_hidden", "mlp_written"),
    *("units_zero", "units_zero_mean", "units_silent"),
})  # fmt: skip
_WRITTEN = frozenset({
    *("head_written", "heads_written", "output_bias", "written_sum", "written_recorded", "written_error"),
    *("written_size", "head_length", "most_head", "most_length", "lengths_sum", "written_length"),
})  # fmt: skip


def _sum(sublayer: str) -> frozenset[str]:
    parts = (*SUM_PARTS, "width", "before_site", "before_place")
    return frozenset(f"{sublayer}_{part}" for part in parts)


_GATES = frozenset({
    *(f"{part}_{gate}" for part in ("word", "carried") for gate in ("reset", "update", "candidate")),
    *("reset", "update", "candidate", "before", "state", "kept_percent", "units"),
})  # fmt: skip

_LIKENESS = frozenset(
    {"likeness", "likeness_mean", "pe_norm", "pe_norm_other", "pe_product", "other_place", "apart"}
)
_STEP = frozenset({
    *("pe", "pe_pair", "pe_frequency", "pe_wave", "pe_partner", "pe_moved", "moved_to"),
    *("step_turn", "step_cos", "step_sin"),
})  # fmt: skip
_REACH = frozenset({"bias", "reach", "reach_factor"})

ONLY: Mapping[str, frozenset[str]] = {
    "embedding": frozenset({"embedding", "table_value"}),
    "qkv_cross": frozenset({"memory_readers", "memory_difference", "memory_width"}),
    "written": _WRITTEN,
    **dict.fromkeys(("residual", "residual_pre"), _sum("attention")),
    **dict.fromkeys(("residual_mlp", "residual_mlp_pre"), _sum("mlp")),
    **dict.fromkeys(("embedding_plain", "embedding_patches", "embedding_numbered"), frozenset({"embedding"})),
    "position": _SUM | {"pair", "wavelength"},
    **dict.fromkeys(("position_learned", "position_fixed", "position_norm"), _SUM),
    "position_segment": _SUM | {"sentence"},
    "encoding": frozenset({"pe", "pe_norm", "pe_pair", "pe_frequency", "pe_wave", "pe_angle"}),
    "encoding_table": frozenset({"pe", "pe_norm"}),
    **dict.fromkeys(("likeness", "likeness_cosine"), _LIKENESS),
    "step": _STEP,
    "turning": _ROTATION | {"frequency", "query_moved", "key_moved", "product_moved"},
    "reach": _REACH,
    "reach_alibi": _REACH | {"slope"},
    "rotation": _ROTATION | {"frequency"},
    "rotation_grid": _ROTATION,
    "softcap": frozenset({"softcap"}),
    "bias": frozenset({"bias"}),
    "bias_alibi": frozenset({"bias", "slope"}),
    "mask_parts": frozenset({"pattern", "padding", "shift"}),
    "softmax_sink": _SINK,
    "sink": _SINK,
    "router": _ROUTER | {"router_chance"},
    "router_plain": _ROUTER,
    "embedding_recurrent": frozenset({"embedding"}),
    "gates": _GATES,
    "state": _GATES,
    "bottleneck": frozenset({"units", "last_token"}),
    **dict.fromkeys(("output", "output_next", "output_target", "output_masked"), _OUTPUT),
    **dict.fromkeys(("output_label", "output_class"), _OUTPUT),
    **dict.fromkeys(("logits", "logits_bias", "logits_scale", "logits_cap"), _LOGIT),
    **dict.fromkeys(("choice", "choice_open"), _CHOICE | _OUTPUT),
    "next_sentence": _FOLLOWS,
    "norm_rms": _NORM,
    "norm_layer": _NORM | {"norm_mean", "beta"},
    "add_norm": _NORM | {"norm_mean", "beta", "written", "before_sum"},
    **dict.fromkeys(("mlp", "mlp_gelu"), _MLP),
    **dict.fromkeys(("mlp_swiglu", "mlp_geglu"), _MLP | {"mlp_gate", "mlp_active"}),
}
"""Stage text → the facts that it may use besides `COMMON`: they are supplied where the model has that part."""

COMMON = FACTS - frozenset().union(*ONLY.values())
"""The facts of every selection in every model."""
