"""What a trace of the shipped model says is what the model did."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from models import AXES, Axis, Site, load, record
from models.builtin.translator import TOKEN_LIMIT, Translator
from models.trace import DERIVED, TOLERANCE

PROJECTIONS = [
    (Site.QUERY_INPUT, Site.QUERY_WEIGHT, Site.QUERY_BIAS, Site.QUERY),
    (Site.KEY_INPUT, Site.KEY_WEIGHT, Site.KEY_BIAS, Site.KEY),
    (Site.KEY_INPUT, Site.VALUE_WEIGHT, Site.VALUE_BIAS, Site.VALUE),
]


def assert_near(actual, expected, tolerance=1e-5):
    """Equal up to rounding: `tolerance` of the largest number, or of 1."""
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


def heads(trace):
    """Every head with its block."""
    return [(block, trace.head(block.name, head)) for block in trace.blocks for head in range(block.heads)]


def ids(trace, stream):
    return [token.id for token in trace.tokens[stream]]


def same(one, other):
    """Whether two traces hold bit-equal arrays."""
    return one.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(array, other.arrays[where]) for where, array in one.arrays.items()
    )


def test_every_head_is_proved(trace):
    assert len(heads(trace)) == 24
    for block, head in heads(trace):
        assert head.error <= TOLERANCE, block.name
        assert np.abs(head.weights @ head.value - head.model_context).max() <= TOLERANCE
        assert np.abs(head.model_context).max() > 1e-3


def test_rows_sum_to_one_over_what_may_be_attended(trace):
    for block, head in heads(trace):
        allowed = np.where(head.mask, head.weights, 0).sum(axis=-1)
        np.testing.assert_allclose(allowed, 1, atol=1e-6)
        np.testing.assert_array_equal(trace.weights(block.name).shape, (block.heads, *head.mask.shape))


def test_forbidden_cells_are_exactly_zero_and_minus_infinity(trace):
    for _, head in heads(trace):
        assert (head.weights[~head.mask] == 0).all()
        assert (head.masked_scores[~head.mask] == -np.inf).all()
        assert np.isfinite(head.masked_scores[head.mask]).all()
        np.testing.assert_array_equal(head.masked_scores[head.mask], head.scores[head.mask])


def test_a_decoder_sees_no_later_token_and_nobody_sees_padding(trace, translator):
    for block, head in heads(trace):
        queries, keys = head.mask.shape
        padding = np.array(ids(trace, block.key_stream)) == translator.tokenizer.pad
        writing = block.query_stream == block.key_stream == "decoder"
        past = np.tri(queries, keys, dtype=bool) if writing else np.ones((queries, keys), dtype=bool)
        np.testing.assert_array_equal(head.mask, past & ~padding)


def test_scores_times_root_d_head_are_query_times_key(trace):
    for block, head in heads(trace):
        assert head.scale * np.sqrt(head.query.shape[1]) == pytest.approx(1)
        assert_near(head.scores * np.sqrt(head.query.shape[1]), head.query @ head.key.T)
        assert block.scale == head.scale


def test_queries_keys_and_values_are_projections_of_their_inputs(trace):
    for block in trace.blocks:
        for source, weight, bias, made in PROJECTIONS:
            x, w, b = (trace.array(site, block.name) for site in (source, weight, bias))
            assert_near(trace.array(made, block.name), x @ w + b[:, None])


def test_a_head_holds_its_own_slices(trace):
    for block in trace.blocks:
        for head in range(block.heads):
            one = trace.head(block.name, head)
            for site in (
                Site.QUERY,
                Site.KEY,
                Site.VALUE,
                Site.SCORES,
                Site.MASKED_SCORES,
                Site.WEIGHTS,
                Site.MASK,
            ):
                np.testing.assert_array_equal(getattr(one, site.value), trace.array(site, block.name)[head])
            np.testing.assert_array_equal(one.model_context, trace.array(Site.CONTEXT, block.name)[head])


def test_what_the_heads_write_adds_up_to_the_attention_output(trace):
    for block in trace.blocks:
        written = trace.array(Site.CONTEXT, block.name) @ trace.array(Site.OUTPUT_WEIGHT, block.name)
        total = written.sum(axis=0) + trace.array(Site.OUTPUT_BIAS, block.name)
        assert_near(total, trace.array(Site.ATTENTION_OUTPUT, block.name))


def layers(trace):
    """Each layer: its name, what enters it, and its sublayers in order."""
    for stream, sublayers in (("encoder", ("self", "mlp")), ("decoder", ("self", "cross", "mlp"))):
        entering = stream
        for index in range(2):
            yield f"{stream}.{index}", entering, [f"{stream}.{index}.{name}" for name in sublayers]
            entering = f"{stream}.{index}"


def test_the_residual_stream_is_the_sum_of_what_was_written_to_it(trace, translator):
    modules = dict(translator.transformer.named_modules())
    for layer, entering, sublayers in layers(trace):
        x = trace.array(Site.RESIDUAL, entering)
        for place in sublayers:
            kind = place.rsplit(".", 1)[-1]
            site = Site.MLP_OUTPUT if kind == "mlp" else Site.ATTENTION_OUTPUT
            total = trace.array(Site.RESIDUAL_SUM, place)
            assert_near(total, x + trace.array(site, place))
            x = trace.array(Site.NORM, place)
            centred = total - total.mean(axis=-1, keepdims=True)
            norm = modules[f"{layer}.{'attention' if kind == 'self' else kind}_norm.norm"]
            scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
            assert_near(x, scaled * norm.weight.numpy() + norm.bias.numpy())
        np.testing.assert_array_equal(trace.array(Site.RESIDUAL, layer), x)


def test_each_sublayer_reads_what_the_one_before_it_left(trace):
    for _, entering, sublayers in layers(trace):
        read = trace.array(Site.RESIDUAL, entering)
        for place in (p for p in sublayers if not p.endswith("mlp")):
            np.testing.assert_array_equal(trace.array(Site.QUERY_INPUT, place), read)
            read = trace.array(Site.NORM, place)
            if place.endswith("self"):
                np.testing.assert_array_equal(
                    trace.array(Site.KEY_INPUT, place), trace.array(Site.QUERY_INPUT, place)
                )


def test_cross_attention_of_every_layer_reads_the_encoders_last_output(trace):
    crossing = [block for block in trace.blocks if block.kind == "cross"]
    assert [block.name for block in crossing] == ["decoder.0.cross", "decoder.1.cross"]
    for block in crossing:
        assert (block.query_stream, block.key_stream) == ("decoder", "encoder")
        encoded = trace.array(Site.RESIDUAL, "encoder.1")
        np.testing.assert_array_equal(trace.array(Site.KEY_INPUT, block.name), encoded)


def test_an_embedding_is_a_row_of_the_table_times_root_d_model_plus_a_position(trace, translator):
    table = translator.transformer.embedding.weight.numpy()
    for stream in ("encoder", "decoder"):
        expected = table[ids(trace, stream)] * np.sqrt(trace.model.d_model)
        assert_near(trace.array(Site.TOKEN_EMBEDDING, stream), expected)
        both = trace.array(Site.TOKEN_EMBEDDING, stream) + trace.array(Site.POSITION_ENCODING, stream)
        np.testing.assert_array_equal(trace.array(Site.RESIDUAL, stream), both)
    for encoding, stream in zip(trace.positions, ("encoder", "decoder"), strict=True):
        assert (encoding.kind, encoding.where) == ("sinusoidal", stream)
        np.testing.assert_array_equal(encoding.values, trace.array(Site.POSITION_ENCODING, stream))


def test_logits_are_the_last_residual_times_the_embedding_table(trace, translator):
    table = translator.transformer.embedding.weight.numpy()
    assert_near(trace.array(Site.LOGITS), trace.array(Site.RESIDUAL, "decoder.1") @ table.T)
    assert trace.logits is trace.array(Site.LOGITS)


def test_predictions_are_the_most_probable_tokens(trace, translator):
    best = trace.array(Site.LOGITS).argmax(axis=-1).tolist()
    assert [token.id for token in trace.predictions] == best
    assert [token.text for token in trace.predictions] == [translator.tokenizer.vocabulary[id] for id in best]


def test_every_array_has_the_axes_of_its_site(trace):
    assert set(AXES) == set(Site)
    model = trace.model
    sizes = {
        Axis.HEAD: model.heads,
        Axis.KV_HEAD: model.kv_heads,
        Axis.D_MODEL: model.d_model,
        Axis.D_HEAD: model.d_head,
        Axis.D_VALUE: model.d_head,
        Axis.D_HIDDEN: model.d_hidden,
        Axis.VOCABULARY: model.vocabulary,
    }
    derived = [(site, block.name) for site in DERIVED for block in trace.blocks]
    assert derived
    for site, place in [*trace.arrays, *derived]:
        query_stream = "encoder" if place.startswith("encoder") else "decoder"
        key_stream = "encoder" if place.endswith("cross") else query_stream
        length, keys = len(trace.tokens[query_stream]), len(trace.tokens[key_stream])
        position = keys if site == Site.KEY_INPUT else length
        here = sizes | {Axis.QUERY: length, Axis.KEY: keys, Axis.POSITION: position}
        array = trace.array(site, place)
        assert array.shape == tuple(here[axis] for axis in AXES[site]), (site, place)
        assert array.dtype == (np.bool_ if site == Site.MASK else np.float32)


@pytest.mark.parametrize(
    "arguments", [("I eat apples", "fr"), ("I eat apples", "zh"), ("今天天气很好", "en")]
)
def test_without_a_target_the_decoder_reads_what_the_model_itself_writes(arguments, translator):
    text, language = arguments
    trace = record(translator, text, language=language)
    source, written = ids(trace, "encoder"), ids(trace, "decoder")
    assert trace.tokens["decoder"][0].text == f"<{language}>"
    assert len(written) > 2
    assert trace.predictions[-1].text == "</s>"
    assert "</s>" not in [token.text for token in trace.tokens["decoder"]]
    assert [token.id for token in trace.predictions[:-1]] == written[1:]
    for step in range(1, len(written)):
        said = record(translator, inputs={"input_ids": source, "decoder_input_ids": written[:step]})
        assert said.predictions[-1].id == written[step]


def test_a_decoder_that_finds_no_end_stops_at_the_limit(translator, monkeypatch):
    monkeypatch.setattr(type(translator.tokenizer), "end", property(lambda tokenizer: tokenizer.start("en")))
    assert len(record(translator, "I eat apples").tokens["decoder"]) == TOKEN_LIMIT


def test_ready_ids_are_read_as_they_are(translator):
    typed = record(translator, "I eat apples", target="<zh> 我 吃")
    ready = {"input_ids": ids(typed, "encoder"), "decoder_input_ids": torch.tensor([ids(typed, "decoder")])}
    assert same(record(translator, inputs=ready), typed)
    written = record(translator, inputs={"input_ids": ids(typed, "encoder")}, language="zh")
    assert same(written, record(translator, "I eat apples", language="zh"))


def test_blocks_come_in_the_order_in_which_they_ran(trace, translator):
    names = ["encoder.0.self", "encoder.1.self"]
    names += [f"decoder.{layer}.{kind}" for layer in range(2) for kind in ("self", "cross")]
    assert [block.name for block in trace.blocks] == names
    modules = dict(translator.transformer.named_modules())
    assert all(modules[block.module].place == block.name for block in trace.blocks)


def test_what_is_not_there_is_named(trace):
    with pytest.raises(KeyError, match=r"no block 'encoder\.9\.self'.*encoder\.0\.self"):
        trace.head("encoder.9.self", 0)
    for head in (-1, 4):
        with pytest.raises(IndexError, match="heads 0 to 3"):
            trace.head("encoder.0.self", head)
    with pytest.raises(KeyError, match=r"hidden was not recorded at 'encoder'.*encoder\.0\.mlp"):
        trace.array(Site.HIDDEN, "encoder")
    with pytest.raises(KeyError, match=r"bias was not recorded.*no place"):
        trace.array(Site.BIAS, "encoder.0.self")


@pytest.mark.parametrize("name", ["builtin/translator", "builtin/translator-plain"])
def test_a_card_counts_the_loaded_model(name):
    model = load(name)
    assert isinstance(model, Translator)
    sizes = [parameter.shape for parameter in model.transformer.parameters()]
    card = model.card
    assert card.name == name
    assert card.parameters == sum(int(np.prod(size)) for size in sizes)
    assert (card.layers, card.heads, card.d_model) == (4, 4, card.heads * card.d_head)
    assert card.vocabulary == len(model.tokenizer.vocabulary) == len(model.transformer.embedding.weight)
    assert load(name) is model
    assert bool(card.guided) == (name == "builtin/translator")


def test_tokens_know_their_place_in_the_typed_text(trace):
    typed = [token for token in trace.tokens["encoder"] if token.start >= 0]
    assert all(trace.text[token.start : token.end] == token.text for token in typed)
    assert all(one.end <= other.start for one, other in pairwise(typed))
    assert bool(typed) == bool(trace.text)
