// Products of a matrix of weights with rows of columns, of rows with each other, and point by point.
//
// A row holds one feature of a block of points: [s][points], points innermost, of whole vectors.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels_simd.h"

namespace {

// out[o] = sum_i weight[o, i] row[i] for O rows and C vectors of columns, which stay in registers
template <int O, int C>
void product_tile(Index inputs, const double* weight, Index columns, const double* rows, double* out) {
    Vector sum[O][C] = {};
    for (Index i = 0; i < inputs; ++i) {
        Vector x[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) x[c] = load(rows + i * columns + c * kLanes);
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
        for (int c = 0; c < C; ++c) store(out + o * columns + c * kLanes, sum[o][c]);
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
inline void product(Index outputs, Index inputs, const double* weight, Index columns, const double* rows, double* out) {
    tiles<kOut>(outputs, [&](Index o, auto high) {
        tiles<kAcross>(columns / kLanes, [&](Index c, auto wide) {
            const Index at = c * kLanes;
            product_tile<high(), wide()>(inputs, weight + o * inputs, columns, rows + at, out + o * columns + at);
        });
    });
}

// sums[o, i] += the sum over all columns of left[o] right[i]; O left rows with kLanes right ones at a time
template <int O>
void outer_rows(Index inputs, Index columns, const double* left, const double* right, double* sums) {
    for (Index i = 0; i < inputs; i += kLanes) {
        const Index used = std::min<Index>(kLanes, inputs - i);
        const double* row[kLanes];
        for (Index k = 0; k < kLanes; ++k) row[k] = right + (i + std::min(k, used - 1)) * columns;
        Vector sum[O][kLanes] = {};
        for (Index c = 0; c < columns; c += kLanes) {
            Vector y[O];
#pragma GCC unroll 2
            for (int o = 0; o < O; ++o) y[o] = load(left + o * columns + c);
#pragma GCC unroll 8
            for (int k = 0; k < kLanes; ++k) {
                const Vector x = load(row[k] + c);
#pragma GCC unroll 2
                for (int o = 0; o < O; ++o) sum[o][k] += y[o] * x;
            }
        }
#pragma GCC unroll 2
        for (int o = 0; o < O; ++o) {
            transpose(sum[o]);
            Vector whole = sum[o][0];
#pragma GCC unroll 8
            for (int k = 1; k < kLanes; ++k) whole += sum[o][k];
            for (Index k = 0; k < used; ++k) sums[o * inputs + i + k] += whole[k];
        }
    }
}

inline void outer(Index outputs, Index inputs, Index columns, const double* left, const double* right, double* sums) {
    Index o = 0;
    for (; o + 2 <= outputs; o += 2)
        outer_rows<2>(inputs, columns, left + o * columns, right, sums + o * inputs);
    if (o < outputs) outer_rows<1>(inputs, columns, left + o * columns, right, sums + o * inputs);
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
void point_rows(Index inputs, Index s_count, Index points, const double* left, const double* right, Index rows,
                double* out, Index stride) {
    const Index columns = s_count * points;
    for (Index i = 0; i < inputs;) {
        // the last ones come with some before them, which come twice
        if (inputs >= kLanes) i = std::min(i, inputs - kLanes);
        const Index used = std::min<Index>(kLanes, inputs - i);
        const double* row[kLanes];
        for (Index k = 0; k < kLanes; ++k) row[k] = right + (i + std::min(k, used - 1)) * columns;
        Vector sum[O][kLanes] = {};
        for (Index s = 0; s < s_count; ++s) {
            Vector y[O];
#pragma GCC unroll 2
            for (int o = 0; o < O; ++o) y[o] = load(left + o * columns + s * points);
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
inline void point_outer(Index outputs, Index inputs, Index s_count, Index points, const double* left,
                        const double* right, Index count, double* out, Index stride) {
    const Index columns = s_count * points;
    for (Index at = 0; at < count; at += kLanes) {
        const Index rows = std::min<Index>(kLanes, count - at);
        const double *y = left + at, *x = right + at;
        double* const first = out + at * stride;
        Index o = 0;
        for (; o + 2 <= outputs; o += 2)
            point_rows<2>(inputs, s_count, points, y + o * columns, x, rows, first + o * inputs, stride);
        if (o < outputs) point_rows<1>(inputs, s_count, points, y + o * columns, x, rows, first + o * inputs, stride);
        for (o = 0; o < outputs; o += kLanes) {
            const Index used = std::min<Index>(kLanes, outputs - o);
            Vector bias[kLanes];
            for (Index k = 0; k < kLanes; ++k) bias[k] = load(y + (o + std::min(k, used - 1)) * columns);
            scatter(bias, used, rows, first + outputs * inputs + o, stride);
        }
    }
}

}  // namespace
