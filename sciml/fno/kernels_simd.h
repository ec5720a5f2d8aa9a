// Vectors of numbers, and products of small matrices whose rows of channels stand in vector registers.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels_memory.h"

namespace {

#if defined(__AVX512F__)
constexpr Index kBytes = 64;
constexpr int kTileRows = 12;  // rows of two vectors each that the registers hold, with room for what is read
#elif defined(__AVX__)
constexpr Index kBytes = 32;
constexpr int kTileRows = 6;
#else
constexpr Index kBytes = 16;
constexpr int kTileRows = 6;
#endif

template <typename T>
struct Lanes {
    static constexpr Index count = kBytes / sizeof(T);
    typedef T Vector __attribute__((vector_size(kBytes)));
    typedef T Memory __attribute__((vector_size(kBytes), aligned(sizeof(T)), may_alias));
};

template <typename T>
using Vector = typename Lanes<T>::Vector;

template <typename T>
inline Vector<T> load(const T* at) {
    return *reinterpret_cast<const typename Lanes<T>::Memory*>(at);
}

template <typename T>
inline void store(T* at, Vector<T> value) {
    *reinterpret_cast<typename Lanes<T>::Memory*>(at) = value;
}

// Asks for numbers that are needed soon: the processor itself looks no further ahead than a page.
template <bool Write = false, typename T>
inline void prefetch(const T* at, Index count) {
    for (Index i = 0; i < count; i += 64 / static_cast<Index>(sizeof(T))) __builtin_prefetch(at + i, Write, 2);
}

// the sum of a vector's numbers
template <typename T, Index Bytes = kBytes, typename V>
inline T total(V vector) {
    if constexpr (Bytes == sizeof(T)) {
        T result;
        std::memcpy(&result, &vector, sizeof(T));
        return result;
    } else {
        typedef T Half __attribute__((vector_size(Bytes / 2)));
        Half halves[2];
        std::memcpy(halves, &vector, Bytes);
        return total<T, Bytes / 2>(halves[0] + halves[1]);
    }
}

template <typename T>
constexpr Index padded(Index channels) {
    return (channels + Lanes<T>::count - 1) / Lanes<T>::count * Lanes<T>::count;
}

// c[i,j] (+)= sum_q a[i,q] b[q,j] for R rows and N vectors of columns, which stay in registers
template <typename T, int R, int N, bool Add>
inline void register_tile(Index k, const T* __restrict__ a, Index a_row, Index a_k, const T* __restrict__ b, Index b_row,
                          T* __restrict__ c, Index c_row) {
    constexpr Index W = Lanes<T>::count;
    Vector<T> sum[R][N];
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < N; ++v) sum[i][v] = Add ? load(c + i * c_row + v * W) : Vector<T>{};
    for (Index q = 0; q < k; ++q) {
        Vector<T> right[N];
#pragma GCC unroll 2
        for (int v = 0; v < N; ++v) right[v] = load(b + q * b_row + v * W);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const T left = a[i * a_row + q * a_k];
#pragma GCC unroll 2
            for (int v = 0; v < N; ++v) sum[i][v] += left * right[v];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < N; ++v) store(c + i * c_row + v * W, sum[i][v]);
}

template <typename T, int N, bool Add, int R = kTileRows>
inline void tile_of_rows(Index rows, Index k, const T* a, Index a_row, Index a_k, const T* b, Index b_row, T* c,
                         Index c_row) {
    if constexpr (R > 0) {
        if (rows == R)
            register_tile<T, R, N, Add>(k, a, a_row, a_k, b, b_row, c, c_row);
        else
            tile_of_rows<T, N, Add, R - 1>(rows, k, a, a_row, a_k, b, b_row, c, c_row);
    }
}

// c[i,j] (+)= sum_q a[i,q] b[q,j], a with any strides, rows of b and c without a gap; n is a multiple of the vector's length
template <bool Add, typename T>
void product(Index m, Index n, Index k, const T* a, Index a_row, Index a_k, const T* b, Index b_row, T* c, Index c_row) {
    constexpr Index W = Lanes<T>::count;
    const Index tiles = (m + kTileRows - 1) / kTileRows;
    for (Index j = 0; j < n; j += 2 * W)
        for (Index tile = 0; tile < tiles; ++tile) {
            const Index begin = m * tile / tiles, rows = m * (tile + 1) / tiles - begin;
            const T* left = a + begin * a_row;
            T* out = c + begin * c_row + j;
            if (j + 2 * W <= n)
                tile_of_rows<T, 2, Add>(rows, k, left, a_row, a_k, b + j, b_row, out, c_row);
            else
                tile_of_rows<T, 1, Add>(rows, k, left, a_row, a_k, b + j, b_row, out, c_row);
        }
}

// out[j,i] = in[i,j], its rows filled up with zeros to `row`
template <typename T>
void pack_transposed(Index rows, Index columns, const T* in, T* out, Index row) {
    constexpr Index kSide = 16;  // of squares that the innermost cache holds
    for (Index j0 = 0; j0 < columns; j0 += kSide)
        for (Index i0 = 0; i0 < rows; i0 += kSide)
            for (Index j = j0; j < std::min(j0 + kSide, columns); ++j)
                for (Index i = i0; i < std::min(i0 + kSide, rows); ++i) out[j * row + i] = in[i * columns + j];
    for (Index j = 0; j < columns; ++j) std::fill(out + j * row + rows, out + (j + 1) * row, T(0));
}

template <typename T>
void pack(Index rows, Index columns, const T* in, T* out, Index row) {
    for (Index i = 0; i < rows; ++i) {
        std::memcpy(out + i * row, in + i * columns, sizeof(T) * columns);
        std::fill(out + i * row + columns, out + (i + 1) * row, T(0));
    }
}

// rows of `columns` numbers as rows of `row` numbers: in place where that is the same
template <typename T>
inline const T* as_padded(Index rows, Index columns, const T* in, T* buffer, Index row) {
    if (columns == row) return in;
    pack(rows, columns, in, buffer, row);
    return buffer;
}

template <typename T>
inline void unpack(Index rows, Index columns, const T* in, Index row, T* out) {
    for (Index i = 0; i < rows; ++i) std::memcpy(out + i * columns, in + i * row, sizeof(T) * columns);
}

}  // namespace
