"""Pairs of sentences: the second follows the first, or is of the same topic and does not.

Topics decide nothing: the man went to the store, and then *she* bought a gallon of milk, or he admired the paintings.
Held out are whole first sentences, chosen by hash, so that no first sentence that is measured was ever learned.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from models.family.scenes import SCENES, Sense, Sentence, Teller, Told, Word, table

LANGUAGES = ("en", "zh")
STOPS = {"en": ".", "zh": "。"}
STOPPED = 0.7
"""So often both sentences end in a full stop."""
UNRELATED = 0.2
"""Of the second sentences that do not follow, so many are of another scene altogether."""
TEST_SHARE = 0.1
HARD = tuple(sorted({fault for _, faults, _ in SCENES.values() for fault in faults}))
FAULTS = (*HARD, "unrelated")


@dataclass(frozen=True)
class Passage:
    """Two sentences as words.

    `fault` says why the second does not follow: `subject` (somebody else), `object` (another thing), `place`, `deed`
    (not done there), `contradiction`, `sense` (the word's other meaning), `unrelated`; empty where it follows.
    `settled` holds the positions, counted over both sentences, of the words that the rest settles: where only that
    word is masked, no other could stand there. Only a passage that follows has them. `sense` is of the first sentence.
    """

    language: str
    scene: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    fault: str = ""
    settled: tuple[int, ...] = ()
    sense: Sense | None = None

    @property
    def follows(self) -> bool:
        """Whether the second sentence follows the first."""
        return not self.fault

    @property
    def words(self) -> tuple[str, ...]:
        """Both sentences."""
        return (*self.first, *self.second)

    @property
    def texts(self) -> tuple[str, str]:
        """Both sentences as people write them."""
        return written(self.first, self.language), written(self.second, self.language)


def written(words: tuple[str, ...], language: str) -> str:
    """English with spaces, Chinese without, no space before a full stop."""
    return "".join(words) if language == "zh" else " ".join(words).replace(" .", ".")


def couples(
    chance: random.Random,
    part: str = "train",
    language: str | None = None,
    fault: str = "",
    often: float = 1.0,
) -> Iterator[tuple[Passage, Passage]]:
    """Without end a first sentence with one that follows, and with one that does not; `part` is `train` or `test`.

    So often the fault of the one that does not is this one; else it is drawn.
    """
    while True:
        spoken = language or chance.choice(LANGUAGES)
        told = couple(chance, spoken, fault if fault and chance.random() < often else "")
        if part_of(told[0]) == part:
            yield told


def drawn(chance: random.Random, part: str = "train", language: str | None = None) -> Iterator[Passage]:
    """Passages without end, half of which follow."""
    return (chance.choice(told) for told in couples(chance, part, language))


def passage(chance: random.Random, language: str, fault: str = "") -> Passage:
    """One passage that follows, or that has this fault."""
    return couple(chance, language, fault)[bool(fault)]


def couple(chance: random.Random, language: str, fault: str = "") -> tuple[Passage, Passage]:
    """A first sentence with one that follows it, and with one that does not; its fault is this one, or drawn."""
    fault = fault or ("unrelated" if chance.random() < UNRELATED else chance.choice(HARD))
    name = _scene(
        chance, [name for name, (_, faults, _) in SCENES.items() if fault in ("unrelated", *faults)]
    )
    seed, stopped = chance.random(), chance.random() < STOPPED
    right, wrong = (SCENES[name][0](Teller(random.Random(seed), language), each) for each in ("", fault))
    if fault == "unrelated":
        other = _scene(chance, [scene for scene in SCENES if scene != name])
        wrong = right._replace(second=SCENES[other][0](Teller(chance, language), "").second)
    return (
        _passage(right, language, name, "", stopped=stopped),
        _passage(wrong, language, name, fault, stopped=stopped),
    )


def _scene(chance: random.Random, names: Sequence[str]) -> str:
    return chance.choices(names, [SCENES[name][2] for name in names])[0]


def _passage(told: Told, language: str, scene: str, fault: str, *, stopped: bool) -> Passage:
    stop = [Word(STOPS[language], settled=False)] if stopped else []
    first, second = [*told.first, *stop], [*told.second, *stop]
    settled = tuple(i for i, word in enumerate([*first, *second]) if word.settled and not fault)
    return Passage(language, scene, _texts(first), _texts(second), fault, settled, told.sense)


def _texts(words: Sentence) -> tuple[str, ...]:
    return tuple(word.text for word in words)


def by_heart() -> list[Passage]:
    """The pairs of the lessons, with full stops and without."""
    pairs = list[Passage]()
    for entry in table()["by_heart"]:
        first, second = tuple(entry["first"].split()), tuple(entry["second"].split())
        language = "en" if first[0].isascii() else "zh"
        pair = Passage(language, "lesson", first, second, "" if entry["follows"] else "unrelated")
        stop = (STOPS[language],)
        pairs += [pair, replace(pair, first=first + stop, second=second + stop)]
    return pairs


def unstopped(words: tuple[str, ...]) -> str:
    """The words of a sentence as one string, without its full stop."""
    return " ".join(words[:-1] if words[-1] in STOPS.values() else words)


_LEARNED = frozenset(unstopped(pair.first) for pair in by_heart())


def part_of(told: Passage) -> str:
    """`train` or `test`: the same for every passage with this first sentence. What is learned by heart is `train`."""
    first = unstopped(told.first)
    if first in _LEARNED:
        return "train"
    place = int(hashlib.sha256(f"{told.language} {first}".encode()).hexdigest()[:8], 16) / 16**8
    return "test" if place < TEST_SHARE else "train"


def vocabulary() -> frozenset[str]:
    """Every word that the scenes can say, found by telling them all; and the words of the lessons."""
    chance = random.Random("every word")
    told = [passage(chance, language, "") for language in LANGUAGES for _ in range(6000)]
    return frozenset(word for one in (*told, *by_heart()) for word in one.words)
