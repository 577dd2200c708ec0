"""What the page has to say, computed in Python: the same run and selection, read with `record` and `viz.steps`."""

import ast
import functools
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from models import Request, Site, Trace
from viz.positions import stages_of_positions
from viz.recurrent import stages_of_network
from viz.steps import Selection, arguments, cell_reading, facts, reading
from viz.texts import PLACEHOLDER, render, spell
from viz.walk import stages_of

Address = dict[str, str]
"""The parameters of the page's address."""

NUMBER = re.compile(r"[−-]?\d+(?:\.\d+)?(?:e[−+-]\d+)?")
_QKV = ("line_query", "line_key", "line_value")
_TURNED = ("line_turn", "line_turn_products")
_ADDED = ("line_embedding_short", "line_place", "line_input")
_NORM = ("line_norm_mean", "line_norm_plain", "line_norm_scaled", "line_batch")
_SUM = ("line_sum", "line_lengths", "line_cosine")
_DOT, _MADE = "line_logit_dot", ("bias", "scale", "cap")
_OUTPUT = ("line_logit", "line_output_exp", "line_output_sum", "line_output")
LINES = {
    **dict.fromkeys(("tokens", "tokens_pieces", "tokens_numbered"), ("line_token",)),
    "tokens_patches": ("line_patch",),
    "embedding": ("line_table", "line_embedding"),
    "embedding_plain": ("line_row",),
    **dict.fromkeys(("embedding_numbered", "embedding_patches"), ("line_patch_vector",)),
    "position": ("line_embedding_short", "line_angle", "line_position", "line_input"),
    **dict.fromkeys(("position_learned", "position_fixed"), _ADDED),
    "position_norm": ("line_embedding_short", "line_place", "line_segment", "line_normed"),
    **dict.fromkeys(("qkv", "qkv_shared"), _QKV),
    "qkv_cross": (*_QKV, "line_memory"),
    "written": ("line_head_written", "line_written_sum", "line_written_lengths"),
    **dict.fromkeys(("residual", "residual_pre"), tuple(f"{line}_attention" for line in _SUM)),
    **dict.fromkeys(("residual_mlp", "residual_mlp_pre"), tuple(f"{line}_mlp" for line in _SUM)),
    "position_segment": ("line_embedding_short", "line_place", "line_sentence", "line_normed"),
    "qkv_several": ("line_made_query", "line_made_key", "line_made_value"),
    "rotation": ("line_turn_angle", *_TURNED),
    "rotation_grid": ("line_turn_grid", *_TURNED),
    "shared": ("line_shared",),
    "mask_parts": ("line_parts",),
    "router": ("line_router", "line_router_top"),
    "router_plain": ("line_router_plain", "line_router_top"),
    "embedding_recurrent": ("line_row",),
    "qkv_states": ("line_state_query", "line_state_key"),
    "logits": (_DOT, "line_logit_lengths"),
    **{f"logits_{part}": (_DOT, f"line_logit_{part}", "line_logit_lengths") for part in _MADE},
    "choice": ("line_picked", "line_truth", "line_surprise", "line_loss"),
    "choice_open": ("line_picked",),
    **dict.fromkeys(("output", "output_next", "output_target", "output_masked"), _OUTPUT),
    **dict.fromkeys(("output_label", "output_class"), _OUTPUT),
    "norm_layer": _NORM,
    "add_norm": ("line_added", *_NORM),
    "norm_rms": ("line_rms", "line_rms_plain", "line_rms_scaled", "line_batch"),
    "mlp": ("line_up", "line_relu", "line_down", "line_zero"),
    "mlp_gelu": ("line_up", "line_gelu", "line_down", "line_near_zero"),
    "mlp_swiglu": ("line_gate", "line_gated", "line_down", "line_near_zero"),
    "mlp_geglu": ("line_gate_gelu", "line_gated", "line_down", "line_near_zero"),
    "gates": ("line_gate_reset", "line_gate_update", "line_candidate"),
    "state": ("line_state_new", "line_state_kept", "line_state"),
    "bottleneck": ("line_bottleneck",),
    "encoding": ("line_pe_angle", "line_pe", "line_pe_wave", "line_pe_norm"),
    "encoding_table": ("line_pe_row", "line_pe_norm"),
    "likeness": ("line_likeness", "line_likeness_mean"),
    "likeness_cosine": ("line_cosine", "line_likeness_mean"),
    "step": ("line_step_turn", "line_step"),
    "turning": ("line_turning_turn", "line_turning_here", "line_turning_there"),
    "shuffle": ("line_shuffle",),
    "shuffle_causal": ("line_shuffle", "line_shuffle_causal"),
    "reach": ("line_reach", "line_reach_factor"),
    "reach_alibi": ("line_reach_slope", "line_reach", "line_reach_factor"),
    "next_sentence": ("line_follows_logits", "line_follows_exp", "line_follows"),
}
"""The text that tells a stage → its lines; any other stage is one of attention, whose lines stand together."""

ATTENTION = {
    "line_product": "scores",
    "line_scale": "scale",
    "line_cap": "softcap",
    "line_bias": "mask",
    "line_mask": "mask",
    **dict.fromkeys(("line_max", "line_exp", "line_sum", "line_weight"), "softmax"),
    "line_sink": "sink",
    "line_context": "context",
}
"""The lines of attention, and the stage without which each is left out; that there is no bias is said, too."""


@functools.cache
def run(request: Request) -> Trace:
    """The run of a request; made once."""
    return request.run()


@functools.lru_cache(4096)
def _facts(request: Request, at: Selection) -> dict[str, Any]:
    """The facts of a selection, for all depths and languages."""
    return facts(run(request), at)


@functools.cache
def _stages(request: Request, block: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The stages of a block, in the walk and in the tab of positions."""
    trace = run(request)
    return stages_of(trace, trace.block(block)), stages_of_positions(trace, trace.block(block))


def request_of(address: Address) -> Request:
    """The run that an address names."""
    model, text = address["model"], address.get("text", "")
    rest = {name: address.get(name) for name in ("target", "image", "dtype", "reading")}
    return Request(model, text, language=address.get("to"), **rest)


def selection_of(address: Address) -> Selection:
    """The selection that an address names."""
    numbers = {name: int(address[name]) for name in ("head", "query", "key", "channel", "dimension")}
    expert, choice = int(address.get("expert", 0)), int(address.get("choice", 1))
    numbers |= {"expert": expert, "choice": choice}
    numbers |= {"unit": int(address.get("unit", 0)), "shift": int(address.get("shift", 1))}
    return Selection(address["block"], stage=address["stage"], **numbers)


class Expected:
    """What stands on the page at one place of a run, with the texts that the server itself gave out."""

    def __init__(self, request: Request, at: Selection, language: str, texts: dict[str, Any]) -> None:
        self.request, self.trace, self.at = request, run(request), at
        self.block = self.trace.block(at.block)
        self.head = self.trace.head(at.block, at.head)
        self.facts: dict[str, Any] = _facts(request, at)
        self.language, self.texts = language, texts
        walk, self.positions = _stages(request, at.block)
        self.stages: Mapping[str, str] = walk if at.stage in walk else self.positions

    @staticmethod
    def of(address: Address, texts: dict[str, Any]) -> "Expected":
        """What stands there at an address."""
        kind = Network if address["block"].endswith(".recurrent") else Expected
        return kind(request_of(address), selection_of(address), address["lang"], texts)

    def moved(self, language: str, **changes: Any) -> "Expected":
        """The same run, at another place or in another language."""
        return Expected(self.request, replace(self.at, **changes), language, self.texts)

    @property
    def may(self) -> bool:
        """Whether the query may attend to the key."""
        return bool(self.head.mask[self.at.query, self.at.key])

    @property
    def told(self) -> dict[str, Any]:
        """The texts of the stage in view, as this block does it."""
        return self.texts["stages"][self.stages[self.at.stage]]

    def reading(self) -> str:
        """The sentence about this row, without Markdown."""
        return self._plain("readings", reading(self.trace, self.at))

    def cell(self) -> str:
        """The sentence about this cell."""
        return self._plain("readings", cell_reading(self.trace, self.at))

    def spoken(self) -> str:
        """What a screen reader says of this cell."""
        return self.ui("spoken" if self.may else "spoken_masked", self.facts)

    def lines(self) -> dict[str, str]:
        """The derivation: id of each line → its text."""
        attention = [id for id, stage in ATTENTION.items() if stage in self.stages]
        return {id: self._line(id) for id in LINES.get(self.stages[self.at.stage], attention)}

    def slots(self, depth: str) -> list[str]:
        """The facts that stand in the text and formulas of the stage, at a depth."""
        texts = [self.told[self.language][depth]] + [self.told["digits"]] * (depth == "maths")
        return [spell(self.facts[name], form) for text in texts for name, form in PLACEHOLDER.findall(text)]

    def code(self) -> str:
        """The Python of the stage."""
        _, example, name = (self.request.image or "").rpartition("example:")
        image = self.request.image and (f"assets/images/{name}.png" if example else "image.png")
        given = arguments(
            self.request.text, self.request.target, self.request.language, image, self.request.reading
        )
        return render(self.told["code"], self.facts | {"arguments_literal": given})

    def result(self) -> str:
        """What the code of the stage gives."""
        fact = self.facts[self.told["code_result"]]
        return f"→ {fact if isinstance(fact, int) else spell(fact, '.4f')}"

    def curve(self) -> str:
        """What the curve of scores by distance says of this cell: there it is the product."""
        return self.ui("rotation_here", self.facts | {"here": self.facts["product"]})

    def ui(self, id: str, said: dict[str, Any] | None = None) -> str:
        """A label of the page."""
        return render(self.texts["ui"][id][self.language], said or {}).replace("«", "").replace("»", "")

    def _plain(self, group: str, id: str) -> str:
        return render(self.texts[group][id][self.language], self.facts).replace("**", "")

    def _line(self, id: str) -> str:
        odd = {
            "line_mask": not self.may,
            "line_parts": not self.may,
            "line_angle": self.facts["channel"] % 2 == 1,
            "line_pe": self.facts["channel"] % 2 == 1,
            "line_bias": "bias" in self.stages,
            "line_sum": "sink" in self.stages,
            "line_scale": self.stages.get("scale") != "scale",
            **dict.fromkeys(("line_truth", "line_surprise"), not self.facts.get("truth_token")),
            "line_turn": self.facts["channel"] == self.facts.get("second_channel"),
        }.get(id, False)
        return self.ui(f"{id}_other" if odd else id, self.facts | self._terms(id))

    def _terms(self, id: str) -> dict[str, Any]:
        """What a line says beyond the facts of the selection."""
        if id in _QKV:
            return self._projected(id.removeprefix("line_"))
        if id == "line_state_query":
            return self._projected("query")
        if id == _DOT:
            return _dot(self.facts)
        first = self.facts["largest_dimension"]
        pair, width = self.facts.get("pair", 0), self.trace.model.d_model
        return {
            "terms": self.head.query.shape[1] if id == "line_product" else len(self.head.key),
            "first": first,
            "first_query": self.head.query[self.at.query, first],
            "first_key": self.head.key[self.at.key, first],
            "first_term": self.facts["largest_product"],
            "sum_terms": self.facts["row_sum"] - self.facts.get("sink_exponential", 0.0),
            "added": sum(self.facts.get(name, 0.0) for name in ("embedding", "position", "segment")),
            "pair_exponent": 2 * pair,
        } | ({"angle": self.at.query / 10000 ** (2 * pair / width)} if id == "line_angle" else {})

    def _projected(self, part: str) -> dict[str, Any]:
        """x · W + b of one channel of a query, key or value."""
        row = self.at.query if part == "query" else self.at.key
        given = Site.QUERY_INPUT if part == "query" else Site.KEY_INPUT
        weight, bias = (self._of_head(part, kind) for kind in ("weight", "bias"))
        assert weight is not None
        column = weight[:, self.facts["channel"]]
        products = self.trace.array(given, self.at.block)[row].astype(float) * column
        total, offset = float(products.sum()), 0.0 if bias is None else float(bias[self.facts["channel"]])
        return {"terms": len(products), "sum_terms": total, "bias": offset, "with_bias": total + offset}

    def _of_head(self, part: str, kind: str) -> np.ndarray | None:
        """A weight or bias of this head; of the head that it shares, for keys and values."""
        site = (Site(f"{part}_{kind}"), self.at.block)
        number = self.at.head if part == "query" else self.block.shared(self.at.head)
        return self.trace.array(*site)[number] if site in self.trace.arrays else None


def _dot(said: dict[str, Any]) -> dict[str, Any]:
    """What the line of the logit's dot product says."""
    total = said["logit_product"]
    largest = {"first": said["largest_place"], "first_term": said["largest_term"]}
    return {"terms": said["output_width"], "sum_terms": total} | largest


class Network(Expected):
    """What stands on the page at one place of a recurrent network, which has no heads."""

    def __init__(self, request: Request, at: Selection, language: str, texts: dict[str, Any]) -> None:
        self.request, self.trace, self.at, self.language, self.texts = (
            request,
            run(request),
            at,
            language,
            texts,
        )
        self.stages = stages_of_network(self.trace, at.block.partition(".")[0])

    def lines(self) -> dict[str, str]:
        """The derivation: id of each line → its text."""
        said: dict[str, Any] = dict(_facts(self.request, self.at))
        if "logit_product" in said:
            said |= _dot(said)
        kept = said["update"]
        said |= {"new_part": (1 - kept) * said["candidate"], "kept_part": kept * said["before"]}
        odd = {"line_truth", "line_surprise"} if not said.get("truth_token") else set[str]()
        named = {id: f"{id}_other" if id in odd else id for id in LINES[self.stages[self.at.stage]]}
        table = {id: self.texts["ui"][text][self.language] for id, text in named.items()}
        return {id: render(text, said).replace("«", "").replace("»", "") for id, text in table.items()}

    def reading(self) -> str:
        """Nothing: there is no row of weights."""
        return ""

    def cell(self) -> str:
        """Nothing."""
        return ""


def same(shown: str, expected: str) -> bool:
    """Whether two texts say the same, numbers to within one unit of their last digit."""
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (shown, expected)]
    numbers = [NUMBER.findall(text) for text in (shown, expected)]
    return words[0] == words[1] and all(map(_near, *numbers))


def same_slots(shown: list[str], expected: list[str]) -> bool:
    """Whether the same facts stand in two texts; a formula draws them in another order than it is written in."""
    sorted_ones = (sorted(texts, key=_order) for texts in (shown, expected))
    return len(shown) == len(expected) and all(map(same, *sorted_ones))


def same_code(shown: str, expected: str) -> bool:
    """Whether two pieces of Python are the same, however their strings are quoted."""
    return same(*(ast.dump(ast.parse(code)) for code in (shown, expected)))


def _order(text: str) -> tuple[int, float, str]:
    """Numbers after words, by how many digits they have."""
    if text.strip("−") == "∞" or NUMBER.fullmatch(text):
        return _digits(text), float(text.replace("−", "-").replace("∞", "inf")), ""
    return -1, 0.0, text


def _near(shown: str, expected: str) -> bool:
    if shown == expected:
        return True
    digits = [_digits(text) for text in (shown, expected)]
    values = [float(text.replace("−", "-")) for text in (shown, expected)]
    return digits[0] == digits[1] > 0 and abs(values[0] - values[1]) < 1.5 * 10.0 ** -digits[0]


def _digits(number: str) -> int:
    """Digits after the point; none for a whole number, which has to be exact."""
    return len(number.partition(".")[2].partition("e")[0])
