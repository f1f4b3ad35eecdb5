// Many arrays in one launch.
//
// A model has many tensors, most of them small: a launch for each would cost more than the work. So a kernel gets a
// table with the addresses and sizes of all, and a list of chunks: block b has the elements of chunk b alone. Both are
// made by chunks.py.
#pragma once
#include "common.cuh"

const Index CHUNK = 4096;  // elements; CHUNK in chunks.py

struct Chunk { Index tensor, number; };

// for (EACH_OF_CHUNK(i, c, size)): the elements of chunk c, shared out among the threads of the block.
#define EACH_OF_CHUNK(i, c, size) \
  Index i = (c).number * CHUNK + threadIdx.x; i < min(((c).number + 1) * CHUNK, size); i += blockDim.x
