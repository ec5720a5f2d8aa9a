// The two sums of sphere_sums.py for float and double. Only moves and adds arrays: shapes are checked by the caller.
//
// Functions of latitude are even or odd about the equator, so fields are folded there: what is even in them meets even
// functions alone. Cosines and sines are folded twice along a parallel: about 0 degrees, where a cosine is even and a
// sine odd, and for an even number of points about 90 degrees, where this depends on whether the order is even (class 0)
// or odd (class 1). What is left are products of small matrices with rows of channels.
//
// Shapes: b batch, y latitudes, h = (y + 1) / 2 of the southern half, x longitudes, c channels (innermost, for SIMD),
// l degrees, m orders, j folded longitudes, s 2 parities about the equator, r 2 real and imaginary part.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include <omp.h>

#include "kernels_memory.h"

namespace {

#ifdef __AVX512F__
constexpr Index BYTES = 64, VECTORS = 4, ROWS = 6;
#else
constexpr Index BYTES = 32, VECTORS = 2, ROWS = 6;
#endif

template <typename T>
struct Vector;
template <>
struct Vector<float> {
    typedef float type __attribute__((vector_size(BYTES), aligned(4), may_alias));
};
template <>
struct Vector<double> {
    typedef double type __attribute__((vector_size(BYTES), aligned(8), may_alias));
};

template <typename T>
constexpr Index LANES = BYTES / sizeof(T);

// what a row of n numbers takes where whole vectors are read from it
template <typename T>
Index padded(Index n) {
    return (n + LANES<T> - 1) / LANES<T> * LANES<T>;
}

// out[r][n] = sum_k a[k, r] b[k][n] for R rows and V vectors, of which the last stores `tail` numbers
template <typename T, Index R, Index V>
inline void tile(Index k_count, const T* a, Index a_stride, const T* const* b, Index n, T* const* out, Index tail) {
    using Lane = typename Vector<T>::type;
    Lane sum[R][V];
    for (Index r = 0; r < R; ++r)
        for (Index v = 0; v < V; ++v) sum[r][v] = Lane{};
    for (Index k = 0; k < k_count; ++k) {
        Lane row[V];
        for (Index v = 0; v < V; ++v) row[v] = *reinterpret_cast<const Lane*>(b[k] + n + v * LANES<T>);
        for (Index r = 0; r < R; ++r)
            for (Index v = 0; v < V; ++v) sum[r][v] += a[k * a_stride + r] * row[v];
    }
    for (Index r = 0; r < R; ++r) {
        T* target = out[r] + n;
        for (Index v = 0; v + 1 < V; ++v) *reinterpret_cast<Lane*>(target + v * LANES<T>) = sum[r][v];
        if (tail == LANES<T>)
            *reinterpret_cast<Lane*>(target + (V - 1) * LANES<T>) = sum[r][V - 1];
        else
            std::memcpy(target + (V - 1) * LANES<T>, &sum[r][V - 1], tail * sizeof(T));
    }
}

template <typename T, Index V>
inline void tiles(Index r_count, Index k_count, const T* a, Index a_stride, const T* const* b, Index n, T* const* out,
                  Index tail) {
    Index r = 0;
    for (; r + ROWS <= r_count; r += ROWS) tile<T, ROWS, V>(k_count, a + r, a_stride, b, n, out + r, tail);
    switch (r_count - r) {
        case 5: return tile<T, 5, V>(k_count, a + r, a_stride, b, n, out + r, tail);
        case 4: return tile<T, 4, V>(k_count, a + r, a_stride, b, n, out + r, tail);
        case 3: return tile<T, 3, V>(k_count, a + r, a_stride, b, n, out + r, tail);
        case 2: return tile<T, 2, V>(k_count, a + r, a_stride, b, n, out + r, tail);
        case 1: return tile<T, 1, V>(k_count, a + r, a_stride, b, n, out + r, tail);
    }
}

// out[r][n] = sum_k a[k, r] b[k][n]; whole vectors are read from each b[k]
template <typename T>
void product(Index r_count, Index n_count, Index k_count, const T* a, Index a_stride, const T* const* b, T* const* out) {
    const Index vectors = padded<T>(n_count) / LANES<T>;
    for (Index v = 0; v < vectors; v += VECTORS) {
        const Index n = v * LANES<T>, count = std::min(VECTORS, vectors - v);
        const Index tail = std::min(LANES<T>, n_count - n - (count - 1) * LANES<T>);
        switch (count) {
            case 1: tiles<T, 1>(r_count, k_count, a, a_stride, b, n, out, tail); break;
            case 2: tiles<T, 2>(r_count, k_count, a, a_stride, b, n, out, tail); break;
#ifdef __AVX512F__
            case 3: tiles<T, 3>(r_count, k_count, a, a_stride, b, n, out, tail); break;
            case 4: tiles<T, 4>(r_count, k_count, a, a_stride, b, n, out, tail); break;
#endif
        }
    }
}

// What the loops of both sums need to know.
struct Sizes {
    Index b, y, x, c, degrees, orders, odd;
    Index half() const { return (y + 1) / 2; }
    Index classes() const { return x % 2 == 0 ? 2 : 1; }
    Index folded() const { return x % 2 == 0 ? x / 4 + 1 : x / 2 + 1; }
    // orders of a class: e, e + 2, ... or all
    Index orders_of(Index e) const { return (orders - e + classes() - 1) / classes(); }
    // degrees of order m with parity s about the equator: first, first + 2, ...
    Index first(Index m, Index s) const { return m + (s != odd); }
    Index degrees_of(Index m, Index s) const { return std::max<Index>(0, (degrees - first(m, s) + 1) / 2); }
    // packed place of degree l, order 0
    Index place(Index l) const {
        const Index full = std::min(l, orders);
        return full * (full + 1) / 2 + (l - full) * orders;
    }
    // where the functions of order m and parity s begin in a folded matrix, if for each m those of s = 0 come first
    std::vector<Index> starts() const {
        std::vector<Index> begin(2 * orders + 1, 0);
        for (Index i = 0; i < 2 * orders; ++i) begin[i + 1] = begin[i] + degrees_of(i / 2, i % 2) * half();
        return begin;
    }
};

// What each thread works in; made ahead of the threads, since what they throw nobody catches.
template <typename T>
struct Scratch {
    struct One {
        std::vector<T> panels, rows;
        std::vector<const T*> from;
        std::vector<T*> into;
    };
    std::vector<One> each;

    Scratch(int threads, Index panels, Index rows, Index most) : each(threads) {
        for (One& one : each) one = {std::vector<T>(panels), std::vector<T>(rows), std::vector<const T*>(most), std::vector<T*>(most)};
    }
};

// Two parallels [x, c], south and north (null on the equator), to panels [s, class, cosine or sine, j, width].
template <typename T>
void fold(const Sizes& z, const T* south, const T* north, T* panels, Index width) {
    const Index q = z.x / 2, block = z.folded() * width, of_parity = z.classes() * 2 * block;
    for (Index j = 0; j < z.folded(); ++j) {
        const Index at[4] = {j, (z.x - j) % z.x, q - j, (q + j) % z.x};
        for (Index s = 0; s < 2; ++s) {
            T* __restrict__ out = panels + s * of_parity + j * width;
            if (s == 1 && !north) {
                for (Index i = 0; i < 2 * z.classes(); ++i) std::memset(out + i * block, 0, width * sizeof(T));
                continue;
            }
            const T sign = s == 0 ? T(1) : T(-1), one = north ? sign : T(0);
            const T* other = north ? north : south;
            const T *__restrict__ a = south + at[0] * z.c, *__restrict__ a2 = other + at[0] * z.c;
            const T *__restrict__ b = south + at[1] * z.c, *__restrict__ b2 = other + at[1] * z.c;
            if (z.classes() == 1) {
#pragma omp simd
                for (Index c = 0; c < z.c; ++c) {
                    const T first = a[c] + one * a2[c], second = b[c] + one * b2[c];
                    out[c] = first + second;
                    out[block + c] = first - second;
                }
                continue;
            }
            const T *__restrict__ d = south + at[2] * z.c, *__restrict__ d2 = other + at[2] * z.c;
            const T *__restrict__ e = south + at[3] * z.c, *__restrict__ e2 = other + at[3] * z.c;
#pragma omp simd
            for (Index c = 0; c < z.c; ++c) {
                const T first = a[c] + one * a2[c], second = b[c] + one * b2[c];
                const T third = d[c] + one * d2[c], fourth = e[c] + one * e2[c];
                const T even = first + second, even2 = third + fourth, odd = first - second, odd2 = third - fourth;
                out[c] = even + even2;
                out[block + c] = odd - odd2;
                out[2 * block + c] = even - even2;
                out[3 * block + c] = odd + odd2;
            }
        }
    }
}

// The transpose of `fold`, but that points which are their own mirror image come once.
template <typename T>
void unfold(const Sizes& z, const T* panels, Index width, T* south, T* north) {
    const Index q = z.x / 2, block = z.folded() * width, of_parity = z.classes() * 2 * block;
    for (Index j = 0; j < z.folded(); ++j) {
        const T *__restrict__ p = panels + j * width, *__restrict__ p2 = p + of_parity;
        const Index at[4] = {j, (z.x - j) % z.x, q - j, (q + j) % z.x};
        for (Index pole = 0; pole < (north ? 2 : 1); ++pole) {
            T* line = pole ? north : south;
            const T one = !north ? T(0) : pole ? T(-1) : T(1);
            // in this order: a point that is its own image gets the same number each time
            T *a = line + at[0] * z.c, *b = line + at[1] * z.c, *d = line + at[2] * z.c, *e = line + at[3] * z.c;
            if (z.classes() == 1) {
#pragma omp simd
                for (Index c = 0; c < z.c; ++c) {
                    const T even = p[c] + one * p2[c], odd = p[block + c] + one * p2[block + c];
                    a[c] = even + odd;
                    b[c] = even - odd;
                }
                continue;
            }
#pragma omp simd
            for (Index c = 0; c < z.c; ++c) {
                const T even = p[c] + one * p2[c], odd = p[block + c] + one * p2[block + c];
                const T even2 = p[2 * block + c] + one * p2[2 * block + c];
                const T odd2 = p[3 * block + c] + one * p2[3 * block + c];
                a[c] = even + even2 + (odd + odd2);
                b[c] = even + even2 - (odd + odd2);
                d[c] = even - even2 + (odd2 - odd);
                e[c] = even - even2 - (odd2 - odd);
            }
        }
    }
}

// packed[t, b, r, c] of field[b, y, x, c]; waves[class, cosine or sine, j, m], matrix[m, s, h, l], scratch[m, s, h, r c]
template <typename T>
void analysis(const Sizes& z, const T* field, const T* waves, const T* matrix, T* scratch, T* packed, int threads) {
    const Index half = z.half(), width = padded<T>(2 * z.c), panel = padded<T>(z.c), j_count = z.folded();
    const std::vector<Index> begin = z.starts();
    Scratch<T> scratches(threads, 2 * z.classes() * 2 * j_count * panel, 0, std::max({j_count, half, z.orders, z.degrees}));
#pragma omp parallel num_threads(threads)
    {
        auto& [panels, rows, from, into] = scratches.each[omp_get_thread_num()];
        for (Index b = 0; b < z.b; ++b) {
#pragma omp for schedule(static)
            for (Index k = 0; k < half; ++k) {
                const T* south = field + (b * z.y + k) * z.x * z.c;
                const T* north = field + (b * z.y + z.y - 1 - k) * z.x * z.c;
                fold(z, south, north == south ? nullptr : north, panels.data(), panel);
                for (Index s = 0; s < 2; ++s) {
                    const T* wave = waves;
                    for (Index e = 0; e < z.classes(); ++e) {
                        const Index m_count = z.orders_of(e);
                        for (Index r = 0; r < 2; ++r) {
                            const T* source = panels.data() + ((s * z.classes() + e) * 2 + r) * j_count * panel;
                            for (Index j = 0; j < j_count; ++j) from[j] = source + j * panel;
                            for (Index i = 0; i < m_count; ++i) {
                                const Index m = e + i * z.classes();
                                into[i] = scratch + ((m * 2 + s) * half + k) * width + r * z.c;
                            }
                            product(m_count, z.c, j_count, wave, m_count, from.data(), into.data());
                            wave += j_count * m_count;
                        }
                    }
                }
            }
#pragma omp for schedule(dynamic)
            for (Index i = 0; i < 2 * z.orders; ++i) {
                const Index m = i / 2, s = i % 2, count = z.degrees_of(m, s);
                for (Index k = 0; k < half; ++k) from[k] = scratch + (i * half + k) * width;
                for (Index l = 0; l < count; ++l)
                    into[l] = packed + ((z.place(z.first(m, s) + 2 * l) + m) * z.b + b) * 2 * z.c;
                product(count, 2 * z.c, half, matrix + begin[i], count, from.data(), into.data());
            }
        }
    }
}

// field[b, y, x, c] of packed[t, b, r, c]; waves[class, cosine or sine, m, j], matrix[m, s, l, h], scratch[m, s, h, r c]
template <typename T>
void synthesis(const Sizes& z, const T* packed, const T* waves, const T* matrix, T* scratch, T* field, int threads) {
    const Index half = z.half(), width = padded<T>(2 * z.c), panel = padded<T>(z.c), j_count = z.folded();
    const std::vector<Index> begin = z.starts();
    Scratch<T> scratches(threads, 2 * z.classes() * 2 * j_count * panel, width == 2 * z.c ? 0 : z.degrees * width,
                         std::max({j_count, half, z.orders, z.degrees}));
#pragma omp parallel num_threads(threads)
    {
        auto& [panels, rows, from, into] = scratches.each[omp_get_thread_num()];
        for (Index b = 0; b < z.b; ++b) {
#pragma omp for schedule(dynamic)
            for (Index i = 0; i < 2 * z.orders; ++i) {
                const Index m = i / 2, s = i % 2, count = z.degrees_of(m, s);
                for (Index l = 0; l < count; ++l) {
                    from[l] = packed + ((z.place(z.first(m, s) + 2 * l) + m) * z.b + b) * 2 * z.c;
                    // whole vectors are read, so the last row has to have some room behind it
                    if (width != 2 * z.c) {
                        std::memcpy(rows.data() + l * width, from[l], 2 * z.c * sizeof(T));
                        from[l] = rows.data() + l * width;
                    }
                }
                for (Index k = 0; k < half; ++k) into[k] = scratch + (i * half + k) * width;
                product(half, 2 * z.c, count, matrix + begin[i], half, from.data(), into.data());
            }
#pragma omp for schedule(static)
            for (Index k = 0; k < half; ++k) {
                for (Index s = 0; s < 2; ++s) {
                    const T* wave = waves;
                    for (Index e = 0; e < z.classes(); ++e) {
                        const Index m_count = z.orders_of(e);
                        for (Index r = 0; r < 2; ++r) {
                            for (Index i = 0; i < m_count; ++i) {
                                const Index m = e + i * z.classes();
                                from[i] = scratch + ((m * 2 + s) * half + k) * width + r * z.c;
                            }
                            T* target = panels.data() + ((s * z.classes() + e) * 2 + r) * j_count * panel;
                            for (Index j = 0; j < j_count; ++j) into[j] = target + j * panel;
                            product(j_count, z.c, m_count, wave, j_count, from.data(), into.data());
                            wave += j_count * m_count;
                        }
                    }
                }
                T* south = field + (b * z.y + k) * z.x * z.c;
                T* north = field + (b * z.y + z.y - 1 - k) * z.x * z.c;
                unfold(z, panels.data(), panel, south, north == south ? nullptr : north);
            }
        }
    }
}

}  // namespace

#define SCIML_SUMS(T, SUFFIX)                                                                                          \
    extern "C" int analysis_##SUFFIX(Index b, Index y, Index x, Index c, Index degrees, Index orders, Index odd,       \
                                     const T* field, const T* waves, const T* matrix, T* scratch, T* packed,           \
                                     int threads) {                                                                    \
        const Sizes z = {b, y, x, c, degrees, orders, odd};                                                            \
        return guarded([&] { analysis<T>(z, field, waves, matrix, scratch, packed, threads); });                       \
    }                                                                                                                  \
    extern "C" int synthesis_##SUFFIX(Index b, Index y, Index x, Index c, Index degrees, Index orders, Index odd,      \
                                      const T* packed, const T* waves, const T* matrix, T* scratch, T* field,          \
                                      int threads) {                                                                   \
        const Sizes z = {b, y, x, c, degrees, orders, odd};                                                            \
        return guarded([&] { synthesis<T>(z, packed, waves, matrix, scratch, field, threads); });                      \
    }

SCIML_SUMS(float, f32)
SCIML_SUMS(double, f64)
