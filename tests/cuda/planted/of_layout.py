from planted.bug import Bug

BUGS = [
    Bug(
        "a tile is taken out before all of it is there",
        "layout.cu",
        "  __syncthreads();\n",
        "",
        "layout",
        "differs",
    ),
]
