from planted.bug import Bug

BUGS = [
    Bug(
        "rows of one half are taken for rows of two",
        "gate.cu",
        "i + i / width * width;\n    y",
        "i;\n    y",
        "gate",
        "differs",
    ),
]
