"""Tokens that people can read: pieces of bytes put together again into whole characters, and spaces made visible.

A tokenizer may cut a character into several tokens (苹 is E8 8B B9, three bytes), which decoded one by one give only
replacement characters. Here each such token is named by the character it helps to spell, and by its number: 苹 2/3.
What a person sees as one character is an extended grapheme cluster (Unicode Standard Annex 29): a family emoji, a
flag, a letter with its accents.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

import regex

SIGNS = {" ": "␣", "\n": "↵", "\t": "⇥", "\x7f": "␡"} | {
    chr(code): chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"
}
"""What is shown for a character that leaves no mark on paper."""

_CLUSTER = regex.compile(r"\X")
_UNSEEN = regex.compile(r"[\p{C}\p{Z}\N{REPLACEMENT CHARACTER}]")
_BROKEN = regex.compile(r"[\p{Cc}\p{Cn}\p{Co}\p{Cs}\p{Z}\N{REPLACEMENT CHARACTER}]")
_STRAY = regex.compile(r"[\uDC80-\uDCFF]+")
_MARK = regex.compile(r"\p{M}")
_BYTE = regex.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, slots=True)
class Label:
    """How one token is shown. Tokens of one `group` spell whole characters together.

    `text` names the token (苹 2/3), `whole` what its group spells (苹), `pieces` its number in the group and how many.
    `bytes` is what it stands for in UTF-8; nothing for a token that stands for no text.
    """

    id: int
    text: str
    group: int
    pieces: tuple[int, int]
    whole: str
    bytes: bytes
    special: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """One token as its tokenizer spells it. `joins`: its bytes may continue a character of the token before."""

    id: int
    name: str
    bytes: bytes
    prefix: str = ""
    special: bool = False
    joins: bool = True


Spell = Callable[[str], tuple[str, bytes, bool]]
"""From a token's name to (what is shown before its text, its bytes, whether it may continue the token before)."""


def labels(tokenizer: Any, ids: Sequence[int]) -> tuple[Label, ...]:
    """How each of these tokens of a Hugging Face tokenizer is shown, in their context."""
    found: list[Label] = []
    for run in _runs(_pieces(tokenizer, ids)):
        for whole_characters in _groups(run):
            group = found[-1].group + 1 if found else 0
            found.extend(_labelled(whole_characters, group))
    return tuple(found)


def visible(text: str) -> str:
    """The text with a sign for everything that cannot be seen; bytes that are no text as ⟨E8 8B⟩."""
    shown = "".join(_shown(cluster) for cluster in _CLUSTER.findall(text))
    return _STRAY.sub(
        lambda found: f"⟨{found[0].encode('utf-8', 'surrogateescape').hex(' ').upper()}⟩", shown
    )


def _pieces(tokenizer: Any, ids: Sequence[int]) -> Iterator[_Piece]:
    special, spell = set(tokenizer.all_special_ids), _spelling(tokenizer)
    added = {id: str(token) for id, token in getattr(tokenizer, "added_tokens_decoder", {}).items()}
    for id, name in zip(map(int, ids), tokenizer.convert_ids_to_tokens(list(ids)), strict=True):
        if id in special:
            yield _Piece(id, str(name), str(name).encode(), special=True, joins=False)
        elif id in added:
            yield _Piece(id, added[id], added[id].encode())
        elif name is None:
            yield _Piece(id, f"⟨{id}⟩", b"", joins=False)
        else:
            prefix, spelled, joins = spell(name)
            yield _Piece(id, name, spelled, prefix, joins=joins)


def _runs(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """Tokens that stand for one unbroken stretch of bytes; a special token stands alone."""
    run: list[_Piece] = []
    for piece in pieces:
        if run and (run[-1].special or not piece.joins):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _groups(run: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """A run, parted wherever a token ends and a character does too."""
    ends = list(accumulate(len(piece.bytes) for piece in run))
    characters = {0, *_ends(b"".join(piece.bytes for piece in run))}
    group: list[_Piece] = []
    for piece, end in zip(run, ends, strict=True):
        group.append(piece)
        if end in characters:
            yield group
            group = []


def _labelled(group: Sequence[_Piece], number: int) -> Iterator[Label]:
    """The labels of one group: every token by the characters it has a part in."""
    spelled = b"".join(piece.bytes for piece in group)
    clusters, ends, start = _CLUSTER.findall(_decoded(spelled)), _ends(spelled), 0
    for count, piece in enumerate(group, start=1):
        end = start + len(piece.bytes)
        part = clusters[bisect_right(ends, start) : bisect_left(ends, end) + 1] if end > start else []
        named = visible("".join(part)) or visible(piece.name) or "⟨⟩"
        yield Label(
            id=piece.id,
            text=piece.prefix + (f"{named} {count}/{len(group)}" if len(group) > 1 else named),
            group=number,
            pieces=(count, len(group)),
            whole=visible(_decoded(spelled)) or named,
            bytes=piece.bytes,
            special=piece.special,
        )
        start = end


def _decoded(data: bytes) -> str:
    """The text of bytes; a byte that belongs to no character becomes a lone surrogate."""
    return data.decode("utf-8", "surrogateescape")


def _ends(data: bytes) -> list[int]:
    """Where characters end, in bytes. Each byte that belongs to none ends by itself."""
    sizes = (len(cluster.encode("utf-8", "surrogateescape")) for cluster in _CLUSTER.findall(_decoded(data)))
    return list(accumulate(sizes))


def _shown(cluster: str) -> str:
    """One character as a person sees it, or signs for its parts where nothing would be seen."""
    if _UNSEEN.match(cluster) or _MARK.match(cluster) or _BROKEN.search(cluster):
        return "".join(map(_sign, cluster))
    return cluster


def _sign(character: str) -> str:
    """One code point by itself: a sign, a combining mark on a dotted circle, or its number."""
    if _STRAY.match(character):
        return character
    if character in SIGNS:
        return SIGNS[character]
    if _MARK.match(character):
        return "◌" + character
    return f"⟨U+{ord(character):04X}⟩" if _UNSEEN.match(character) else character


def _spelling(tokenizer: Any) -> Spell:
    """How this tokenizer spells bytes, learnt from its own decoder."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = list(_parts(backend))
    kinds = {part["type"] for part in parts}
    if "ByteLevel" in kinds or hasattr(tokenizer, "byte_decoder"):
        return _byte_level
    if getattr(tokenizer, "_utf_vocab_size", None) == 256:  # one token per byte (ByT5)
        return lambda name: ("", name.encode("latin-1", "replace"), True)
    model = getattr(backend, "model", None)
    continuing = getattr(model, "continuing_subword_prefix", None)
    if continuing is None and backend is None and hasattr(tokenizer, "wordpiece_tokenizer"):
        continuing = "##"
    if continuing or "WordPiece" in kinds:
        return _word_pieces(continuing or "##")
    return _sentence_pieces(getattr(model, "end_of_word_suffix", None) or "</w>")


def _parts(backend: Any) -> Iterator[Mapping[str, Any]]:
    """The settings of a tokenizer's decoder, and of its pre-tokenizer, step by step."""
    waiting = [json.loads(part.__getstate__()) for part in _steps(backend) if part is not None]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(part.get("decoders") or part.get("pretokenizers") or ())


def _steps(backend: Any) -> tuple[Any, Any]:
    return getattr(backend, "decoder", None), getattr(backend, "pre_tokenizer", None)


def _byte_level(name: str) -> tuple[str, bytes, bool]:
    """GPT-2's alphabet: one printable character per byte."""
    alphabet, name = _alphabet(), name.removesuffix("</w>")
    if all(character in alphabet for character in name):
        return "", bytes(alphabet[character] for character in name), True
    return "", name.encode("utf-8", "surrogatepass"), True


def _word_pieces(prefix: str) -> Spell:
    """WordPiece: a token that continues a word says so with its prefix, which stays visible."""

    def spell(name: str) -> tuple[str, bytes, bool]:
        continues = len(name) > len(prefix) and name.startswith(prefix)
        shown = prefix if continues else ""
        return shown, name.removeprefix(shown).encode("utf-8", "surrogatepass"), continues

    return spell


def _sentence_pieces(suffix: str) -> Spell:
    """SentencePiece and its kin: ▁ is a space, <0xE8> is a byte, a suffix ends a word."""

    def spell(name: str) -> tuple[str, bytes, bool]:
        if byte := _BYTE.fullmatch(name):
            return "", bytes.fromhex(byte[1]), True
        return "", name.removesuffix(suffix).replace("▁", " ").encode("utf-8", "surrogatepass"), True

    return spell


@cache
def _alphabet() -> Mapping[str, int]:
    """GPT-2's character → byte: what prints in Latin-1 stands for itself, the others for 256 and on (`encoder.py`)."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
