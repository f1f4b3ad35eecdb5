from planted.bug import Bug

BUGS = [
    Bug(
        "half of a warp is summed",
        "common.cuh",
        "bits = 16; bits; bits /= 2) value +=",
        "bits = 8; bits; bits /= 2) value +=",
        "softmax",
        "differs",
    ),
    Bug(
        "a shuffle whose mask leaves lanes out",
        "common.cuh",
        "ALL_LANES = 0xffffffffu",
        "ALL_LANES = 0xffffu",
        "softmax",
        r"common\.cuh:\d+: a lane takes part .* whose mask leaves it out",
    ),
    Bug(
        "warps beyond the last row go on",
        "softmax.cu",
        "\nsoftmax_rows(const stored* __restrict__ x, stored* __restrict__ y, Index rows, Index columns) {\n"
        "  Index row = warp_index();\n  if (row >= rows) return;",
        "\nsoftmax_rows(const stored* __restrict__ x, stored* __restrict__ y, Index rows, Index columns) {\n"
        "  Index row = warp_index();",
        "softmax",
        r"softmax\.cu:\d+.*: out of bounds",
    ),
]
