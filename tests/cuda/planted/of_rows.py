from planted.bug import Bug

BUGS = [
    Bug(
        "a lane counts for its whole warp",
        "rows.cu",
        "unsigned named = __ballot_sync(ALL_LANES, own < n && rows[own] == row);",
        "unsigned named = own < n && rows[own] == row ? 1u << lane() : 0;",
        "rows",
        "differs",
    ),
    Bug("indices behind the last are looked at", "rows.cu", "own < n && rows", "rows", "rows", "out of bounds|differs"),
]
