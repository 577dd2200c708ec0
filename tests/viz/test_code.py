"""The code of every stage runs as it is shown, and gives the number that is shown."""

import ast
import random

import pytest

from viz.stages import STAGE_IDS
from viz.steps import Selection, facts
from viz.texts import LITERALS, load_texts, render

BLOCKS = (
    *("encoder.0.self", "encoder.1.self"),
    *("decoder.0.self", "decoder.0.cross", "decoder.1.self", "decoder.1.cross"),
)


def filled(trace, made, at):
    """The facts of a selection, with those that are Python source."""
    literals = {"target_literal": repr(made.target), "language_literal": repr(made.language)}
    said = facts(trace, at) | literals
    assert said.keys() >= LITERALS
    return said


def value_of(code):
    """Runs a program; the value of its last line, as a notebook would print it."""
    program = ast.parse(code)
    last = program.body.pop()
    assert isinstance(last, ast.Expr)
    names = {}
    exec(compile(program, "<stage>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<stage>", "eval"), names)


def check(trace, made, at):
    said, stage = filled(trace, made, at), load_texts().stages[at.stage]
    value, expected = value_of(render(stage.code, said)), said[stage.code_result]
    assert isinstance(value, int | float), "a plain number, as it is shown"
    assert value == pytest.approx(expected, abs=1e-4), f"{at}: {value} and not {expected}"


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("stage", STAGE_IDS)
def test_the_code_of_a_stage_gives_its_number(trace, request_made, stage, block):
    chance, sizes = random.Random(f"{stage} {block}"), trace.block(block)
    at = Selection(
        block,
        head=chance.randrange(sizes.heads),
        query=chance.randrange(1, len(trace.tokens[sizes.query_stream])),
        key=chance.randrange(len(trace.tokens[sizes.key_stream])),
        channel=chance.randrange(trace.model.d_head),
        dimension=chance.randrange(trace.model.d_model),
        stage=stage,
    )
    check(trace, request_made, at)


@pytest.mark.parametrize("stage", ["mask", "softmax", "context"])
def test_the_code_of_a_forbidden_cell_gives_its_number_too(trace, request_made, stage):
    check(trace, request_made, Selection("decoder.1.self", 1, query=1, key=2, stage=stage))
