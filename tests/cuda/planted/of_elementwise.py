from planted.bug import Bug

BUGS = [
    Bug(
        "one element too many",
        "common.cuh",
        "threadIdx.x; i < (n);",
        "threadIdx.x; i <= (n);",
        "elementwise",
        "wrote beyond the end|out of bounds",
    ),
    Bug(
        "a block's index left out",
        "common.cuh",
        "Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x;",
        "Index i = threadIdx.x;",
        "elementwise",
        "differs",
    ),
]
