"""Let a model write on, and keep every number of every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.catalog import Model, load
from models.generation import Generation, IsCancelled, Strategy


def generate(  # noqa: PLR0913 -- one keyword for each thing that a person may choose
    model: str | Model,
    prompt: str = "",
    *,
    inputs: Mapping[str, Any] | None = None,
    steps: int = 20,
    strategy: str = "greedy",
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    beams: int = 4,
    forced: Sequence[int] = (),
    language: str | None = None,
    cancelled: IsCancelled | None = None,
) -> Generation:
    """Run a model until it ends its text, or for so many steps, and keep every number of every step.

    Args:
        model: a loaded model, or the name of one.
        prompt: what it reads; a decoder goes on from here, an encoder-decoder's encoder reads it.
        inputs: ready ids or images instead of a prompt, a batch of one.
        steps: the most tokens to write, 1 to `models.generation.STEP_LIMIT`.
        strategy: `greedy`, `sample` or `beam`; see `models.generation.Strategy` for what belongs to each.
        temperature: with `sample`; below 1 sharpens, above 1 flattens.
        top_k: with `sample`; how many tokens remain, 0 for all.
        top_p: with `sample`; the share of probability that remains.
        seed: with `sample`; equal seeds draw alike.
        beams: with `beam`; how many hypotheses are kept.
        forced: ids that a person chose: the first steps choose them, whatever the strategy would; not with `beam`.
        language: what a built-in translator translates into.
        cancelled: asked after each step; True ends the generation.

    Raises:
        MicroscopeError: the prompt, a number or the length cannot be taken, or the model writes nothing.
    """
    chosen = Strategy(strategy, temperature, top_k, top_p, seed, beams)
    loaded = load(model) if isinstance(model, str) else model
    return loaded.generate(
        prompt,
        inputs=inputs,
        steps=steps,
        strategy=chosen,
        forced=forced,
        language=language,
        cancelled=cancelled,
    )
