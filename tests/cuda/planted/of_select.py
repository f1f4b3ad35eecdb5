from planted.bug import Bug

BUGS = [
    Bug(
        "the condition is turned round",
        "select.cu",
        "condition[i] ? a[i] : other",
        "condition[i] ? other : a[i]",
        "select",
        "differs",
    ),
]
