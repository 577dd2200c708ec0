"""What a model's runs taught of it: one lesson for each kind of inputs, and the places that all of them share.

Other inputs reach other parts of a model: without an image LLaVA never runs its image tower, and without the states of
an encoder GPT-2 never looks at them. So the first run on each kind of inputs is watched whole, and so is a run that
reaches attention nobody had seen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from models.errors import NoSoftmaxAttention
from models.huggingface.assemble import never_ahead
from models.huggingface.capture import Capture, Route
from models.huggingface.card import layer_kinds
from models.huggingface.interface import Watch
from models.huggingface.listen import Calls
from models.huggingface.places import Plan, plan
from models.huggingface.study import Study, study

Kind = frozenset[str]


@dataclass(frozen=True)
class Known:
    """What a first run taught: where attention is, which of it passes the interface by, and where the sites are."""

    plan: Plan
    traced: frozenset[str]
    study: Study
    tokens: int
    """The longest stream beside the text: what an image always has."""

    def has_all(self, calls: Calls) -> bool:
        """Whether every attention that ran has its place."""
        return all(call[0].module in self.plan.places for call in calls if call)


class Lessons:
    """What is known for each kind of inputs. Reading is free; learning is for one thread at a time, under `lock`."""

    def __init__(self, model: Any, name: str) -> None:
        self.lock = threading.Lock()
        self._model, self._name = model, name
        self._routes: dict[str, Route] = {}
        self._causal: frozenset[str] = frozenset()
        self._known: dict[Kind, Known] = {}

    @property
    def all(self) -> tuple[Known, ...]:
        """Everything that is known."""
        return tuple(self._known.values())

    def of(self, inputs: Mapping[str, Any]) -> Known | None:
        """What is known for inputs of this kind."""
        return self._known.get(_kind(inputs))

    def learn(self, inputs: Mapping[str, Any], watch: Watch, calls: Calls) -> tuple[Known, bool]:
        """What a run that was watched whole shows, and whether it showed attention that nobody had seen before.

        Then the others are forgotten, to be learnt again with the same names.

        Raises:
            NoSoftmaxAttention: none was computed.
        """
        captures = tuple(chain(*calls))
        if not captures:
            raise NoSoftmaxAttention(self._name, layer_kinds(self._model))
        shown: dict[str, Route] = {capture.module: capture.route for capture in captures}
        grown = not shown.keys() <= self._routes.keys()
        routes: dict[str, Route] = {**self._routes, **shown}
        self._causal |= never_ahead(captures)
        if grown:
            self._known = {}
            self._routes = routes
        places = plan(
            self._model, tuple(self._routes), self._causal, bool(self._model.config.is_encoder_decoder)
        )
        traced = frozenset(path for path, route in routes.items() if route in {"tracer", "module"})
        found = study(self._model, places, watch.passed, calls)
        known = Known(places, traced, found, _beside_the_text(inputs, captures))
        self._known[_kind(inputs)] = known
        return known, grown


def _kind(inputs: Mapping[str, Any]) -> Kind:
    """The names that decide which parts of a model run; a decoder's own ids always come, sooner or later."""
    given = (name for name, value in inputs.items() if value is not None)
    named = (
        name for name in given if not name.endswith(("mask", "position_ids", "token_type_ids", "use_cache"))
    )
    return frozenset(named) - {"decoder_input_ids"}


def _beside_the_text(inputs: Mapping[str, Any], captures: Iterable[Capture]) -> int:
    read = {
        value.shape[-1] for name, value in inputs.items() if name.endswith("input_ids") and value is not None
    }
    return max((length for one in captures if (length := one.query.shape[1]) not in read), default=0)
