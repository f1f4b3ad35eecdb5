from planted.bug import Bug

BUGS = [
    Bug(
        "the warps of a block are added up before all have written",
        "block.cuh",
        "= value;\n  __syncthreads();",
        "= value;",
        "norm",
        "differs",
    ),
    Bug(
        "only the first 256 of the partial sums are added",
        "norm.cu",
        "i < count; i += blockDim.x) sum += sums",
        "i < count; i += count) sum += sums",
        "norm",
        "differs",
    ),
    Bug("the root is forgotten", "norm.cu", "*norm = (real)sqrt(sum);", "*norm = sum;", "norm", "differs"),
]
