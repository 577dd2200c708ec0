"""A transformers model that can be recorded: `wrap` it once, `record` as often and from as many threads as you like."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray
from torch import nn

from models.edits import BUILT, PositionsOff
from models.errors import BadRequest, CannotGenerate, UnprovedSteps, UnsupportedEdit
from models.generation import Generation, IsCancelled, Strategy
from models.huggingface.assemble import Assembly, assembled
from models.huggingface.bands import fill_global_maps, watch_bands
from models.huggingface.budget import affordable
from models.huggingface.card import model_card, precision, read_limit
from models.huggingface.ending import drop_unmatched
from models.huggingface.generating import check_room, generation, write, written_tokens
from models.huggingface.images import Images, Picture, Seen, parts
from models.huggingface.interface import Watch, check_readable, install
from models.huggingface.known import Known, Lessons
from models.huggingface.listen import Calls, discover, run, run_whole
from models.huggingface.observe import observe
from models.huggingface.patches import image_grid, patch_grids, tokens_of, window_regions
from models.huggingface.patterns import parts_apart
from models.huggingface.places import Plan
from models.huggingface.positions import position_modules, positions
from models.huggingface.predictions import Names, Outputs, Predictions, named, outputs_of
from models.huggingface.reading import Inputs, Reader
from models.huggingface.rotation import watch_rotations
from models.huggingface.sparse import is_sparse, left_as_it_was, settle
from models.huggingface.stitch import Stitch
from models.huggingface.study import Study, fill
from models.huggingface.tokens import text_tokens
from models.huggingface.unplaced import is_unplaced, rearranged, switched, watch_positions
from models.recorder import Edit
from models.sampling import Writing
from models.trace import PositionalEncoding, Site, Token, Trace


@dataclass(frozen=True)
class Run:
    """What one run showed, by what is known of its model."""

    known: Known
    watch: Watch
    calls: Calls
    outputs: Outputs


class Wrapped:
    """A Hugging Face model in memory: same weights, same configuration, same fast attention as before.

    It is put into evaluation mode, by `wrap` and again by every run, for a trace shows no dropout.
    """

    def __init__(self, model: Any, tokenizer: Any = None, *, name: str = "", processor: Any = None) -> None:
        check_readable(model)
        install()
        watch_rotations(model)
        watch_bands(model)
        watch_positions(model)
        self.model = model.eval()
        self.tokenizer, images = parts(tokenizer)
        self.name = name or model.config.name_or_path or type(model).__name__
        images = Images(model, processor or images)
        self.reader = Reader(self.name, model, self.tokenizer, read_limit(model), images)
        self.lessons = Lessons(model, self.name)
        self._paths = {module: path for path, module in model.named_modules()}
        self.card = model_card(model, self.name)
        with left_as_it_was(model):
            shown = discover(model)
            if shown is not None:
                self._learn(*shown)

    def _learn(self, inputs: Inputs, watch: Watch, calls: Calls) -> Known:
        """How this model computes attention for inputs of this kind, from a run that was watched whole."""
        known, grown = self.lessons.learn(inputs, watch, calls)
        observe(self._modules(known.study))
        if grown:
            assembly = self._assembled(watch, calls, known, inputs)
            found = self._positions(assembly, watch, known)
            self.card = model_card(self.model, self.name, known.plan, assembly, found, found=known.study)
        return known

    def _modules(self, found: Study) -> frozenset[nn.Module]:
        """The modules to keep an eye on: those of the sites, and those that give positions."""
        modules = dict(self.model.named_modules())
        return frozenset((*(modules[path] for path in found.paths), *position_modules(self.model)))

    def _affordable(
        self, known: Known, inputs: Inputs, more: int = 0, keep: Collection[Site] | None = None
    ) -> Study:
        lengths = [value.shape[1] for name, value in inputs.items() if name.endswith("input_ids")]
        widths: dict[Site, int] = dict.fromkeys(
            (Site.HIDDEN, Site.UP, Site.GATE), self.card.d_hidden or 4 * self.card.d_model
        )
        widths |= dict.fromkeys((Site.ROUTER, Site.ROUTER_PROBABILITIES), self.card.experts)
        tokens = max((*lengths, known.tokens)) + more
        kept, dropped = affordable(known.study.wanted, tokens, widths, self.card.d_model, keep or ())
        return replace(known.study, wanted=kept, dropped=dropped)

    def _assembled(self, watch: Watch, calls: Calls, known: Known, inputs: Inputs) -> Assembly:
        grid = image_grid(self.model, inputs.get("pixel_values"))
        assembly = assembled(calls, known.plan, self.model, grid)
        fill(assembly, known.study, watch, self.model, self._paths)
        fill_global_maps(assembly, known.study.projections, self.model)
        for site, place, part in parts_apart(assembly, inputs):
            assembly.arrays[site, place] = part
        return assembly

    def _positions(self, assembly: Assembly, watch: Watch, known: Known) -> tuple[PositionalEncoding, ...]:
        return positions(self.model, assembly, watch.passed, self._paths, known.study.entrances)

    def record(  # noqa: PLR0913 -- one keyword for each thing that a person may choose
        self,
        text: str = "",
        *,
        target: str | None = None,
        language: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        edits: Sequence[Edit] = (),
        image: Picture | None = None,
        keep: Collection[Site] | None = None,
        reading: str | None = None,
        order: Sequence[int] | None = None,
    ) -> Trace:
        """One run. Without a target an encoder-decoder's own greedy output is read back in one teacher-forced pass.

        For a long text some sites are left out to save memory (`Trace.dropped`), but none of those in `keep`.

        Raises:
            TextError: nothing to read, too long, no tokenizer.
            ImageError: no image, one that cannot be taken, or no text beside it.
            BadRequest: inputs that this model does not read, or a language or reading, which are not theirs.
            UnsupportedEdit: any edit but `PositionsOff`, and that where positions cannot be switched off.
        """
        self.model.eval()
        self._check_language(language, reading)
        if other := [edit for edit in edits if not isinstance(edit, PositionsOff)]:
            raise UnsupportedEdit(other[0], BUILT)
        given, tokens, seen = self.reader.read(text, inputs, image)
        given, tokens = rearranged(given, tokens, order)
        streams = {"encoder" if self._is_encoder_decoder else "text": tokens} if tokens else {}
        with switched(edits):
            given |= self.reader.decoded(given, target)
        if "decoder_input_ids" in given:
            streams["decoder"] = text_tokens(given["decoder_input_ids"][0].tolist(), self.tokenizer)
        if "use_cache" in self.reader.accepted:
            given["use_cache"] = False
        self._settle(given)
        if edits and self.lessons.of(given) is None:
            self._run(given, keep)  # what is learnt of a model is learnt with positions
        with switched(edits):
            trace = self._told(text, given, streams, self._run(given, keep), seen)
        if edits and not is_unplaced(trace.positions):
            raise UnsupportedEdit(edits[0], BUILT)
        return replace(trace, edits=tuple(edits))

    def check_length(self, text: str, limit: int) -> None:
        """Refuse a text of more than so many tokens, before anything is computed.

        Raises:
            TextTooLong: it has more.
        """
        self.reader.check_length(text, limit)

    def generate(
        self,
        prompt: str = "",
        *,
        inputs: Mapping[str, Any] | None = None,
        steps: int = 20,
        strategy: Strategy | None = None,
        forced: Sequence[int] = (),
        language: str | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Generation:
        """What the model writes after a prompt, and a trace of every forward pass that it took.

        Raises:
            CannotGenerate: the model does not write.
            UnprovedSteps: it reads tokens again that it had read (XLNet), so its passes are not those of one text.
            TextError: nothing to read, too long, no tokenizer, no room for so many steps.
            BadRequest: inputs that this model does not read, or a language, which these models do not choose.
            TooManySteps: more than are written at once.
        """
        self.model.eval()
        writing = Writing(strategy or Strategy(), cancelled, forced)
        if not self.model.can_generate():
            raise CannotGenerate(self.name)
        writing.strategy.check_steps(steps, self.card.vocabulary)
        writing.strategy.check_forced(forced, self.card.vocabulary)
        self._check_language(language)
        check_readable(self.model)
        given, tokens, seen = self.reader.read(prompt, inputs, None)
        check_room(given, steps, self.reader.limit, self._is_encoder_decoder)
        self._settle(given)
        if self.lessons.of(given) is None:
            self.record(prompt, inputs=inputs)
        known = self.lessons.of(given) or self.lessons.all[-1]
        rows = writing.strategy.rows
        known = replace(known, study=self._affordable(known, given, steps * rows))
        watch = Watch(kept=self._modules(known.study))
        stitch = Stitch(known.plan, rows, self._is_encoder_decoder)
        written = write(self.model, given, steps, writing, watch=watch, stitch=stitch, traced=known.traced)
        if not stitch.adds_up:
            raise UnprovedSteps(self.name)
        shown = Run(known, Watch(passed=written.passed), written.calls, outputs_of(written))
        streams, new = written_tokens(written, tokens, self.tokenizer, prompt, self._is_encoder_decoder)
        trace, size = self._told(prompt, given, streams, shown, seen), writing.logits[0].shape[-1]
        names = Names(writing.logits[0], named(self.model, self.tokenizer, self.card.vocabulary, size))
        return generation(trace, new, written, writing, tokenizer=self.tokenizer, names=names)

    def _settle(self, inputs: Inputs) -> None:
        """Know the modules of a model that builds some anew, and keep an eye on them."""
        if is_sparse(self.model):
            settle(self.model, inputs)
            self._paths = {module: path for path, module in self.model.named_modules()}
            for known in self.lessons.all:
                observe(self._modules(known.study))

    def _check_language(self, language: str | None, reading: str | None = None) -> None:
        if reading is not None:
            raise BadRequest(f"reading {reading!r}; {self.name} reads forwards only")
        if language is not None:
            raise BadRequest(f"language {language!r}; write what {self.name} wants into the text instead")

    @property
    def _is_encoder_decoder(self) -> bool:
        return bool(self.model.config.is_encoder_decoder)

    def _named(self, stream: str, plan: Plan) -> str:
        """The tower that reads the text."""
        if self._is_encoder_decoder or stream != "text":
            return stream
        return next((tower for tower in plan.towers if tower not in {"vision", "audio"}), "encoder")

    def _run(self, inputs: Inputs, keep: Collection[Site] | None) -> Run:
        """One run; watched whole, and learnt from, where it is the first of its kind or shows something new."""
        check_readable(self.model)
        known = self.lessons.of(inputs)
        if known is not None:
            known = replace(known, study=self._affordable(known, inputs, keep=keep))
            watch = Watch(kept=self._modules(known.study))
            output, calls = run(self.model, inputs, watch, known.traced)
            if known.has_all(calls):
                return Run(known, watch, calls, outputs_of(output))
        with self.lessons.lock:
            watch = Watch()
            output, calls = run_whole(self.model, inputs, watch)
            known = self._learn(inputs, watch, calls)
        known = replace(known, study=self._affordable(known, inputs, keep=keep))
        kept = self._modules(known.study)
        watch.passed[:] = [one for one in watch.passed if one.module in kept]
        return Run(known, watch, calls, outputs_of(output))

    def _told(
        self,
        text: str,
        inputs: Inputs,
        streams: Mapping[str, tuple[Token, ...]],
        shown: Run,
        seen: Seen | None,
    ) -> Trace:
        """What a run showed, as a trace."""
        known, watch = shown.known, shown.watch
        assembly = self._assembled(watch, shown.calls, known, inputs)
        assembly.arrays |= {(site, ""): values for site, values in shown.outputs.arrays.items()}
        drop_unmatched(assembly.arrays)
        streams = {self._named(stream, known.plan): tokens for stream, tokens in streams.items()}
        grids = patch_grids(self.model, inputs.get("pixel_values"), assembly)
        tokens = tokens_of(self.model, assembly.lengths, streams, grids)
        predictions, names = self._predictions(assembly.arrays.get((Site.LOGITS, "")))
        return Trace(
            model=replace(self.card, dtype=precision(self.model, shown.calls)),
            text=text,
            tokens=tokens,
            blocks=tuple(assembly.blocks),
            arrays=assembly.arrays,
            positions=self._positions(assembly, watch, known),
            predictions=predictions,
            names=names,
            predicting=_predicting(tokens, shown.outputs.rows),
            output=self._output(tokens),
            picture=seen.picture if seen else None,
            resized=seen.resized if seen else None,
            cropped=bool(seen and seen.cropped),
            patches=grids,
            windows=window_regions(assembly, grids),
            dropped=known.study.dropped,
        )

    def _predictions(self, logits: NDArray | None) -> tuple[Sequence[Token], Sequence[Token]]:
        """The most probable token, or class, of each row of logits, and what all of their columns are called."""
        if logits is None or logits.ndim != 2:
            return (), ()
        said = named(self.model, self.tokenizer, self.card.vocabulary, logits.shape[-1])
        return Predictions(logits, said), Names(logits, said)

    def _output(self, tokens: Mapping[str, tuple[Token, ...]]) -> str:
        if self.tokenizer is None or not self._is_encoder_decoder:
            return ""
        ids = [token.id for token in tokens.get("decoder", ())]
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))


def _predicting(tokens: Mapping[str, tuple[Token, ...]], rows: int) -> str:
    """The stream with a prediction for each of its tokens; what reads comes last."""
    fitting = [stream for stream, read in tokens.items() if len(read) == rows]
    return fitting[-1] if fitting else ""


def wrap(model: Any, tokenizer: Any = None) -> Wrapped:
    """A transformers model that is in memory, made recordable; without a tokenizer or processor it takes ids.

    Raises:
        NoSoftmaxAttention: none of its layers computes softmax attention.
        UnreadableAttention: its masks are no tensors.
    """
    return Wrapped(model, tokenizer)
