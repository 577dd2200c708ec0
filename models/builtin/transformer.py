"""The Transformer of 2017, to be read beside the paper: Vaswani et al., "Attention Is All You Need".

    encoder layer:  x = norm(x + self-attention(x));  x = norm(x + feed-forward(x))
    decoder layer:  the same, with causal self-attention and, between the two, cross-attention to the encoder's output

Post-norm, ReLU, sinusoidal positions, one embedding table for source, target and output (§3.4). Each sublayer knows
its place ("decoder.1.cross") and tells the run's recorder what it computed; without a recorder nothing is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models import attention
from models.builtin.encoder_decoder import Cache, EncoderDecoder, Ids
from models.masks import causal, visible
from models.positions import sinusoidal
from models.recorder import edited, note
from models.trace import Site

Vectors = Float[Tensor, "batch position d_model"]
MaskGrid = Bool[Tensor, "#batch 1 #query key"]


@dataclass(frozen=True)
class Config:
    """Sizes of a Transformer; `padding` is the id of the token that nobody may attend to."""

    vocabulary: int
    d_model: int = 128
    heads: int = 4
    d_hidden: int = 256
    encoder_layers: int = 2
    decoder_layers: int = 2
    dropout: float = 0.1
    max_length: int = 80
    padding: int = 0

    @property
    def d_head(self) -> int:
        """Length of a query or key vector of one head."""
        return self.d_model // self.heads


class MultiHeadAttention(nn.Module):
    """MultiHead(Q, K, V) = Concat(head_1, …, head_h) W_O   (§3.2.2)."""

    def __init__(self, config: Config, place: str) -> None:
        super().__init__()
        self.heads, self.place = config.heads, place
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key = nn.Linear(config.d_model, config.d_model)
        self.value = nn.Linear(config.d_model, config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(
        self,
        x: Vectors,
        source: Float[Tensor, "batch source d_model"],
        mask: MaskGrid,
        cache: Cache | None = None,
    ) -> Vectors:
        """What each position of `x` gathers from the positions of `source` that its mask allows."""
        note(Site.QUERY_INPUT, self.place, x)
        query = note(Site.QUERY, self.place, self.split(self.query(x)))
        key, value = self.keys_and_values(source, cache)

        mask = mask.expand(len(x), self.heads, x.shape[1], key.shape[-2])
        mask = edited(Site.MASK, self.place, mask)
        scores = attention.masked(attention.scores(query, key), mask)
        weights = attention.weights(note(Site.MASKED_SCORES, self.place, scores))
        weights = edited(Site.WEIGHTS, self.place, weights)
        context = edited(Site.CONTEXT, self.place, attention.context(weights, value))
        return note(Site.ATTENTION_OUTPUT, self.place, self.output(self.join(context)))

    def keys_and_values(
        self, source: Float[Tensor, "batch source d_model"], cache: Cache | None
    ) -> tuple[attention.Keys, ...]:
        """Of every position of the source; those of the encoder's output are computed once, then kept."""
        if cache is not None and self.place.endswith(".cross") and self.place in cache.kept:
            return cache.kept[self.place]
        note(Site.KEY_INPUT, self.place, source)
        key = note(Site.KEY, self.place, self.split(self.key(source)))
        value = note(Site.VALUE, self.place, self.split(self.value(source)))
        return (key, value) if cache is None else cache.grown(self.place, key, value)

    def split(self, x: Vectors) -> attention.Queries:
        """One vector of d_model numbers → `heads` vectors of d_head."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (batch, head, position, d_head)

    def join(self, context: attention.Queries) -> Vectors:
        """The heads' vectors side by side again: Concat(head_1, …, head_h)."""
        return context.transpose(1, 2).flatten(-2)


class FeedForward(nn.Module):
    """FFN(x) = max(0, x W₁ + b₁) W₂ + b₂, at each position alone   (§3.3)."""

    def __init__(self, config: Config, place: str) -> None:
        super().__init__()
        self.place = place
        self.up = nn.Linear(config.d_model, config.d_hidden)
        self.down = nn.Linear(config.d_hidden, config.d_model)

    def forward(self, x: Vectors) -> Vectors:
        """Up to d_hidden, keep what is positive, back down to d_model."""
        up = note(Site.UP, self.place, self.up(note(Site.MLP_INPUT, self.place, x)))
        hidden = note(Site.HIDDEN, self.place, up.relu())
        return note(Site.MLP_OUTPUT, self.place, self.down(hidden))


class AddAndNorm(nn.Module):
    """norm(x + sublayer(x)): the residual connection and, after it, layer normalisation   (§3.1, §5.4)."""

    def __init__(self, config: Config, place: str) -> None:
        super().__init__()
        self.place = place
        self.norm = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Vectors, written: Vectors) -> Vectors:
        """Add what the sublayer wrote to the stream, then normalise each position."""
        total = note(Site.RESIDUAL_SUM, self.place, x + self.dropout(written))
        return note(Site.NORM, self.place, self.norm(total))


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: Config, place: str) -> None:
        super().__init__()
        self.place = place
        self.attention = MultiHeadAttention(config, f"{place}.self")
        self.attention_norm = AddAndNorm(config, f"{place}.self")
        self.mlp = FeedForward(config, f"{place}.mlp")
        self.mlp_norm = AddAndNorm(config, f"{place}.mlp")

    def forward(self, x: Vectors, mask: MaskGrid) -> Vectors:
        """One layer further up the encoder."""
        x = self.attention_norm(x, self.attention(x, x, mask))
        x = self.mlp_norm(x, self.mlp(x))
        return note(Site.RESIDUAL, self.place, x)


class DecoderLayer(nn.Module):
    """Causal self-attention, cross-attention to the encoder's output, then feed-forward."""

    def __init__(self, config: Config, place: str) -> None:
        super().__init__()
        self.place = place
        self.attention = MultiHeadAttention(config, f"{place}.self")
        self.attention_norm = AddAndNorm(config, f"{place}.self")
        self.cross = MultiHeadAttention(config, f"{place}.cross")
        self.cross_norm = AddAndNorm(config, f"{place}.cross")
        self.mlp = FeedForward(config, f"{place}.mlp")
        self.mlp_norm = AddAndNorm(config, f"{place}.mlp")

    def forward(
        self,
        x: Vectors,
        mask: MaskGrid,
        source: Float[Tensor, "batch source d_model"],
        source_mask: Bool[Tensor, "#batch 1 #query source"],
        cache: Cache | None = None,
    ) -> Vectors:
        """One layer further up the decoder; `source` is the encoder's last output, the same for every layer."""
        x = self.attention_norm(x, self.attention(x, x, mask, cache))
        x = self.cross_norm(x, self.cross(x, source, source_mask, cache))
        x = self.mlp_norm(x, self.mlp(x))
        return note(Site.RESIDUAL, self.place, x)


class Transformer(EncoderDecoder):
    """Encoder, decoder, and the embedding table they share with the output."""

    positions: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.d_model)
        self.register_buffer("positions", sinusoidal(config.max_length, config.d_model), persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(
            EncoderLayer(config, f"encoder.{i}") for i in range(config.encoder_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(config, f"decoder.{i}") for i in range(config.decoder_layers)
        )
        self.initialise()

    def encode(self, source: Ids) -> Vectors:
        """The source sentence, each token knowing the others."""
        mask = visible(source, self.config.padding)
        x = self.embed(source, "encoder")
        for layer in self.encoder:
            x = layer(x, mask)
        return x

    def decode(
        self,
        target: Int[Tensor, "batch target"],
        encoded: Float[Tensor, "batch key d_model"],
        source: Int[Tensor, "batch key"],
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch new vocabulary"]:
        """Logits of the next token at each target position; a position never sees a later one."""
        first, length = 0 if cache is None else cache.length, target.shape[1]
        mask = causal(length, target.device)[:, :, first:] & visible(target, self.config.padding)
        source_mask = visible(source, self.config.padding)
        x = self.embed(target[:, first:], "decoder", first)
        for layer in self.decoder:
            x = layer(x, mask, encoded, source_mask, cache)
        if cache is not None:
            cache.length = length
        return note(Site.LOGITS, "", note(Site.OUTPUT_VECTOR, "", x) @ self.embedding.weight.T)

    def embed(self, ids: Ids, stream: str, first: int = 0) -> Vectors:
        """Rows of the table × √d_model (§3.4), plus the encoding of each position, counted from `first`."""
        embedded = note(Site.TOKEN_EMBEDDING, stream, self.embedding(ids) * math.sqrt(self.config.d_model))
        positions = self.positions[first : first + ids.shape[1]][None]
        positions = edited(Site.POSITION_ENCODING, stream, positions)
        return note(Site.RESIDUAL, stream, self.dropout(embedded + positions))

    def initialise(self) -> None:
        """Xavier for the projections, 1/√d_model for the embeddings, zero for every bias."""
        nn.init.normal_(self.embedding.weight, std=self.config.d_model**-0.5)
        for name, parameter in self.named_parameters():
            if "norm" not in name and name.endswith("weight") and name != "embedding.weight":
                nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
