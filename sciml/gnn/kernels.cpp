// Sums over the neighbours of atoms, for float and double. Only moves arrays: shapes are checked by the caller.
//
// An atom's edges stand in one row, [row_start[i], row_start[i + 1]); edge e points to neighbour[e] and belongs to
// pair[e], whose quantities (filters, harmonics) both of its directions share. sign[e] is +1 in the direction that the
// pair is stored in and -1 in the other; odd[k] says whether quantity k changes sign with the direction.
//
// Shapes: n atoms, p pairs, e = 2 p edges, b components, k harmonics, c channels (innermost, for SIMD). The template
// argument C is the number of channels where it is one of the usual ones, so that loops over it unroll; 0 is any.

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using Index = std::int64_t;

// out[c] = sum_k s_k harmonic[k] y[k,c], s_k being `sign` where odd[k] and 1 elsewhere
template <typename T, Index C>
inline void project(Index k_count, Index channels, const Index* odd, T sign, const T* harmonic, const T* y, T* out) {
    const Index c_count = C ? C : channels;
    T fixed[C ? C : 1];
    T* __restrict__ sum = C ? fixed : out;
    for (Index c = 0; c < c_count; ++c) sum[c] = 0;
    for (Index k = 0; k < k_count; ++k) {
        const T factor = odd[k] ? sign * harmonic[k] : harmonic[k];
        const T* __restrict__ row = y + k * c_count;
#pragma omp simd
        for (Index c = 0; c < c_count; ++c) sum[c] += factor * row[c];
    }
    if (C)
        for (Index c = 0; c < c_count; ++c) out[c] = sum[c];
}

// out[k] = sum_c s_k x1[k,c] f1[c] + x2[k,c] f2[c], s_k being -1 where odd[k] and 1 elsewhere
template <typename T, Index C>
inline void dot_rows(Index k_count, Index channels, const Index* odd, const T* __restrict__ x1,
                     const T* __restrict__ f1, const T* __restrict__ x2, const T* __restrict__ f2, T* out) {
    const Index c_count = C ? C : channels;
    for (Index k = 0; k < k_count; ++k) {
        const T s = odd[k] ? T(-1) : T(1);
        T total = 0;
#pragma omp simd reduction(+ : total)
        for (Index c = 0; c < c_count; ++c) total += s * x1[k * c_count + c] * f1[c] + x2[k * c_count + c] * f2[c];
        out[k] = total;
    }
}

// out[i,b,c] = sum_e filter[pair,c] x[neighbour,b,c]
template <typename T, Index C>
void filtered_sum(Index n, Index b_count, Index channels, const Index* row_start, const Index* neighbour,
                  const Index* pair, const T* filter, const T* x, T* out, int threads) {
    const Index c_count = C ? C : channels;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (Index i = 0; i < n; ++i) {
        T* __restrict__ row = out + i * b_count * c_count;
        std::memset(row, 0, sizeof(T) * b_count * c_count);
        for (Index e = row_start[i]; e < row_start[i + 1]; ++e) {
            const T* __restrict__ w = filter + pair[e] * c_count;
            const T* __restrict__ source = x + neighbour[e] * b_count * c_count;
            for (Index b = 0; b < b_count; ++b)
#pragma omp simd
                for (Index c = 0; c < c_count; ++c) row[b * c_count + c] += w[c] * source[b * c_count + c];
        }
    }
}

// out[p,c] = sum_b x[second,b,c] y[first,b,c] + x[first,b,c] y[second,b,c]
template <typename T, Index C>
void pair_product(Index p_count, Index b_count, Index channels, const Index* first, const Index* second, const T* x,
                  const T* y, T* out, int threads) {
    const Index c_count = C ? C : channels;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (Index p = 0; p < p_count; ++p) {
        T* __restrict__ row = out + p * c_count;
        std::memset(row, 0, sizeof(T) * c_count);
        for (Index b = 0; b < b_count; ++b) {
            const Index at_first = (first[p] * b_count + b) * c_count, at_second = (second[p] * b_count + b) * c_count;
            const T *__restrict__ x1 = x + at_first, *__restrict__ x2 = x + at_second;
            const T *__restrict__ y1 = y + at_first, *__restrict__ y2 = y + at_second;
#pragma omp simd
            for (Index c = 0; c < c_count; ++c) row[c] += x2[c] * y1[c] + x1[c] * y2[c];
        }
    }
}

// out[i,k,c] = sum_e s_k(e) harmonic[pair,k] filter[pair,c] x[neighbour,c]
template <typename T, Index C>
void expanded_sum(Index n, Index k_count, Index channels, const Index* row_start, const Index* neighbour,
                  const Index* pair, const T* sign, const Index* odd, const T* harmonic, const T* filter, const T* x,
                  T* out, int threads) {
    const Index c_count = C ? C : channels;
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(c_count);
        T* __restrict__ f = buffer.data();
#pragma omp for schedule(static)
        for (Index i = 0; i < n; ++i) {
            T* __restrict__ row = out + i * k_count * c_count;
            std::memset(row, 0, sizeof(T) * k_count * c_count);
            for (Index e = row_start[i]; e < row_start[i + 1]; ++e) {
                const T* __restrict__ w = filter + pair[e] * c_count;
                const T* __restrict__ source = x + neighbour[e] * c_count;
                const T* __restrict__ y = harmonic + pair[e] * k_count;
#pragma omp simd
                for (Index c = 0; c < c_count; ++c) f[c] = w[c] * source[c];
                for (Index k = 0; k < k_count; ++k) {
                    const T factor = odd[k] ? sign[e] * y[k] : y[k];
#pragma omp simd
                    for (Index c = 0; c < c_count; ++c) row[k * c_count + c] += factor * f[c];
                }
            }
        }
    }
}

// out[i,c] = sum_e filter[pair,c] sum_k s_k(-e) harmonic[pair,k] y[neighbour,k,c]
template <typename T, Index C>
void contracted_sum(Index n, Index k_count, Index channels, const Index* row_start, const Index* neighbour,
                    const Index* pair, const T* sign, const Index* odd, const T* harmonic, const T* filter, const T* y,
                    T* out, int threads) {
    const Index c_count = C ? C : channels;
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(c_count);
        T* __restrict__ g = buffer.data();
#pragma omp for schedule(static)
        for (Index i = 0; i < n; ++i) {
            T* __restrict__ row = out + i * c_count;
            std::memset(row, 0, sizeof(T) * c_count);
            for (Index e = row_start[i]; e < row_start[i + 1]; ++e) {
                const T* __restrict__ w = filter + pair[e] * c_count;
                project<T, C>(k_count, c_count, odd, -sign[e], harmonic + pair[e] * k_count,
                              y + neighbour[e] * k_count * c_count, g);
#pragma omp simd
                for (Index c = 0; c < c_count; ++c) row[c] += w[c] * g[c];
            }
        }
    }
}

// Slope of the expanded form by the filter, [p,c].
template <typename T, Index C>
void weight_slope(Index p_count, Index k_count, Index channels, const Index* first, const Index* second,
                  const Index* odd, const T* harmonic, const T* x, const T* y, T* out, int threads) {
    const Index c_count = C ? C : channels, stride = k_count * c_count;
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(2 * c_count);
        T *__restrict__ g1 = buffer.data(), *__restrict__ g2 = g1 + c_count;
#pragma omp for schedule(static)
        for (Index p = 0; p < p_count; ++p) {
            const T* h = harmonic + p * k_count;
            const T *__restrict__ x1 = x + first[p] * c_count, *__restrict__ x2 = x + second[p] * c_count;
            project<T, C>(k_count, c_count, odd, T(1), h, y + first[p] * stride, g1);
            project<T, C>(k_count, c_count, odd, T(-1), h, y + second[p] * stride, g2);
            T* __restrict__ row = out + p * c_count;
#pragma omp simd
            for (Index c = 0; c < c_count; ++c) row[c] = x2[c] * g1[c] + x1[c] * g2[c];
        }
    }
}

// Slope of the expanded form by the harmonics, [p,k].
template <typename T, Index C>
void harmonic_slope(Index p_count, Index k_count, Index channels, const Index* first, const Index* second,
                    const Index* odd, const T* filter, const T* x, const T* y, T* out, int threads) {
    const Index c_count = C ? C : channels, stride = k_count * c_count;
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(2 * c_count);
        T *__restrict__ f1 = buffer.data(), *__restrict__ f2 = f1 + c_count;
#pragma omp for schedule(static)
        for (Index p = 0; p < p_count; ++p) {
            const T* __restrict__ w = filter + p * c_count;
            const T *__restrict__ x1 = x + first[p] * c_count, *__restrict__ x2 = x + second[p] * c_count;
#pragma omp simd
            for (Index c = 0; c < c_count; ++c) {
                f1[c] = w[c] * x2[c];
                f2[c] = w[c] * x1[c];
            }
            dot_rows<T, C>(k_count, c_count, odd, y + second[p] * stride, f2, y + first[p] * stride, f1,
                           out + p * k_count);
        }
    }
}

// out[i,k,c] = sum_e s_k(e) near[pair,k] filter[pair,c] sum_h s_h(-e) far[pair,h] x[neighbour,h,c]
template <typename T, Index C>
void bond_sum(Index n, Index k_count, Index channels, const Index* row_start, const Index* neighbour,
              const Index* pair, const T* sign, const Index* odd, const T* far, const T* near, const T* filter,
              const T* x, T* out, int threads) {
    const Index c_count = C ? C : channels;
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(c_count);
        T* __restrict__ f = buffer.data();
#pragma omp for schedule(static)
        for (Index i = 0; i < n; ++i) {
            T* __restrict__ row = out + i * k_count * c_count;
            std::memset(row, 0, sizeof(T) * k_count * c_count);
            for (Index e = row_start[i]; e < row_start[i + 1]; ++e) {
                const T* __restrict__ w = filter + pair[e] * c_count;
                const T* __restrict__ y_far = far + pair[e] * k_count;
                const T* __restrict__ y_near = near + pair[e] * k_count;
                project<T, C>(k_count, c_count, odd, -sign[e], y_far, x + neighbour[e] * k_count * c_count, f);
#pragma omp simd
                for (Index c = 0; c < c_count; ++c) f[c] *= w[c];
                for (Index k = 0; k < k_count; ++k) {
                    const T factor = odd[k] ? sign[e] * y_near[k] : y_near[k];
#pragma omp simd
                    for (Index c = 0; c < c_count; ++c) row[k * c_count + c] += factor * f[c];
                }
            }
        }
    }
}

// Slope of the bond form by the filter, [p,c]: both directions of far . x at one end times near . y at the other.
template <typename T, Index C>
void bond_weight_slope(Index p_count, Index k_count, Index channels, const Index* first, const Index* second,
                       const Index* odd, const T* far, const T* near, const T* x, const T* y, T* out, int threads) {
    const Index c_count = C ? C : channels, stride = k_count * c_count;
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(4 * c_count);
        T *x1 = buffer.data(), *x2 = x1 + c_count, *y1 = x2 + c_count, *y2 = y1 + c_count;
#pragma omp for schedule(static)
        for (Index p = 0; p < p_count; ++p) {
            const T *h_far = far + p * k_count, *h_near = near + p * k_count;
            project<T, C>(k_count, c_count, odd, T(1), h_far, x + first[p] * stride, x1);
            project<T, C>(k_count, c_count, odd, T(-1), h_far, x + second[p] * stride, x2);
            project<T, C>(k_count, c_count, odd, T(1), h_near, y + first[p] * stride, y1);
            project<T, C>(k_count, c_count, odd, T(-1), h_near, y + second[p] * stride, y2);
            T* __restrict__ row = out + p * c_count;
#pragma omp simd
            for (Index c = 0; c < c_count; ++c) row[c] = x2[c] * y1[c] + x1[c] * y2[c];
        }
    }
}

// Slope of the bond form by the far harmonics, [p,k]; by the near ones with x and y exchanged.
template <typename T, Index C>
void bond_harmonic_slope(Index p_count, Index k_count, Index channels, const Index* first, const Index* second,
                         const Index* odd, const T* near, const T* filter, const T* x, const T* y, T* out,
                         int threads) {
    const Index c_count = C ? C : channels, stride = k_count * c_count;
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(2 * c_count);
        T *__restrict__ y1 = buffer.data(), *__restrict__ y2 = y1 + c_count;
#pragma omp for schedule(static)
        for (Index p = 0; p < p_count; ++p) {
            const T* __restrict__ w = filter + p * c_count;
            const T* h_near = near + p * k_count;
            project<T, C>(k_count, c_count, odd, T(1), h_near, y + first[p] * stride, y1);
            project<T, C>(k_count, c_count, odd, T(-1), h_near, y + second[p] * stride, y2);
#pragma omp simd
            for (Index c = 0; c < c_count; ++c) {
                y1[c] *= w[c];
                y2[c] *= w[c];
            }
            dot_rows<T, C>(k_count, c_count, odd, x + second[p] * stride, y1, x + first[p] * stride, y2,
                           out + p * k_count);
        }
    }
}

// out[n,k3,c] = sum of coefficient a[n,k1,c] b[n,k2,c] over a list of (k1, k2, k3) that is sorted by k3
template <typename T, Index C>
void sparse_product(Index n, Index k_count, Index channels, Index terms, const Index* term, const T* coefficient,
                    const T* a, const T* b, T* out, int threads) {
    const Index c_count = C ? C : channels, stride = k_count * c_count;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (Index i = 0; i < n; ++i) {
        const T *__restrict__ left = a + i * stride, *__restrict__ right = b + i * stride;
        Index t = 0;
        for (Index k = 0; k < k_count; ++k) {
            T fixed[C ? C : 1];
            T* __restrict__ sum = C ? fixed : out + i * stride + k * c_count;
            for (Index c = 0; c < c_count; ++c) sum[c] = 0;
            for (; t < terms && term[3 * t + 2] == k; ++t) {
                const T factor = coefficient[t];
                const T* __restrict__ l = left + term[3 * t] * c_count;
                const T* __restrict__ r = right + term[3 * t + 1] * c_count;
#pragma omp simd
                for (Index c = 0; c < c_count; ++c) sum[c] += factor * l[c] * r[c];
            }
            if (C)
                for (Index c = 0; c < c_count; ++c) out[i * stride + k * c_count + c] = sum[c];
        }
    }
}

}  // namespace

// One exported function a kernel and precision, which picks the unrolled variant for its number of channels.
#define SCIML_BY_CHANNELS(kernel, T, c, ...)        \
    switch (c) {                                    \
        case 16: kernel<T, 16>(__VA_ARGS__); break; \
        case 32: kernel<T, 32>(__VA_ARGS__); break; \
        case 48: kernel<T, 48>(__VA_ARGS__); break; \
        case 64: kernel<T, 64>(__VA_ARGS__); break; \
        default: kernel<T, 0>(__VA_ARGS__);         \
    }

#define SCIML_EXPORT(T, suffix)                                                                                      \
    extern "C" void filtered_sum_##suffix(Index n, Index b, Index c, const Index* row, const Index* neighbour,      \
                                          const Index* pair, const T* w, const T* x, T* out, int threads) {         \
        SCIML_BY_CHANNELS(filtered_sum, T, c, n, b, c, row, neighbour, pair, w, x, out, threads)                    \
    }                                                                                                                \
    extern "C" void pair_product_##suffix(Index p, Index b, Index c, const Index* first, const Index* second,       \
                                          const T* x, const T* y, T* out, int threads) {                            \
        SCIML_BY_CHANNELS(pair_product, T, c, p, b, c, first, second, x, y, out, threads)                           \
    }                                                                                                                \
    extern "C" void expanded_sum_##suffix(Index n, Index k, Index c, const Index* row, const Index* neighbour,      \
                                          const Index* pair, const T* sign, const Index* odd, const T* h,           \
                                          const T* w, const T* x, T* out, int threads) {                            \
        SCIML_BY_CHANNELS(expanded_sum, T, c, n, k, c, row, neighbour, pair, sign, odd, h, w, x, out, threads)      \
    }                                                                                                                \
    extern "C" void contracted_sum_##suffix(Index n, Index k, Index c, const Index* row, const Index* neighbour,    \
                                            const Index* pair, const T* sign, const Index* odd, const T* h,         \
                                            const T* w, const T* y, T* out, int threads) {                          \
        SCIML_BY_CHANNELS(contracted_sum, T, c, n, k, c, row, neighbour, pair, sign, odd, h, w, y, out, threads)    \
    }                                                                                                                \
    extern "C" void weight_slope_##suffix(Index p, Index k, Index c, const Index* first, const Index* second,       \
                                          const Index* odd, const T* h, const T* x, const T* y, T* out,             \
                                          int threads) {                                                             \
        SCIML_BY_CHANNELS(weight_slope, T, c, p, k, c, first, second, odd, h, x, y, out, threads)                   \
    }                                                                                                                \
    extern "C" void harmonic_slope_##suffix(Index p, Index k, Index c, const Index* first, const Index* second,     \
                                            const Index* odd, const T* w, const T* x, const T* y, T* out,           \
                                            int threads) {                                                           \
        SCIML_BY_CHANNELS(harmonic_slope, T, c, p, k, c, first, second, odd, w, x, y, out, threads)                 \
    }                                                                                                                \
    extern "C" void bond_sum_##suffix(Index n, Index k, Index c, const Index* row, const Index* neighbour,          \
                                      const Index* pair, const T* sign, const Index* odd, const T* far,             \
                                      const T* near, const T* w, const T* x, T* out, int threads) {                 \
        SCIML_BY_CHANNELS(bond_sum, T, c, n, k, c, row, neighbour, pair, sign, odd, far, near, w, x, out, threads)  \
    }                                                                                                                \
    extern "C" void bond_weight_slope_##suffix(Index p, Index k, Index c, const Index* first, const Index* second,  \
                                               const Index* odd, const T* far, const T* near, const T* x,           \
                                               const T* y, T* out, int threads) {                                   \
        SCIML_BY_CHANNELS(bond_weight_slope, T, c, p, k, c, first, second, odd, far, near, x, y, out, threads)      \
    }                                                                                                                \
    extern "C" void bond_harmonic_slope_##suffix(Index p, Index k, Index c, const Index* first,                     \
                                                 const Index* second, const Index* odd, const T* near, const T* w,  \
                                                 const T* x, const T* y, T* out, int threads) {                     \
        SCIML_BY_CHANNELS(bond_harmonic_slope, T, c, p, k, c, first, second, odd, near, w, x, y, out, threads)      \
    }                                                                                                                \
    extern "C" void sparse_product_##suffix(Index n, Index k, Index c, Index terms, const Index* term,              \
                                            const T* coefficient, const T* a, const T* b, T* out, int threads) {    \
        SCIML_BY_CHANNELS(sparse_product, T, c, n, k, c, terms, term, coefficient, a, b, out, threads)              \
    }

SCIML_EXPORT(float, f32)
SCIML_EXPORT(double, f64)
