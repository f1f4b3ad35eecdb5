"""`MultiheadAttention` (Vaswani et al. 2017, section 3.2.2), with PyTorch's parameters and conventions.

Held by tests/nn/test_layers.py and tests/pytorch/.
"""

import math

from tinygen.nn import functional as F
from tinygen.nn import init
from tinygen.nn.linear import Linear
from tinygen.nn.module import Module, options
from tinygen.nn.parameter import Parameter
from tinygen.ops.comparison import logical_not, logical_or
from tinygen.ops.creation import empty, zeros
from tinygen.ops.elementwise import where
from tinygen.ops.joining import split
from tinygen.ops.manipulation import as_tensor
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, DTypeLike, Tensor


class MultiheadAttention(Module):
    """Attention with `num_heads` heads of width embed_dim / num_heads, between linear maps.

    Args:
        embed_dim: width E of queries, keys, values and output.
        num_heads: divides embed_dim.
        batch_first: sequences are (N, T, E) if True, else (T, N, E).
        rng: where the initial weights come from; None: seeded by the operating system.

    Parameters: in_proj_weight (3 E, E), queries', keys' and values' in that order, Xavier uniform; in_proj_bias
    (3 E,), 0; out_proj.weight (E, E), uniform within 1 / sqrt(E); out_proj.bias (E,), 0.

    Raises:
        ValueError: heads that do not divide the width.
    """

    in_proj_weight: Parameter
    in_proj_bias: Parameter | None
    out_proj: Linear

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        bias: bool = True,
        batch_first: bool = False,
        *,
        rng: Generator | None = None,
        dtype: DTypeLike = None,
    ):
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}")
        self.embed_dim, self.num_heads, self.batch_first = embed_dim, num_heads, batch_first
        rng = init.generator(rng)
        self.in_proj_weight = Parameter(empty(3 * embed_dim, embed_dim, dtype=dtype))
        init.xavier_uniform_(self.in_proj_weight, rng=rng)
        self.in_proj_bias = Parameter(zeros(3 * embed_dim, dtype=dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=rng, dtype=dtype)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: ArrayLike | None = None,
        need_weights: bool = False,
        attn_mask: ArrayLike | None = None,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """Attends from the queries (N, T, E) to the keys and values (N, S, E); (T, N, E) unless batch_first.

        Args:
            key_padding_mask: (N, S), True (or -inf, added) at keys nobody may attend to.
            need_weights: must be False: the fused kernel never forms the weights. None is returned for them.
            attn_mask: (T, S), or (N num_heads, T, S); True where attention is *not* allowed, as in PyTorch's class
                (`F.scaled_dot_product_attention` has it the other way round, as PyTorch's function), or added.
            is_causal: query i sees keys 0 to i.

        Raises:
            ValueError: shapes that do not fit, or need_weights.
        """
        if need_weights:
            raise ValueError(
                "MultiheadAttention: need_weights=True is not supported: the fused kernel never forms the weights"
            )
        named = {"query": query, "key": key, "value": value}
        for name, x in named.items():
            if x.ndim != 3 or x.shape[-1] != self.embed_dim:
                raise ValueError(
                    f"MultiheadAttention: {name} must be three axes, the last of {self.embed_dim}, found {x.shape}"
                )
        shared = query is key is value
        if not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        if not query.shape[0] == key.shape[0] == value.shape[0] or key.shape[1] != value.shape[1]:
            shapes = ", ".join(f"{name} {x.shape}" for name, x in named.items())
            raise ValueError(f"MultiheadAttention: batch sizes, or the lengths of key and value, differ: {shapes}")
        if shared:
            q, k, v = split(F.linear(query, self.in_proj_weight, self.in_proj_bias), self.embed_dim, axis=-1)
        else:
            weights = split(self.in_proj_weight, self.embed_dim)
            biases = (None,) * 3 if self.in_proj_bias is None else split(self.in_proj_bias, self.embed_dim)
            q, k, v = (F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
        mask = self._mask(attn_mask, key_padding_mask, query.shape[0], query.shape[1], key.shape[1], query.dtype)
        y = F.scaled_dot_product_attention(self._heads(q), self._heads(k), self._heads(v), mask, is_causal)
        y = self.out_proj(y.permute(0, 2, 1, 3).reshape(query.shape))
        return (y if self.batch_first else y.transpose(0, 1)), None

    def _heads(self, x: Tensor) -> Tensor:
        """(N, T, E) as (N, heads, T, E / heads)."""
        n, t, _ = x.shape
        return x.reshape(n, t, self.num_heads, self.embed_dim // self.num_heads).permute(0, 2, 1, 3)

    def _mask(
        self, attn: ArrayLike | None, padding: ArrayLike | None, n: int, t: int, s: int, dtype: DTypeLike
    ) -> Tensor | None:
        """Both masks as one for `F.scaled_dot_product_attention`, which broadcasts to (N, heads, T, S)."""
        masks = []
        if attn is not None:
            attn = as_tensor(attn)
            shapes = [(t, s), (n * self.num_heads, t, s)]
            if attn.shape not in shapes:
                raise ValueError(f"MultiheadAttention: attn_mask must be {shapes[0]} or {shapes[1]}, not {attn.shape}")
            masks.append(attn if attn.ndim == 2 else attn.reshape(n, self.num_heads, t, s))
        if padding is not None:
            padding = as_tensor(padding)
            if padding.shape != (n, s):
                raise ValueError(f"MultiheadAttention: key_padding_mask must be {(n, s)}, found {padding.shape}")
            masks.append(padding.reshape(n, 1, 1, s))
        if not masks:
            return None
        if all(m.dtype.kind == "b" for m in masks):
            return logical_not(masks[0] if len(masks) == 1 else logical_or(*masks))
        added = [where(m, -math.inf, 0.0).to(dtype) if m.dtype.kind == "b" else m for m in masks]
        return added[0] if len(added) == 1 else added[0] + added[1]

    def extra_repr(self) -> str:
        return options(embed_dim=self.embed_dim, num_heads=self.num_heads, batch_first=self.batch_first)
