from planted.bug import Bug

BUGS = [
    Bug(
        "a tile is overwritten while others still read it",
        "attention.cu",
        "    __syncthreads();  // until nobody reads the tile before\n",
        "",
        "attention",
        "differs",
    ),
    Bug(
        "the zeros behind the last key are looked at",
        "attention.cu",
        "last = causal ? min(keys, at.first + ROWS) : keys;\n  for (Index first = 0; first < last; first += TILE) {\n"
        "    __syncthreads();  //",
        "last = (keys + TILE - 1) / TILE * TILE;\n  for (Index first = 0; first < last; first += TILE) {\n"
        "    __syncthreads();  //",
        "attention",
        "differs|out of bounds",
    ),
    Bug(
        "a shuffle within a loop that some lanes have left",
        "attention.cu",
        "score = inside ? masked(score, at.row, j, mask, row_stride, column_stride, causal) : -infinity();\n"
        "      if (score == -infinity()) continue;\n      real peak",
        "score = inside ? masked(score, at.row, j, mask, row_stride, column_stride, causal) : -infinity();\n"
        "      if (score == -infinity()) break;\n      real peak",
        "attention",
        "deadlock in a warp operation|different barriers|different operations",
    ),
]
