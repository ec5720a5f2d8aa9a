// Products of a matrix of weights with rows of columns, of rows with each other, and point by point.
//
// A row holds one feature of a block of points: [s][points], points innermost, of whole vectors. Rows are `stride` numbers
// apart.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels_simd.h"

namespace {

// half of a usual first-level cache
constexpr Index kPanelBytes = 16384;

// out[o] = sum_i weight[o, i] row[i] for O rows and C vectors of columns, which stay in registers
template <int O, int C>
void product_tile(Index inputs, const double* weight, Index stride, const double* rows, double* out) {
    Vector sum[O][C] = {};
    for (Index i = 0; i < inputs; ++i) {
        Vector x[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) x[c] = load(rows + i * stride + c * kLanes);
#pragma GCC unroll 6
        for (int o = 0; o < O; ++o) {
            const Vector w = all(weight[o * inputs + i]);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) sum[o][c] += w * x[c];
        }
    }
#pragma GCC unroll 6
    for (int o = 0; o < O; ++o)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) store(out + o * stride + c * kLanes, sum[o][c]);
}

// Calls function with a constant that is `size`, of 1 to Most.
template <int Most, typename Function>
inline void with_size(Index size, const Function& function) {
    if constexpr (Most > 0) {
        if (size == Most) return function(std::integral_constant<int, Most>());
        with_size<Most - 1>(size, function);
    }
}

// Calls function(start, size) for tiles as even as can be, of at most Most; the size is a constant.
template <int Most, typename Function>
inline void tiles(Index count, const Function& function) {
    const Index parts = (count + Most - 1) / Most;
    for (Index part = 0; part < parts; ++part) {
        const Index start = count * part / parts;
        with_size<Most>(count * (part + 1) / parts - start, [&](auto size) { function(start, size); });
    }
}

// out[o] = sum_i weight[o, i] row[i]
inline void product(Index outputs, Index inputs, const double* weight, Index columns, Index stride, const double* rows,
                    double* out) {
    // a few columns of all rows stay in the first-level cache
    tiles<kAcross>(columns / kLanes, [&](Index c, auto wide) {
        const Index at = c * kLanes;
        tiles<kOut>(outputs, [&](Index o, auto high) {
            product_tile<high(), wide()>(inputs, weight + o * inputs, stride, rows + at, out + o * stride + at);
        });
    });
}

// Vectors of the sums of O times I rows.
template <int O, int I>
constexpr int kSquares = (O * I + kLanes - 1) / kLanes;

// sums[o * I + i] += the sum over all columns of left[o] right[i], for O left and I right rows
template <int O, int I>
void outer_tile(Index columns, Index stride, const double* left, const double* right, double* sums) {
    Vector sum[kSquares<O, I>][kLanes] = {};
    for (Index c = 0; c < columns; c += kLanes) {
        Vector x[I];
#pragma GCC unroll 4
        for (int i = 0; i < I; ++i) x[i] = load(right + i * stride + c);
#pragma GCC unroll 6
        for (int o = 0; o < O; ++o) {
            const Vector y = load(left + o * stride + c);
#pragma GCC unroll 4
            for (int i = 0; i < I; ++i) sum[(o * I + i) / kLanes][(o * I + i) % kLanes] += y * x[i];
        }
    }
#pragma GCC unroll 6
    for (int square = 0; square < kSquares<O, I>; ++square) {
        // lanes become sums, in order
#pragma GCC unroll 3
        for (int half = kLanes / 2; half > 0; half /= 2)
#pragma GCC unroll 4
            for (int k = 0; k < half; ++k) {
                const Vector a = sum[square][k], b = sum[square][k + half];
                sum[square][k] = zip_low(a, b) + zip_high(a, b);
            }
        double* const to = sums + square * kLanes;
        store(to, load(to) + sum[square][0]);
    }
}

// Calls function(o, rows of o, i, rows of i) for the tiles of an outer product, of constant sizes.
template <typename Function>
inline void outer_tiles(Index outputs, Index inputs, Index columns, const Function& function) {
    // right rows that stay in the first-level cache
    const Index panel = std::max<Index>(kPanelBytes / (8 * columns) / kAcross, 1) * kAcross;
    for (Index start = 0; start < inputs; start += panel)
        tiles<kOut>(outputs, [&](Index o, auto high) {
            tiles<kAcross>(std::min(panel, inputs - start), [&](Index i, auto wide) {
                function(o, high, start + i, wide);
            });
        });
}

// Numbers that `outer` adds to.
inline Index outer_size(Index outputs, Index inputs, Index columns) {
    Index size = 0;
    outer_tiles(outputs, inputs, columns, [&](Index, auto high, Index, auto wide) {
        size += kSquares<high(), wide()> * kLanes;
    });
    return size;
}

// sums += the sum over all columns of left[o] right[i], tile by tile
inline void outer(Index outputs, Index inputs, Index columns, Index stride, const double* left, const double* right,
                  double* sums) {
    outer_tiles(outputs, inputs, columns, [&](Index o, auto high, Index i, auto wide) {
        outer_tile<high(), wide()>(columns, stride, left + o * stride, right + i * stride, sums);
        sums += kSquares<high(), wide()> * kLanes;
    });
}

// out[o, i] += what `outer` has added up
inline void from_tiles(Index outputs, Index inputs, Index columns, const double* sums, double* out) {
    outer_tiles(outputs, inputs, columns, [&](Index o, auto high, Index i, auto wide) {
        for (int k = 0; k < high() * wide(); ++k) out[(o + k / wide()) * inputs + i + k % wide()] += sums[k];
        sums += kSquares<high(), wide()> * kLanes;
    });
}

// kLanes numbers of each of kLanes points, to rows of `out` that are `stride` apart; `used` numbers of `rows` points.
inline void scatter(Vector (&values)[kLanes], Index used, Index rows, double* out, Index stride) {
    transpose(values);
    if (used == kLanes && rows == kLanes) {
#pragma GCC unroll 8
        for (int point = 0; point < kLanes; ++point) store(out + point * stride, values[point]);
        return;
    }
    for (Index point = 0; point < rows; ++point) std::memcpy(out + point * stride, &values[point], 8 * used);
}

// out[point, o, i] = sum_s left[o, s, point] right[i, s, point] for O of o
template <int O>
void point_rows(Index inputs, Index s_count, Index points, Index row_stride, const double* left, const double* right,
                Index rows, double* out, Index stride) {
    for (Index i = 0; i < inputs;) {
        // the last ones come with some before them, which come twice
        if (inputs >= kLanes) i = std::min(i, inputs - kLanes);
        const Index used = std::min<Index>(kLanes, inputs - i);
        const double* row[kLanes];
        for (Index k = 0; k < kLanes; ++k) row[k] = right + (i + std::min(k, used - 1)) * row_stride;
        Vector sum[O][kLanes] = {};
        for (Index s = 0; s < s_count; ++s) {
            Vector y[O];
#pragma GCC unroll 2
            for (int o = 0; o < O; ++o) y[o] = load(left + o * row_stride + s * points);
#pragma GCC unroll 8
            for (int k = 0; k < kLanes; ++k) {
                const Vector x = load(row[k] + s * points);
#pragma GCC unroll 2
                for (int o = 0; o < O; ++o) sum[o][k] += y[o] * x;
            }
        }
#pragma GCC unroll 2
        for (int o = 0; o < O; ++o) scatter(sum[o], used, rows, out + o * inputs + i, stride);
        i += used;
    }
}

// One layer's part of each point's row: weights [o, i] and then biases [o]. Rows are those of a block, of `count` points.
inline void point_outer(Index outputs, Index inputs, Index s_count, Index points, Index row_stride,
                        const double* left, const double* right, Index count, double* out, Index stride) {
    for (Index at = 0; at < count; at += kLanes) {
        const Index rows = std::min<Index>(kLanes, count - at);
        const double *y = left + at, *x = right + at;
        double* const first = out + at * stride;
        Index o = 0;
        for (; o + 2 <= outputs; o += 2)
            point_rows<2>(inputs, s_count, points, row_stride, y + o * row_stride, x, rows, first + o * inputs, stride);
        if (o < outputs)
            point_rows<1>(inputs, s_count, points, row_stride, y + o * row_stride, x, rows, first + o * inputs, stride);
        for (o = 0; o < outputs; o += kLanes) {
            const Index used = std::min<Index>(kLanes, outputs - o);
            Vector bias[kLanes];
            for (Index k = 0; k < kLanes; ++k) bias[k] = load(y + (o + std::min(k, used - 1)) * row_stride);
            scatter(bias, used, rows, first + outputs * inputs + o, stride);
        }
    }
}

}  // namespace
