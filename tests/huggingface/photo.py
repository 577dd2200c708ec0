"""A photograph, files made of it, and a tokenizer that ends a text as CLIP wants it."""

import io

import numpy as np
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

PHOTO = Image.fromarray(
    np.stack([np.add.outer(np.arange(50) * k, np.arange(90) * 3) % 256 for k in (1, 2, 5)], axis=-1).astype(
        np.uint8
    )
)
WORDS = ["<pad>", "<s>", "</s>", "<unk>", "a", "photo", "of", "cat"]


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def words():
    """A tokenizer that ends every text as CLIP wants it."""
    tokenizer = Tokenizer(models.WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
