// Group and batch normalisation with SiLU behind it where asked, and their gradients: images with the channels last.
//
// x is (images, pixels, channels). An image's statistics are over the pixels and the channels of a group. Batch
// normalisation is the same with one image, which has the pixels of all, and as many groups as channels.
//   forward:   channel_moments -> group_statistics -> normalise
//   backward:  channel_sums -> group_sums -> input_gradient;  channel_sums -> add_rows of reduction.cu
// A block has a chunk of `span` pixels of one image, and 32 channels. Formulas: definitions/normalisation.py.
// A null pointer for weight or bias stands for ones or zeros.
#include "tile.cuh"

// What a thread needs to know of its channel.
struct Channel { wide mean, rstd, weight, bias; };

template <class T>
__device__ __forceinline__ Channel channel(Tile t, Index channels, Index groups, const T* mean, const T* rstd,
                                           const real* weight, const real* bias) {
  Index c = t.column, group = t.matrix * groups + c / (channels / groups);
  return {(wide)mean[group], (wide)rstd[group], weight ? (wide)weight[c] : 1, bias ? (wide)bias[c] : 0};
}

// ---- forward

// Per chunk and channel: the mean, and the sum of squares about it.
extern "C" __global__ void __launch_bounds__(256, 3)
channel_moments(const stored* __restrict__ x, wide* __restrict__ mean, wide* __restrict__ squares, Index pixels,
                Index channels, Index span) {
  __shared__ wide shared[TILE_ROWS][32];
  Tile t = tile(pixels, span);
  x += t.matrix * pixels * channels + t.column;
  wide sum = 0, square = 0;
  if (t.column < channels)
    for (EACH_OF_TILE(p, t)) sum += x[p * channels];
  wide m = column_sum(shared, sum) / (t.last - t.first);
  if (t.column < channels)
    for (EACH_OF_TILE(p, t)) square += (x[p * channels] - m) * (x[p * channels] - m);
  square = column_sum(shared, square);
  if (threadIdx.y == 0 && t.column < channels) {
    Index place = blockIdx.x * channels + t.column;
    mean[place] = m;
    squares[place] = square;
  }
}

// Per group, one warp: the parts are put together (Chan, Golub and LeVeque 1979). With n elements in part i,
//   mean = sum n_i mean_i / n,   variance = sum (squares_i + n_i (mean_i - mean)^2) / n.
extern "C" __global__ void __launch_bounds__(128, 8)
group_statistics(const wide* __restrict__ means, const wide* __restrict__ squares, wide* __restrict__ exact_mean,
                 wide* __restrict__ exact_rstd, real* __restrict__ mean, real* __restrict__ rstd, Index images,
                 Index pixels, Index channels, Index groups, Index chunks, Index span, wide eps) {
  Index group = warp_index();
  if (group >= images * groups) return;
  Index size = channels / groups, parts = chunks * size;
  Index start = group / groups * chunks * channels + group % groups * size;
  wide count = (wide)pixels * size, sum = 0, square = 0;
  for (Index i = lane(); i < parts; i += 32) {
    Index chunk = i / size, place = start + chunk * channels + i % size;
    sum += means[place] * min(span, pixels - chunk * span);
  }
  wide m = warp_sum(sum) / count;
  for (Index i = lane(); i < parts; i += 32) {
    Index chunk = i / size, place = start + chunk * channels + i % size;
    square += squares[place] + (means[place] - m) * (means[place] - m) * min(span, pixels - chunk * span);
  }
  wide r = 1 / sqrt(warp_sum(square) / count + eps);
  if (lane() == 0) {
    mean[group] = exact_mean[group] = m;
    rstd[group] = exact_rstd[group] = r;
  }
}

// y = weight (x - mean) rstd + bias, times its sigmoid if `silu`. The statistics come unrounded.
extern "C" __global__ void __launch_bounds__(256, 3)
normalise(const stored* __restrict__ x, const wide* __restrict__ mean, const wide* __restrict__ rstd,
          const real* __restrict__ weight, const real* __restrict__ bias, stored* __restrict__ y, Index pixels,
          Index channels, Index groups, Index span, Index silu) {
  Tile t = tile(pixels, span);
  if (t.column >= channels) return;
  Channel c = channel(t, channels, groups, mean, rstd, weight, bias);
  Index start = t.matrix * pixels * channels + t.column;
  for (EACH_OF_TILE(p, t)) {
    wide z = (x[start + p * channels] - c.mean) * c.rstd * c.weight + c.bias;
    y[start + p * channels] = silu ? z * sigmoid((real)z) : z;
  }
}

// ---- backward

// The cotangent of weight x_hat + bias: g itself, or through SiLU, whose slope at z is s (1 + z (1 - s)).
__device__ __forceinline__ wide through_silu(wide g, wide x_hat, const Channel& c, Index silu) {
  if (!silu) return g;
  wide z = x_hat * c.weight + c.bias, s = sigmoid((real)z);
  return g * (s * (1 + z * (1 - s)));
}

// Per chunk and channel: the sums of g x_hat (dweight) and of g (dbias).
extern "C" __global__ void __launch_bounds__(256, 3)
channel_sums(const stored* __restrict__ g, const stored* __restrict__ x, const real* __restrict__ mean,
             const real* __restrict__ rstd, const real* __restrict__ weight, const real* __restrict__ bias,
             wide* __restrict__ dweight, wide* __restrict__ dbias, Index pixels, Index channels, Index groups,
             Index span, Index silu) {
  __shared__ wide shared[TILE_ROWS][32];
  Tile t = tile(pixels, span);
  wide along_x_hat = 0, along_one = 0;
  if (t.column < channels) {
    Channel c = channel(t, channels, groups, mean, rstd, weight, bias);
    Index start = t.matrix * pixels * channels + t.column;
    for (EACH_OF_TILE(p, t)) {
      wide x_hat = (x[start + p * channels] - c.mean) * c.rstd;
      wide cotangent = through_silu(g[start + p * channels], x_hat, c, silu);
      along_x_hat += cotangent * x_hat;
      along_one += cotangent;
    }
  }
  along_x_hat = column_sum(shared, along_x_hat);
  along_one = column_sum(shared, along_one);
  if (threadIdx.y == 0 && t.column < channels) {
    Index place = blockIdx.x * channels + t.column;
    dweight[place] = along_x_hat;
    dbias[place] = along_one;
  }
}

// Per group, one warp: the means <h> and <h x_hat> of h = weight g, from the sums above.
extern "C" __global__ void __launch_bounds__(128, 8)
group_sums(const wide* __restrict__ dweight, const wide* __restrict__ dbias, const real* __restrict__ weight,
           wide* __restrict__ along_one, wide* __restrict__ along_x_hat, Index images, Index pixels, Index channels,
           Index groups, Index chunks) {
  Index group = warp_index();
  if (group >= images * groups) return;
  Index size = channels / groups, first = group % groups * size;
  wide one = 0, x_hat = 0;
  for (Index i = lane(); i < chunks * size; i += 32) {
    Index c = first + i % size, place = (group / groups * chunks + i / size) * channels + c;
    wide w = weight ? (wide)weight[c] : 1;
    one += w * dbias[place];
    x_hat += w * dweight[place];
  }
  wide count = (wide)pixels * size;
  one = warp_sum(one);
  x_hat = warp_sum(x_hat);
  if (lane() == 0) {
    along_one[group] = one / count;
    along_x_hat[group] = x_hat / count;
  }
}

// dx = r (h - <h> - x_hat <h x_hat>)
extern "C" __global__ void __launch_bounds__(256, 3)
input_gradient(const stored* __restrict__ g, const stored* __restrict__ x, const real* __restrict__ mean,
               const real* __restrict__ rstd, const real* __restrict__ weight, const real* __restrict__ bias,
               const wide* __restrict__ along_one, const wide* __restrict__ along_x_hat, stored* __restrict__ dx,
               Index pixels, Index channels, Index groups, Index span, Index silu) {
  Tile t = tile(pixels, span);
  if (t.column >= channels) return;
  Channel c = channel(t, channels, groups, mean, rstd, weight, bias);
  Index group = t.matrix * groups + t.column / (channels / groups);
  wide one = along_one[group], other = along_x_hat[group];
  Index start = t.matrix * pixels * channels + t.column;
  for (EACH_OF_TILE(p, t)) {
    wide x_hat = (x[start + p * channels] - c.mean) * c.rstd;
    wide h = c.weight * through_silu(g[start + p * channels], x_hat, c, silu);
    dx[start + p * channels] = (h - one - x_hat * other) * c.rstd;
  }
}
