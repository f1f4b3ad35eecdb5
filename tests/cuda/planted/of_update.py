from planted.bug import Bug

BUGS = [
    Bug("chunks of another size than the host's", "chunks.cuh", "CHUNK = 4096", "CHUNK = 4095", "update", "differs"),
    Bug("NaN passes for a number", "update.cu", "!isfinite(when[i])", "isinf(when[i])", "update", "differs"),
]
