"""Which tokens a masked language model is asked for, and what it sees in their place.

Devlin, Chang, Lee, Toutanova: BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, 2019
(https://aclanthology.org/N19-1423), section 3.1; whole words as in the later release of its code.

Shape suffixes: W windows, T tokens, V tokens of the vocabulary.
"""

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from textmill.errors import UserError
from textmill.training.words import Vocabulary, find_starts

IGNORED = -100  # target of a token that is not asked for, as in torch's cross-entropy
SHOWN_AS_MASK, SHOWN_AS_RANDOM = 0.8, 0.1  # of the tokens asked for; the rest is shown as it is
MASK_TOKENS = ("[MASK]", "<mask>", "<|mask|>", "<extra_id_0>")


class NoMaskToken(UserError):
    """The tokenizer has no token that stands for a hidden one."""


def find_mask_id(tokenizer: Tokenizer) -> int:
    """Raises: NoMaskToken."""
    for token in MASK_TOKENS:
        if (number := tokenizer.token_to_id(token)) is not None:
            return number
    raise NoMaskToken(
        "pretrain.objective is mlm, but the tokenizer of data/tokens has no mask token: none of "
        f"{', '.join(MASK_TOKENS)} is in its vocabulary. Take model.weights whose tokenizer has one (those of BERT and "
        "RoBERTa do, and tokenize.tokenizer: trained keeps it), or set pretrain.objective to clm with a decoder."
    )


class Masking(nn.Module):
    """Hides tokens anew at each call; the same for the same generator state."""

    special_V: Tensor
    begins_V: Tensor
    first_V: Tensor
    last_V: Tensor
    ordinary: Tensor  # ids of the tokens that are not special

    def __init__(self, vocabulary: Vocabulary, mask_id: int, share: float, *, whole_words: bool):
        """
        Args:
            share: of the tokens that are not special; each word (or token) is drawn on its own.
        """
        super().__init__()
        self.mask_id, self.share, self.whole_words = mask_id, share, whole_words
        for name in ("special_V", "begins_V", "first_V", "last_V"):
            self.register_buffer(name, torch.from_numpy(getattr(vocabulary, name)), persistent=False)
        self.register_buffer("ordinary", (~self.special_V).nonzero()[:, 0], persistent=False)

    def forward(self, ids_WT: Tensor, attention_mask_WT: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What the model sees, and the targets: int64 [W, T] both, IGNORED where nothing is asked.

        At least one token is asked for, if there is one that is not special.
        """
        asked_WT = self._choose(ids_WT, attention_mask_WT, generator)
        fate_WT = torch.rand(ids_WT.shape, generator=generator, device=ids_WT.device)
        drawn_WT = torch.randint(len(self.ordinary), ids_WT.shape, generator=generator, device=ids_WT.device)
        shown_WT = torch.where(asked_WT & (fate_WT < SHOWN_AS_MASK), self.mask_id, ids_WT)
        random_WT = asked_WT & (fate_WT >= 1 - SHOWN_AS_RANDOM)
        shown_WT = torch.where(random_WT, self.ordinary[drawn_WT], shown_WT)
        return shown_WT, torch.where(asked_WT, ids_WT, IGNORED)

    def _choose(self, ids_WT: Tensor, attention_mask_WT: Tensor, generator: torch.Generator) -> Tensor:
        noise_WT = torch.rand(ids_WT.shape, generator=generator, device=ids_WT.device)
        if self.whole_words:
            starts_WT = find_starts(ids_WT, self.special_V, self.begins_V, self.first_V, self.last_V)
            noise_WT = noise_WT.gather(1, starts_WT.cumsum(1) - 1)  # a number for each word
        allowed_WT = attention_mask_WT.bool() & ~self.special_V[ids_WT]
        noise_WT = noise_WT.masked_fill(~allowed_WT, 2.0)
        return (noise_WT < self.share) | ((noise_WT == noise_WT.min()) & allowed_WT)
