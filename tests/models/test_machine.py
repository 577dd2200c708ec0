"""What the machine can hold, and what the environment says of it."""

import os

import pytest

from models import machine


def test_without_a_word_from_outside_half_the_memory_and_8_gb_are_taken(monkeypatch):
    monkeypatch.delenv("ATTENTION_MICROSCOPE_MEMORY", raising=False)
    monkeypatch.delenv("ATTENTION_MICROSCOPE_MODEL_LIMIT", raising=False)
    assert machine.memory_budget() == pytest.approx(machine.memory() / 2, abs=1)
    assert machine.model_limit() == 8 * 10**9


def test_the_environment_sets_the_limits(monkeypatch):
    monkeypatch.setenv("ATTENTION_MICROSCOPE_MEMORY", "1.5")
    monkeypatch.setenv("ATTENTION_MICROSCOPE_MODEL_LIMIT", "0.25")
    assert machine.memory_budget() == 3 * 2**29
    assert machine.model_limit() == 250_000_000


def test_what_is_no_number_is_named(monkeypatch):
    monkeypatch.setenv("ATTENTION_MICROSCOPE_MEMORY", "plenty")
    with pytest.raises(ValueError, match="ATTENTION_MICROSCOPE_MEMORY is 'plenty'"):
        machine.memory_budget()


def test_free_memory_is_part_of_the_memory():
    assert 0 < machine.free_memory() <= machine.memory()


def test_a_container_has_the_memory_that_it_was_given(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    monkeypatch.setattr(machine, "_CONTAINER", tmp_path)
    assert (machine.memory(), machine.free_memory()) == (1000, 600)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory() > 1000


def test_a_machine_that_does_not_tell_is_taken_for_a_small_one(monkeypatch, tmp_path):
    def silent(_):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", silent)
    monkeypatch.setattr(machine, "_CONTAINER", tmp_path)
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "meminfo")
    assert machine.memory() == machine.free_memory() == machine.UNKNOWN_MEMORY


def test_the_disk_is_that_of_the_folder_to_be_made(tmp_path):
    assert machine.free_disk(tmp_path / "not" / "yet") > 0


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (8 * 10**9, "8"),
        (8_020_000_000, "8.02"),
        (12_345_678, "0.0123"),
        (1_234_000_000_000, "1234"),
        (0, "0"),
    ],
)
def test_bytes_are_said_in_gb(size, said):
    assert machine.gigabytes(size) == said
