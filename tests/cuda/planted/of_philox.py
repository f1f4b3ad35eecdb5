from planted.bug import Bug

BUGS = [
    Bug(
        "the last words are written though nobody asked",
        "philox.cu",
        "      if (4 * i + j < n) out",
        "      out",
        "philox",
        r"wrote beyond the end|philox\.cu:\d+: out of bounds",
    ),
    Bug("the counter's carry is lost", "philox.cu", "high + (sum < low)", "high", "philox", "differs"),
]
