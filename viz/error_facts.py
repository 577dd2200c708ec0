"""The facts that the message of each error may use."""

from __future__ import annotations

from collections.abc import Mapping

ERROR_FACTS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("text_too_long", "text_too_large", "image_too_large"), frozenset({"got", "limit"})),
    **dict.fromkeys(("needs_image", "needs_text", "image_gone"), frozenset({"got"})),
    **dict.fromkeys(("model_not_open", "not_offered", "opening_cancelled"), frozenset({"got"})),
    **dict.fromkeys(("cannot_generate", "sparse_attention", "unproved_steps"), frozenset({"got"})),
    **dict.fromkeys(("unreadable_attention", "approximate_attention"), frozenset({"got"})),
    "context_full": frozenset({"got", "steps", "limit"}),
    "too_many_steps": frozenset({"got", "limit"}),
    "resized": frozenset({"got", "seen"}),
    "only_unknown": frozenset({"words"}),
    "target_too_long": frozenset({"got", "limit"}),
    "target_only_unknown": frozenset({"words"}),
    "unknown_model": frozenset({"got"}),
    "no_network": frozenset({"got"}),
    "gated": frozenset({"got"}),
    "token_refused": frozenset({"got"}),
    "model_too_large": frozenset({"name", "got", "limit"}),
    "not_enough_disk": frozenset({"name", "needed", "free"}),
    "not_enough_memory": frozenset({"name", "needed", "free"}),
    "needs_remote_code": frozenset({"got"}),
    "not_safetensors": frozenset({"got"}),
    "folder_without_config": frozenset({"got"}),
    "corrupt_checkpoint": frozenset({"got"}),
    "unknown_architecture": frozenset({"got"}),
    "no_softmax_attention": frozenset({"got", "kinds"}),
    "no_tokenizer": frozenset({"got"}),
    "unsupported_edit": frozenset({"got", "known"}),
    "edit_out_of_range": frozenset({"got"}),
    "bad_request": frozenset({"got"}),
    "server_busy": frozenset({"limit"}),
    "url_fixed": frozenset({"what"}),
    "unknown_words": frozenset({"words"}),
    "untrained_pair": frozenset({"got"}),
}
"""Error id → the facts its message may use; an id that is not here has none."""
