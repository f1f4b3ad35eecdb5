from planted.bug import Bug

BUGS = [
    Bug(
        "threads that share a column do not wait for each other",
        "reduction.cu",
        "[threadIdx.y * blockDim.x + threadIdx.x] = value;\n  __syncthreads();",
        "[threadIdx.y * blockDim.x + threadIdx.x] = value;",
        "reduction",
        "differs",
    ),
    Bug(
        "a last chunk that is not full goes on into the next row",
        "reduction.cu",
        "EACH_OF_ROW(i, min(span, n - first))",
        "EACH_OF_ROW(i, span)",
        "reduction",
        "differs|out of bounds",
    ),
    Bug(
        "parts of squares are squared again",
        "reduction.cu",
        "KERNELS(sum_of_parts, Sum, wide)",
        "KERNELS(sum_of_parts, Squares, wide)",
        "reduction",
        "differs",
    ),
    Bug(
        "the least starts from 0",
        "reduction.cu",
        "start() { return infinity(); }",
        "start() { return 0; }",
        "reduction",
        "differs",
    ),
]
