from typing import Any

import numpy as np

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import attention


def exercise(kernels: Any) -> Results:
    lead, d, e = (2, 3), 17, 9
    q, k, v, g = normals((*lead, 21, d), (*lead, 45, d), (*lead, 45, e), (*lead, 21, e))
    per_head = np.arange(6 * 21 * 45).reshape(*lead, 21, 45) % 7 > 2
    for mask, is_causal in ((None, False), (None, True), (per_head, False), (normals(45)[0], True)):
        options = (mask, is_causal, 0.3)
        yield from both("attention", kernels, attention, q, k, v, *options)
        y, lse = attention.attention(q, k, v, *options)
        yield from both("attention_backward", kernels, attention, g, q, k, v, y, lse, *options)
