"""Sequence to sequence before the Transformer: two recurrent networks, without and with attention.

To be read beside Sutskever et al. 2014, Cho et al. 2014, Bahdanau et al. 2015 and Luong et al. 2015:

    encoder:  h_i = GRU(x_i, h_{i−1}),  h_0 = 0          x: rows of the embedding table
    decoder:  s_t = GRU(y_t, s_{t−1}),  s_0 = h_n        y: the words written so far
    context:  c_t = h_n                                  without attention: one vector for the whole sentence
              c_t = Σ_i α_ti h_i                         with attention: another one at each step
    output:   o_t = tanh(W_c [c_t; s_t] + b_c),  logits = E o_t                     (Luong et al. 2015, eq. 5 and 6)

The two models differ in the line of the context only. α is the softmax of s_tᵀ W_a h_i over the source words
("general", Luong et al. 2015, eq. 8), with no √d. Who wants the source read backwards gives it so (Sutskever et al.
2014, §3.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models import attention
from models.builtin.encoder_decoder import Cache, EncoderDecoder, Ids
from models.masks import visible
from models.recorder import edited, note
from models.trace import Site

CROSS = "decoder.0.cross"
"""The place of the attention, as in a Transformer of one layer."""

Vectors = Float[Tensor, "batch position d_model"]
States = Float[Tensor, "batch position unit"]
State = Float[Tensor, "batch unit"]


@dataclass(frozen=True)
class Config:
    """Sizes of the two networks; `padding` is the id of the token that nobody reads."""

    vocabulary: int
    d_model: int = 128
    units: int = 256
    attention: bool = False
    padding: int = 0


class GRU(nn.Module):
    """A gated recurrent unit (Cho et al. 2014), with its gates as torch's own GRU has them.

    reset      r_t = σ(W_r x_t + U_r h_{t−1})            each W and each U with a bias
    update     z_t = σ(W_z x_t + U_z h_{t−1})
    candidate  ĥ_t = tanh(W_h x_t + r_t ∘ U_h h_{t−1})
    state      h_t = (1 − z_t) ∘ ĥ_t + z_t ∘ h_{t−1}
    """

    def __init__(self, d_input: int, units: int, place: str) -> None:
        super().__init__()
        self.place = place
        self.input = nn.Linear(d_input, 3 * units)
        self.state = nn.Linear(units, 3 * units)

    def forward(self, x: Vectors, state: State, read: Bool[Tensor, "batch position"]) -> States:
        """The state after each token; one that is not to be read leaves the state as it is."""
        from_input = self.input(x)  # (batch, position, 3·unit)
        steps = []
        for word, is_read in zip(from_input.unbind(dim=1), read[..., None].unbind(dim=1), strict=True):
            step = self.step(word, state)
            state = torch.where(is_read, step[0], state)
            steps.append((state, *step[1:]))
        states, from_state, reset, update, candidate = (
            torch.stack(each, dim=1) for each in zip(*steps, strict=True)
        )
        note(Site.GATE_INPUT, self.place, from_input.unflatten(-1, (3, -1)))
        note(Site.GATE_STATE, self.place, from_state.unflatten(-1, (3, -1)))
        note(Site.RESET, self.place, reset)
        note(Site.UPDATE, self.place, update)
        note(Site.CANDIDATE, self.place, candidate)
        return note(Site.STATE, self.place, states)

    def step(
        self, from_input: Float[Tensor, "batch gates"], state: State
    ) -> tuple[State, Float[Tensor, "batch gates"], State, State, State]:
        """h_t from W x_t and h_{t−1}; with it U h_{t−1} and the gates r, z, ĥ."""
        from_state = self.state(state)
        (w_r, w_z, w_h), (u_r, u_z, u_h) = from_input.chunk(3, dim=-1), from_state.chunk(3, dim=-1)
        reset, update = (w_r + u_r).sigmoid(), (w_z + u_z).sigmoid()
        candidate = (w_h + reset * u_h).tanh()
        return (1 - update) * candidate + update * state, from_state, reset, update, candidate


class LastState(nn.Module):
    """The context without attention: the encoder's last state, the same at every step."""

    def forward(self, states: States, encoded: States, mask: Bool[Tensor, "batch 1 1 key"]) -> States:  # noqa: ARG002
        """c_t = h_n for every t."""
        return encoded[:, -1:].expand(-1, states.shape[1], -1)


class Attention(nn.Module):
    """The context with attention: one head whose keys and values are the encoder's states themselves."""

    def __init__(self, units: int, place: str) -> None:
        super().__init__()
        self.place = place
        self.query = nn.Linear(units, units, bias=False)

    def forward(self, states: States, encoded: States, mask: Bool[Tensor, "batch 1 1 key"]) -> States:
        """c_t = Σ_i α_ti h_i, where α_t = softmax over i of s_tᵀ W_a h_i."""
        note(Site.QUERY_INPUT, self.place, states)
        note(Site.KEY_INPUT, self.place, encoded)
        query = note(Site.QUERY, self.place, self.query(states)[:, None])
        key = note(Site.KEY, self.place, encoded[:, None])  # (batch, head, key, unit)
        value = note(Site.VALUE, self.place, encoded[:, None])

        mask = edited(Site.MASK, self.place, mask.expand(-1, -1, states.shape[1], -1))
        scores = note(Site.MASKED_SCORES, self.place, attention.masked(query @ key.mT, mask))
        weights = edited(Site.WEIGHTS, self.place, attention.weights(scores))
        return edited(Site.CONTEXT, self.place, attention.context(weights, value))[:, 0]


class Seq2Seq(EncoderDecoder):
    """Encoder, decoder, the context between them, and one embedding table for source, target and output."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.d_model)
        self.encoder = GRU(config.d_model, config.units, "encoder")
        self.decoder = GRU(config.d_model, config.units, "decoder")
        self.context = Attention(config.units, CROSS) if config.attention else LastState()
        self.output = nn.Linear(2 * config.units, config.d_model)
        self.initialise()

    def encode(self, source: Ids) -> States:
        """The encoder's state after each source token; the last one has seen them all."""
        x = self.embed(source, "encoder")
        nothing = x.new_zeros(len(x), self.config.units)
        return self.encoder(x, nothing, source != self.config.padding)

    def decode(
        self,
        target: Int[Tensor, "batch target"],
        encoded: Float[Tensor, "batch key unit"],
        source: Int[Tensor, "batch key"],
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch new vocabulary"]:
        """Logits of the next token at each target position; a position never sees a later one."""
        state, new = encoded[:, -1], target
        if cache is not None and cache.length:  # all that was read is in one state
            (state,), new = cache.kept["decoder"], target[:, cache.length :]
        states = self.decoder(self.embed(new, "decoder"), state, new != self.config.padding)
        if cache is not None:
            cache.kept["decoder"], cache.length = (states[:, -1],), target.shape[1]
        context = self.context(states, encoded, visible(source, self.config.padding))
        note(Site.CONTEXT_VECTOR, "decoder", context)
        output = self.output(torch.cat([context, states], dim=-1)).tanh()
        note(Site.OUTPUT_VECTOR, "", output)
        return note(Site.LOGITS, "", output @ self.embedding.weight.T)

    def embed(self, ids: Ids, stream: str) -> Vectors:
        """Rows of the table; the order of the words enters by reading them one after the other."""
        return note(Site.TOKEN_EMBEDDING, stream, self.embedding(ids))

    def initialise(self) -> None:
        """Normal embeddings; each gate Xavier for the word, orthogonal for the state."""
        nn.init.normal_(self.embedding.weight, std=0.3)
        for gru in (self.encoder, self.decoder):
            for gate in gru.input.weight.chunk(3):
                nn.init.xavier_uniform_(gate)
            for gate in gru.state.weight.chunk(3):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(gru.input.bias)
            nn.init.zeros_(gru.state.bias)
