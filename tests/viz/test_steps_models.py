"""Facts of what other models do, computed once more here from nothing but the definitions."""

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models import Site
from tests.viz import tiny
from viz import norms, steps
from viz.facts import COMMON, COUNTS, LITERALS, MEASURES, ONLY
from viz.readings import cell_reading, reading
from viz.steps import Selection
from viz.walk import mask_kind, stages_of

MODELS = (
    *("llama", "gpt2", "bert", "marian", "gemma2", "t5", "bloom", "mpt", "gpt_oss", "mixtral"),
    *("mistral window", "llama4", "deepseek_v3", "modernbert", "vit", "dinov3", "swin", "whisper"),
)


def facts(trace, at) -> dict[str, Any]:
    """The facts, each of whatever type it is."""
    return {**steps.facts(trace, at)}


def selections(trace, each=4, stage="softmax"):
    """Some cells of every block, the same every time."""
    chance = random.Random(0)
    for block in trace.blocks:
        for _ in range(each):
            yield Selection(
                block.name,
                chance.randrange(block.heads),
                chance.randrange(len(trace.tokens[block.query_stream])),
                chance.randrange(len(trace.tokens[block.key_stream])),
                chance.randrange(trace.array(Site.VALUE, block.name).shape[2]),
                stage=stage,
                expert=chance.randrange(max(1, trace.model.experts)),
            )


@pytest.mark.parametrize("name", MODELS)
def test_every_fact_that_the_texts_of_a_model_s_stages_use_is_supplied(name):
    trace = tiny.trace_of(name)
    for stage in ("embedding", "qkv", "rotation", "softmax", "context"):
        for at in selections(trace, each=2, stage=stage):
            said = facts(trace, at)
            walk = stages_of(trace, trace.block(at.block)).items()
            texts = [text for told, text in walk if told not in norms.STAGES]
            shown = {text for text in texts if text.partition("_")[0] != "rotation" or stage == "rotation"}
            assert said.keys() >= COMMON.union(*(ONLY.get(text, frozenset()) for text in shown)) - LITERALS
            assert all(isinstance(said[name], int) for name in said.keys() & COUNTS)
            assert all(isinstance(said[name], float) for name in said.keys() & MEASURES)
            assert not [name for name in said.keys() & MEASURES if math.isnan(said[name])]


@pytest.mark.parametrize("name", MODELS)
def test_every_norm_is_told_with_its_own_numbers(name):
    trace = tiny.trace_of(name)
    for stage in norms.STAGES:
        for at in selections(trace, each=1, stage=stage):
            text = stages_of(trace, trace.block(at.block)).get(stage, "")
            assert facts(trace, at).keys() >= ONLY.get(text, frozenset()), (at.block, stage)


@pytest.mark.parametrize("name", ["llama", "mistral window"])
def test_a_pair_of_channels_is_turned_by_its_angle(name):
    trace, half = tiny.trace_of(name), 4
    for at in selections(trace, stage="rotation"):
        said, head = facts(trace, at), trace.head(at.block, at.head)
        assert head.query_unrotated is not None
        assert head.key_unrotated is not None
        before, after = head.query_unrotated[at.query].astype(float), head.query[at.query]
        pair, end = at.channel % half, at.channel // half
        frequency = 10000 ** (-pair / half)
        sign = 1 if end else -1
        turned = said["query_before"] * math.cos(said["angle"]) + sign * said["other_before"] * math.sin(
            said["angle"]
        )
        assert (said["pairs"], said["pair"]) == (half, pair)
        assert (said["first_channel"], said["second_channel"]) == (pair, pair + half)
        assert said["frequency"] == pytest.approx(frequency, abs=1e-6)
        assert said["angle"] == pytest.approx(at.query * frequency, abs=1e-5)
        assert said["distance"] == at.query - at.key
        assert said["turn"] == pytest.approx(said["distance"] * frequency, abs=1e-5)
        assert said["query_before"] == before[at.channel]
        assert said["other_before"] == before[(at.channel + half) % (2 * half)]
        assert turned * said["stretch"] == pytest.approx(said["query_value"], abs=1e-4)
        assert said["stretch"] == pytest.approx(1, abs=1e-4)
        assert said["query_value"] == after[at.channel]
        assert said["query_made"] == said["query_before"]
        assert said["key_made"] == head.key_unrotated[at.key, at.channel]
        unturned = sum(a * float(b) for a, b in zip(before, head.key_unrotated[at.key], strict=True))
        assert said["product_before"] == pytest.approx(unturned)


def test_angles_written_between_minus_and_plus_pi_are_told_with_their_whole_turns():
    trace = tiny.trace_of("llama")
    at = Selection("decoder.0.self", 1, query=7, key=2, channel=0, stage="rotation")
    wrapped = {
        place: np.angle(np.exp(1j * np.asarray(array))) if place[0] == Site.ANGLE else array
        for place, array in trace.arrays.items()
    }
    plain, folded = facts(trace, at), facts(replace(trace, arrays=wrapped), at)
    assert plain["angle"] == pytest.approx(7)
    for name in ("angle", "frequency", "turn"):
        assert folded[name] == pytest.approx(plain[name])


def test_on_a_grid_of_patches_there_is_no_angle_per_position():
    trace = tiny.trace_of("dinov3")
    block = trace.blocks[0]
    assert stages_of(trace, block)["rotation"] == "rotation_grid"
    said = facts(trace, Selection(block.name, 0, query=9, key=12, channel=1, stage="rotation"))
    assert "frequency" not in said
    angles = trace.array(Site.ANGLE, block.name)[:, 1]
    assert math.cos(said["turn"]) == pytest.approx(math.cos(angles[9] - angles[12]), abs=1e-6)
    assert abs(said["turn"]) <= math.pi


def test_a_channel_that_is_not_turned_gives_way_to_one_that_is():
    trace = tiny.trace_of("llama")
    block = trace.blocks[0].name
    one = {(Site.PAIR, block): np.array([[2, 3]]), (Site.ANGLE, block): trace.array(Site.ANGLE, block)[:, :1]}
    partial = replace(trace, arrays={**trace.arrays, **one})
    said = facts(partial, Selection(block, 0, query=3, channel=7, stage="rotation"))
    assert (said["channel"], said["pair"], said["first_channel"]) == (2, 0, 2)
    assert said["query_value"] == trace.head(block, 0).query[3, 2]
    elsewhere = facts(partial, Selection(block, 0, query=3, channel=7))
    assert elsewhere["channel"] == 7
    assert "angle" not in elsewhere


def test_heads_share_keys_and_their_contexts_are_joined():
    trace = tiny.trace_of("llama")
    for head, shared in enumerate([0, 0, 1, 1]):
        said = facts(trace, Selection("decoder.1.self", head))
        assert (said["heads"], said["kv_heads"], said["kv_head"], said["sharing"]) == (4, 2, shared, 2)
        assert (said["d_value"], said["joined"]) == (8, 32)


def test_a_value_may_be_narrower_than_a_query():
    trace = tiny.trace_of("deepseek_v3")
    head = trace.head("decoder.0.self", 2)
    assert (head.query.shape[1], head.value.shape[1]) == (16, 12)
    at = Selection("decoder.0.self", 2, query=3, key=1, channel=14, stage="context")
    said = facts(trace, at)
    assert (said["channel"], said["joined"]) == (11, 4 * 12)
    assert said["value_value"] == head.value[1, 11]
    assert facts(trace, replace(at, stage="scores"))["query_value"] == head.query[3, 14]
    assert head.query_unrotated is not None
    assert facts(trace, replace(at, stage="qkv"))["query_made"] == head.query_unrotated[3, 11]
    with pytest.raises(IndexError, match="no channel 16"):
        facts(trace, replace(at, channel=16))


def test_a_soft_cap_bends_the_score():
    trace = tiny.trace_of("gemma2")
    for at in selections(trace):
        said = facts(trace, at)
        assert said["softcap"] == 5
        assert said["score"] == pytest.approx(said["product"] / 16, abs=1e-5)
        assert said["capped"] == pytest.approx(5 * math.tanh(said["score"] / 5), abs=1e-5)
        assert said["unmasked"] == said["capped"]
        assert said["masked_score"] == (pytest.approx(said["capped"], abs=1e-6) if said["may"] else -math.inf)


def test_the_relative_bias_of_t5_is_a_row_of_its_table():
    """Distances below 16 in the decoder have a bucket each; the encoder has half of the buckets for later keys."""
    trace, model = tiny.trace_of("t5"), tiny.wrapped("t5").model
    table = model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight.detach().numpy()
    for at in (at for at in selections(trace, each=8) if at.block.startswith("encoder")):
        said = facts(trace, at)
        distance = at.query - at.key
        bucket = abs(distance) + (16 if distance < 0 else 0)
        assert abs(distance) < 8
        assert said["bias"] == pytest.approx(float(table[bucket, at.head]), abs=1e-6)
        assert said["unmasked"] == pytest.approx(said["score"] + said["bias"], abs=1e-5)
        assert said["scale"] == 1
        assert "slope" not in said


@pytest.mark.parametrize(
    ("name", "slopes"), [("bloom", [2**-2, 2**-4, 2**-6, 2**-8]), ("mpt", [2**-2, 2**-4, 2**-6, 2**-8])]
)
def test_alibi_takes_off_its_slope_for_every_step(name, slopes):
    trace = tiny.trace_of(name)
    for at in selections(trace):
        said = facts(trace, at)
        assert said["slope"] == pytest.approx(slopes[at.head], rel=1e-4)
        itself = facts(trace, replace(at, key=at.query))
        assert said["bias"] - itself["bias"] == pytest.approx(-said["slope"] * said["distance"], abs=1e-5)


def test_a_sink_takes_the_rest_of_a_row():
    trace = tiny.trace_of("gpt_oss")
    for at in selections(trace):
        said, head = facts(trace, at), trace.head(at.block, at.head)
        layer = tiny.wrapped("gpt_oss").model.model.layers[int(at.block.split(".")[1])]
        sink = layer.self_attn.sinks[at.head].item()
        scores = head.query[at.query].astype(float) @ head.key.astype(float).T / math.sqrt(8)
        powers = [
            math.exp(score) if may else 0 for score, may in zip(scores, head.mask[at.query], strict=True)
        ]
        total = sum(powers) + math.exp(sink)
        assert said["sink_score"] == pytest.approx(sink)
        assert said["sink"] == pytest.approx(math.exp(sink) / total, abs=1e-5)
        assert said["kept"] == pytest.approx(sum(powers) / total, abs=1e-5)
        assert said["weight"] == pytest.approx(powers[at.key] / total, abs=1e-5)
        assert said["exponential"] / said["row_sum"] == pytest.approx(said["weight"], abs=1e-5)
        assert said["sink_exponential"] / said["row_sum"] == pytest.approx(said["sink"], abs=1e-5)
        visible = [score for score, may in zip(scores, head.mask[at.query], strict=True) if may]
        assert said["row_max"] == pytest.approx(max(*visible, sink), abs=1e-5)


def test_a_router_chooses_two_of_four_experts():
    trace, model = tiny.trace_of("mixtral"), tiny.wrapped("mixtral").model
    ids = torch.tensor([[token.id for token in trace.tokens["decoder"]]])
    with torch.no_grad():
        logits = [
            layer.double().numpy() for layer in model(input_ids=ids, output_router_logits=True).router_logits
        ]
    for at in selections(trace):
        said = facts(trace, at)
        powers = np.exp(logits[int(at.block.split(".")[1])][at.query])
        chosen = sorted(range(4), key=lambda expert: -powers[expert])[:2]
        weight = powers[at.expert] / powers[chosen].sum() if at.expert in chosen else 0
        assert (said["experts"], said["experts_chosen"], said["expert"]) == (4, 2, at.expert)
        assert said["router_chance"] == pytest.approx(powers[at.expert] / powers.sum(), abs=1e-5)
        assert said["router_weight"] == pytest.approx(weight, abs=1e-5)
        assert said["router_top"] == chosen[0]
        assert said["router_top_weight"] == pytest.approx(powers[chosen[0]] / powers[chosen].sum(), abs=1e-5)
        assert said["router_sum"] == pytest.approx(1.0, abs=1e-5)


def test_a_window_has_its_width_and_what_has_left_it_says_so():
    trace = tiny.trace_of("mistral window")
    block = trace.blocks[0].name
    assert facts(trace, Selection(block, 0))["window"] == 4
    assert cell_reading(trace, Selection(block, 0, query=6, key=3)) == "cell"
    assert cell_reading(trace, Selection(block, 0, query=6, key=2)) == "cell_masked_sliding"
    assert cell_reading(trace, Selection(block, 0, query=2, key=6)) == "cell_masked"
    chunked = tiny.trace_of("llama4")
    block = next(block for block in chunked.blocks if mask_kind(chunked, block).kind == "chunked")
    assert facts(chunked, Selection(block.name, 0))["window"] == 4
    assert cell_reading(chunked, Selection(block.name, 0, query=5, key=3)) == "cell_masked_chunked"
    assert facts(tiny.trace_of("llama"), Selection("decoder.0.self", 0))["window"] == 0


def test_chosen_keys_are_told_apart_from_those_of_a_window():
    trace = tiny.trace_of("deepseek_v32")
    block = trace.blocks[0]
    kind, mask = mask_kind(trace, block), trace.head(block.name, 0).mask
    assert (kind.kind, kind.width) == ("chosen", int(mask.sum(axis=1).max()))
    query = len(mask) - 1
    left_out = int(np.flatnonzero(~mask[query])[0])
    assert cell_reading(trace, Selection(block.name, 0, query=query, key=left_out)) == "cell_masked_chosen"
    assert cell_reading(trace, Selection(block.name, 0, query=1, key=2)) == "cell_masked"


def test_patches_know_their_place_and_their_window():
    trace = tiny.trace_of("swin")
    block = trace.blocks[0].name
    for row in range(8):
        for column in range(8):
            said = facts(trace, Selection(block, 1, query=8 * row + column, key=0))
            assert (said["row"], said["column"], said["rows"], said["columns"]) == (row, column, 8, 8)
            assert said["may"] == (row < 4 and column < 4)
    assert cell_reading(trace, Selection(block, 1, query=5, key=0)) == "cell_masked_windows"
    assert reading(trace, Selection(block, 1, query=5)) in {"patch_sharp", "patch_broad"}
    text = facts(tiny.trace_of("llama"), Selection("decoder.0.self", 0))
    assert (text["row"], text["column"], text["rows"], text["columns"]) == (-1, -1, 0, 0)
    assert text["pieces"] == 1


def test_sizes_are_those_of_the_block_and_not_of_the_card():
    trace = tiny.trace_of("swin")
    assert [facts(trace, Selection(block.name, 0))["heads"] for block in trace.blocks] == [2, 2, 4, 4]


def test_tokens_of_one_character_are_counted():
    trace = tiny.trace_of("llama")
    first, *rest = trace.tokens["decoder"]
    pieces = tuple(replace(token, group=3, whole="猫") for token in rest[:3])
    trace = replace(trace, tokens={"decoder": (first, *pieces, *rest[3:])})
    said = [facts(trace, Selection("decoder.0.self", 0, query=query))["pieces"] for query in range(5)]
    assert said == [1, 3, 3, 3, 1]


def padded(name):
    given = {"input_ids": [[0, 0, 7, 12, 8, 29]], "attention_mask": [[0, 0, 1, 1, 1, 1]]}
    inputs = {field: torch.tensor(value) for field, value in given.items()}
    return tiny.wrapped(name).record(inputs=inputs)


def test_a_padded_row_is_idle_and_its_facts_are_zero():
    trace = padded("llama")
    block = trace.blocks[0].name
    said = facts(trace, Selection(block, 1, query=1, key=0))
    assert reading(trace, Selection(block, 1, query=1)) == "idle"
    assert [said[name] for name in ("weight", "exponential", "row_sum", "context", "kept", "top_weight")] == [
        0
    ] * 6
    assert (said["pattern"], said["padding"], said["shift"], said["may"]) == (1, 0, 1, 0)
    assert cell_reading(trace, Selection(block, 1, query=4, key=1)) == "cell_masked_padding"
    later = facts(trace, Selection(block, 1, query=3, key=5))
    assert (later["pattern"], later["padding"], later["shift"], later["may"]) == (0, 1, 1, 0)
    sunk = facts(padded("gpt_oss"), Selection("decoder.0.self", 1, query=0, key=0))
    assert (sunk["weight"], sunk["sink"], sunk["sink_exponential"], sunk["row_sum"]) == (0, 1, 1, 1)


def test_what_enters_is_what_the_model_made_of_the_sum():
    for name in ("gpt2", "bert"):
        trace = tiny.trace_of(name)
        stream = trace.blocks[0].query_stream
        said = facts(trace, Selection(trace.blocks[0].name, 0, query=2, dimension=5, stage="position"))
        assert said["sum"] == trace.array(Site.RESIDUAL, stream)[2, 5]
        added = said["embedding"] + said["position"] + said["segment"]
        assert (added == pytest.approx(said["sum"], abs=1e-5)) == (name == "gpt2")
        assert "table_value" not in said
    trace = tiny.trace_of("gpt2")
    without = {place: array for place, array in trace.arrays.items() if place[0] != Site.TOKEN_EMBEDDING}
    assert "embedding" not in facts(replace(trace, arrays=without), Selection("decoder.0.self", 0))


def test_only_a_stream_that_predicts_names_what_it_predicts():
    trace = tiny.trace_of("t5")
    assert facts(trace, Selection("encoder.0.self", 0, query=1))["predicted_token"] == ""
    assert (
        facts(trace, Selection("decoder.0.self", 0, query=1))["predicted_token"] == trace.predictions[1].text
    )
    masked = tiny.trace_of("bert")
    assert (
        facts(masked, Selection("encoder.0.self", 0, query=1))["predicted_token"]
        == masked.predictions[1].text
    )
