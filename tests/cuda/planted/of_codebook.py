from planted.bug import Bug

BUGS = [
    Bug(
        "numbers are overwritten while others still read them",
        "codebook.cu",
        "  __syncthreads();  // before",
        "  // before",
        "codebook",
        "differs",
    ),
    Bug(
        "codes behind the last are looked at",
        "codebook.cu",
        "if (code < codes && dist",
        "if (dist",
        "codebook",
        "differs",
    ),
    Bug(
        "of equals any",
        "codebook.cu",
        "(b.distance == a.distance && b.code < a.code)",
        "(b.distance == a.distance && b.code > a.code)",
        "codebook",
        "differs",
    ),
    Bug(
        "the dimensions behind the last full tile are left out",
        "codebook.cu",
        "depth < width; depth += DEPTH",
        "depth + DEPTH <= width; depth += DEPTH",
        "codebook",
        "differs",
    ),
]
