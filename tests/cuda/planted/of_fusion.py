from planted.bug import Bug

BUGS = [
    Bug(
        "an argument that repeats along the rows is read on beyond them",
        "fusion.cuh",
        "at - row * columns",
        "at",
        "fusion",
        "differs|out of bounds",
    ),
    Bug(
        "the last chunk of an example runs on into the next one",
        "fusion.cuh",
        "stop = min(at - threadIdx.x + (span), (blockIdx.x / (chunks) + 1) * ((n) / (pieces)));",
        "stop = min(at - threadIdx.x + (span), n);",
        "fusion",
        "differs",
    ),
]
