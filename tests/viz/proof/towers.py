"""Encoders, and pairs of an encoder and a decoder, read by hand: BERT, ViT, Swin, T5, BART, Marian. See `own.py`."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from models.trace import Block
from tests.viz.proof.own import Made, Network, Norm, Own, of_heads


def layer_of(block: Block) -> str:
    return block.name.split(".")[1]


class Named(Own):
    """Those whose maps have a module each; a family says what they are called."""

    maps = ("query", "key", "value")

    def attention(self, block: Block) -> str:
        """The name of the module that holds the maps of queries, keys and values."""
        raise NotImplementedError

    def networks(self, block: Block) -> tuple[str, str]:
        """The names of the maps up and down."""
        raise NotImplementedError

    def projected(self, block: Block, x: Tensor, source: Tensor) -> Made:
        name, (query, key, value) = self.attention(block), self.maps
        q, k, v = (
            of_heads(self.linear(given, f"{name}.{part}"), block.heads)
            for given, part in ((x, query), (source, key), (source, value))
        )
        return q, k, v

    def network(self, block: Block, x: Tensor) -> Network:
        up = self.linear(x, self.networks(block)[0])
        hidden = self.activation(up)
        return Network(up, None, hidden, self.linear(hidden, self.networks(block)[1]))


class Bert(Named):
    """Three embeddings and a norm; a norm after each sum; a head that turns what is left into words."""

    is_post = True
    positions_at = ("position_embeddings.weight",)
    head = "cls.predictions.decoder"

    def layer(self, block: Block) -> str:
        return f"bert.encoder.layer.{layer_of(block)}"

    def attention(self, block: Block) -> str:
        return f"{self.layer(block)}.attention.self"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        return self.state["bert.embeddings.word_embeddings.weight"][read]

    def position(self, stream: str, count: int) -> Tensor:
        return self.state["bert.embeddings.position_embeddings.weight"][:count]

    def segment(self, sentence: Tensor) -> Tensor:
        return self.state["bert.embeddings.token_type_embeddings.weight"][sentence]

    def entering(self, stream: str, total: Tensor) -> Tensor:
        return self.layer_norm("bert.embeddings.LayerNorm", self.config.layer_norm_eps)(total)

    def norm(self, block: Block, stage: str) -> Norm:
        return self.layer_norm(f"{self.layer(block)}.attention.output.LayerNorm", self.config.layer_norm_eps)

    def mlp_norm(self, block: Block) -> Norm:
        return self.layer_norm(f"{self.layer(block)}.output.LayerNorm", self.config.layer_norm_eps)

    def out(self, block: Block) -> str:
        return f"{self.layer(block)}.attention.output.dense"

    def networks(self, block: Block) -> tuple[str, str]:
        return f"{self.layer(block)}.intermediate.dense", f"{self.layer(block)}.output.dense"

    def ending(self, x: Tensor) -> Tensor:
        name = "cls.predictions.transform"
        norm = self.layer_norm(f"{name}.LayerNorm", self.config.layer_norm_eps)
        return norm(functional.gelu(self.linear(x, f"{name}.dense")))

    def next_sentence(self, x: Tensor) -> Tensor:
        return self.linear(self.linear(x[0], "bert.pooler.dense").tanh(), "cls.seq_relationship")


class Vit(Named):
    """Patches of an image behind a class token, learned positions, LayerNorm before each sublayer."""

    maps = ("q_proj", "k_proj", "v_proj")
    head = "classifier"

    def layer(self, block: Block) -> str:
        return f"vit.layers.{layer_of(block)}"

    def attention(self, block: Block) -> str:
        return f"{self.layer(block)}.attention"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        name, size = "vit.embeddings.patch_embeddings.projection", self.config.patch_size
        maps = (self.state[f"{name}.weight"], self.state[f"{name}.bias"])
        patches = functional.conv2d(read, *maps, stride=size)[0].flatten(1).T
        return torch.cat([self.state["vit.embeddings.cls_token"][0], patches])

    def position(self, stream: str, count: int) -> Tensor:
        return self.state["vit.embeddings.position_embeddings"][0, :count]

    def norm(self, block: Block, stage: str) -> Norm:
        return self.layer_norm(f"{self.layer(block)}.layernorm_before", self.config.layer_norm_eps)

    def mlp_norm(self, block: Block) -> Norm:
        return self.layer_norm(f"{self.layer(block)}.layernorm_after", self.config.layer_norm_eps)

    def out(self, block: Block) -> str:
        return f"{self.attention(block)}.o_proj"

    def networks(self, block: Block) -> tuple[str, str]:
        return f"{self.layer(block)}.mlp.fc1", f"{self.layer(block)}.mlp.fc2"

    def ending(self, x: Tensor) -> Tensor:
        """Of the class token alone."""
        return self.final_norm("encoder")(x)[:1]

    def final_norm(self, stream: str) -> Norm:
        return self.layer_norm("vit.layernorm", self.config.layer_norm_eps)


class Swin(Vit):
    """Attention within square windows of patches, in every second layer of an image that is rolled by half a window."""

    def layer(self, block: Block) -> str:
        place = int(layer_of(block))
        for stage, depth in enumerate(self.config.depths):
            if place < depth:
                return f"swin.encoder.layers.{stage}.blocks.{place}"
            place -= depth
        raise IndexError(block.name)

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        name, size = "swin.embeddings.patch_embeddings.projection", self.config.patch_size
        maps = (self.state[f"{name}.weight"], self.state[f"{name}.bias"])
        return functional.conv2d(read, *maps, stride=size)[0].flatten(1).T

    def entering(self, stream: str, total: Tensor) -> Tensor:
        return self.layer_norm("swin.embeddings.norm", self.config.layer_norm_eps)(total)

    def windows(self, block: Block, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """(patch,) which window each patch is in, which part of the rolled image; (patch, 2) where in the window."""
        side, size = math.isqrt(count), self.config.window_size
        is_rolled = self.layer(block).endswith("1") and side > size
        shift = size // 2 if is_rolled else 0
        place = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), dim=-1)
        rolled = (place.reshape(-1, 2) - shift) % side
        part = (rolled >= side - size).long() + (rolled >= side - shift).long()
        factors = torch.tensor([side, 1])
        return (rolled // size * factors).sum(-1), (part * factors).sum(-1) * is_rolled, rolled % size

    def added(self, block: Block, queries: int, keys: int) -> Tensor:
        table = self.state[f"{self.attention(block)}.relative_position_bias.relative_position_bias_table"]
        size = self.config.window_size
        inside = self.windows(block, queries)[2]
        apart = inside[:, None] - inside[None] + size - 1
        return table[apart[..., 0] * (2 * size - 1) + apart[..., 1]].permute(2, 0, 1)

    def pattern(self, block: Block, count: int) -> tuple[Tensor, Tensor]:
        """(query, key): what lies in one window; and what lies in one part of the rolled image."""
        window, part, _ = self.windows(block, count)
        return window[:, None] == window, part[:, None] == part

    def mask(self, block: Block, x: Tensor, source: Tensor) -> Tensor:
        window, part = self.pattern(block, len(x))
        return window & part

    def final_norm(self, stream: str) -> Norm:
        return self.layer_norm("swin.layernorm", self.config.layer_norm_eps)

    def ending(self, x: Tensor) -> Tensor:
        """The mean of all patches."""
        return self.final_norm("encoder")(x).mean(dim=0, keepdim=True)


class T5(Named):
    """RMSNorm before each sublayer, no √d, and positions as what is added to the scores."""

    maps = ("q", "k", "v")
    positions_at = ("relative_attention_bias.weight",)
    activation = staticmethod(functional.relu)

    def layer(self, block: Block) -> str:
        return f"{block.query_stream}.block.{layer_of(block)}.layer"

    def attention(self, block: Block) -> str:
        return f"{self.layer(block)}.{'1.EncDecAttention' if block.kind == 'cross' else '0.SelfAttention'}"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        return self.state["shared.weight"][read]

    def norm(self, block: Block, stage: str) -> Norm:
        name = f"{self.layer(block)}.{int(block.kind == 'cross')}.layer_norm"
        return self.rms_norm(name, self.config.layer_norm_epsilon)

    def last(self, block: Block) -> str:
        return f"{self.layer(block)}.{1 if block.query_stream == 'encoder' else 2}"

    def mlp_norm(self, block: Block) -> Norm:
        return self.rms_norm(f"{self.last(block)}.layer_norm", self.config.layer_norm_epsilon)

    def scale(self, block: Block, d_head: int) -> float:
        return 1.0

    def added(self, block: Block, queries: int, keys: int) -> Tensor:
        """Raffel et al. 2020, §2.1: a number for each head and bucket of distances, those of the first layer."""
        distance = torch.arange(keys) - torch.arange(queries)[:, None]
        buckets = self.config.relative_attention_num_buckets
        later = 0
        if block.query_stream == "encoder":
            buckets //= 2
            later = (distance > 0) * buckets
            distance = distance.abs()
        else:
            distance = (-distance).clamp(min=0)
        exact, furthest = buckets // 2, self.config.relative_attention_max_distance
        far = torch.log(distance.clamp(min=1).double() / exact) / math.log(furthest / exact)
        far = (exact + (far * (buckets - exact)).long()).clamp(max=buckets - 1)
        name = f"{block.query_stream}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        return self.state[name][later + torch.where(distance < exact, distance, far)].permute(2, 0, 1)

    def out(self, block: Block) -> str:
        return f"{self.attention(block)}.o"

    def networks(self, block: Block) -> tuple[str, str]:
        return f"{self.last(block)}.DenseReluDense.wi", f"{self.last(block)}.DenseReluDense.wo"

    def top(self, stream: str, x: Tensor) -> Tensor:
        return self.final_norm(stream)(x)

    def final_norm(self, stream: str) -> Norm:
        return self.rms_norm(f"{stream}.final_layer_norm", self.config.layer_norm_epsilon)

    def ending(self, x: Tensor) -> Tensor:
        factor = self.config.d_model**-0.5 if self.config.scale_decoder_outputs else 1.0
        return self.top("decoder", x) * factor


class Bart(Named):
    """Learned positions from row 2 on, a norm of the sum, and a norm after each sublayer."""

    is_post = True
    maps = ("q_proj", "k_proj", "v_proj")
    positions_at = ("embed_positions.weight",)

    def layer(self, block: Block) -> str:
        return f"model.{block.query_stream}.layers.{layer_of(block)}"

    def attention(self, block: Block) -> str:
        return f"{self.layer(block)}.{'encoder_attn' if block.kind == 'cross' else 'self_attn'}"

    def embedding(self, stream: str, read: Tensor) -> Tensor:
        factor = self.config.d_model**0.5 if self.config.scale_embedding else 1.0
        return self.state["model.shared.weight"][read] * factor

    def position(self, stream: str, count: int) -> Tensor:
        return self.state[f"model.{stream}.embed_positions.weight"][2 : 2 + count]

    def entering(self, stream: str, total: Tensor) -> Tensor:
        return self.layer_norm(f"model.{stream}.layernorm_embedding", 1e-5)(total)

    def norm(self, block: Block, stage: str) -> Norm:
        return self.layer_norm(f"{self.attention(block)}_layer_norm", 1e-5)

    def mlp_norm(self, block: Block) -> Norm:
        return self.layer_norm(f"{self.layer(block)}.final_layer_norm", 1e-5)

    def out(self, block: Block) -> str:
        return f"{self.attention(block)}.out_proj"

    def networks(self, block: Block) -> tuple[str, str]:
        return f"{self.layer(block)}.fc1", f"{self.layer(block)}.fc2"

    def unembedding(self) -> tuple[Tensor, Tensor]:
        return self.state["lm_head.weight"], self.state["final_logits_bias"][0]


class Marian(Bart):
    """The same with sines: all of a row's sines stand before its cosines."""

    def position(self, stream: str, count: int) -> Tensor:
        width = self.config.d_model
        frequency = 10000.0 ** (-torch.arange(0, width, 2).double() / width)
        angle = torch.outer(torch.arange(count).double(), frequency)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def entering(self, stream: str, total: Tensor) -> Tensor:
        return total
