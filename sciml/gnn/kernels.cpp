// Sums over the neighbours of atoms, for float and double. Only moves arrays: shapes are checked by the caller.
//
// An atom's edges stand in one row, [row_start[i], row_start[i + 1]); edge e points to neighbour[e] and belongs to
// pair[e], whose quantities (filters, harmonics) both of its directions share. sign[e] is +1 in the direction that the
// pair is stored in and -1 in the other; parity[k] says whether quantity k changes sign with the direction.
//
// Shapes: n atoms, p pairs, e = 2 p edges, c channels (innermost, for SIMD), b components, k harmonics.

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using Index = std::int64_t;

// out[i,b,c] = sum_e filter[pair,c] x[neighbour,b,c]
template <typename T>
void filtered_sum(Index n, Index b_count, Index c_count, const Index* row_start, const Index* neighbour,
                  const Index* pair, const T* filter, const T* x, T* out, int threads) {
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
template <typename T>
void pair_product(Index p_count, Index b_count, Index c_count, const Index* first, const Index* second, const T* x,
                  const T* y, T* out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (Index p = 0; p < p_count; ++p) {
        T* __restrict__ row = out + p * c_count;
        const Index at_first = first[p] * b_count * c_count, at_second = second[p] * b_count * c_count;
        const T* __restrict__ x1 = x + at_first;
        const T* __restrict__ x2 = x + at_second;
        const T* __restrict__ y1 = y + at_first;
        const T* __restrict__ y2 = y + at_second;
#pragma omp simd
        for (Index c = 0; c < c_count; ++c) row[c] = x2[c] * y1[c] + x1[c] * y2[c];
        for (Index b = 1; b < b_count; ++b)
#pragma omp simd
            for (Index c = b * c_count; c < (b + 1) * c_count; ++c)
                row[c - b * c_count] += x2[c] * y1[c] + x1[c] * y2[c];
    }
}

// out[i,k,c] = sum_e s_k(e) harmonic[pair,k] filter[pair,c] x[neighbour,c], with s_k the sign where parity[k] is odd
template <typename T>
void expanded_sum(Index n, Index k_count, Index c_count, const Index* row_start, const Index* neighbour,
                  const Index* pair, const T* sign, const Index* parity, const T* harmonic, const T* filter,
                  const T* x, T* out, int threads) {
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> message(c_count);
        T* __restrict__ f = message.data();
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
                    const T factor = parity[k] ? sign[e] * y[k] : y[k];
#pragma omp simd
                    for (Index c = 0; c < c_count; ++c) row[k * c_count + c] += factor * f[c];
                }
            }
        }
    }
}

// out[i,c] = sum_e s_k(e)' filter[pair,c] sum_k harmonic[pair,k] y[neighbour,k,c], the sign seen from the neighbour
template <typename T>
void contracted_sum(Index n, Index k_count, Index c_count, const Index* row_start, const Index* neighbour,
                    const Index* pair, const T* sign, const Index* parity, const T* harmonic, const T* filter,
                    const T* y, T* out, int threads) {
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> projected(c_count);
        T* __restrict__ g = projected.data();
#pragma omp for schedule(static)
        for (Index i = 0; i < n; ++i) {
            T* __restrict__ row = out + i * c_count;
            std::memset(row, 0, sizeof(T) * c_count);
            for (Index e = row_start[i]; e < row_start[i + 1]; ++e) {
                const T* __restrict__ w = filter + pair[e] * c_count;
                const T* __restrict__ source = y + neighbour[e] * k_count * c_count;
                const T* __restrict__ h = harmonic + pair[e] * k_count;
                std::memset(g, 0, sizeof(T) * c_count);
                for (Index k = 0; k < k_count; ++k) {
                    const T factor = parity[k] ? -sign[e] * h[k] : h[k];
#pragma omp simd
                    for (Index c = 0; c < c_count; ++c) g[c] += factor * source[k * c_count + c];
                }
#pragma omp simd
                for (Index c = 0; c < c_count; ++c) row[c] += w[c] * g[c];
            }
        }
    }
}

// out[p,c] = sum_k harmonic[p,k] (x[second,c] y[first,k,c] +- x[first,c] y[second,k,c]), - where parity[k] is odd
template <typename T>
void weight_slope(Index p_count, Index k_count, Index c_count, const Index* first, const Index* second,
                  const Index* parity, const T* harmonic, const T* x, const T* y, T* out, int threads) {
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(2 * c_count);
        T* __restrict__ g1 = buffer.data();
        T* __restrict__ g2 = buffer.data() + c_count;
#pragma omp for schedule(static)
        for (Index p = 0; p < p_count; ++p) {
            const T* __restrict__ h = harmonic + p * k_count;
            const T* __restrict__ y1 = y + first[p] * k_count * c_count;
            const T* __restrict__ y2 = y + second[p] * k_count * c_count;
            const T* __restrict__ x1 = x + first[p] * c_count;
            const T* __restrict__ x2 = x + second[p] * c_count;
            T* __restrict__ row = out + p * c_count;
            std::memset(g1, 0, sizeof(T) * 2 * c_count);
            for (Index k = 0; k < k_count; ++k) {
                const T factor = h[k], turned = parity[k] ? -h[k] : h[k];
#pragma omp simd
                for (Index c = 0; c < c_count; ++c) {
                    g1[c] += factor * y1[k * c_count + c];
                    g2[c] += turned * y2[k * c_count + c];
                }
            }
#pragma omp simd
            for (Index c = 0; c < c_count; ++c) row[c] = x2[c] * g1[c] + x1[c] * g2[c];
        }
    }
}

// out[p,k] = sum_c filter[p,c] (x[second,c] y[first,k,c] +- x[first,c] y[second,k,c]), - where parity[k] is odd
template <typename T>
void harmonic_slope(Index p_count, Index k_count, Index c_count, const Index* first, const Index* second,
                    const Index* parity, const T* filter, const T* x, const T* y, T* out, int threads) {
#pragma omp parallel num_threads(threads)
    {
        std::vector<T> buffer(2 * c_count);
        T* __restrict__ f1 = buffer.data();
        T* __restrict__ f2 = buffer.data() + c_count;
#pragma omp for schedule(static)
        for (Index p = 0; p < p_count; ++p) {
            const T* __restrict__ w = filter + p * c_count;
            const T* __restrict__ y1 = y + first[p] * k_count * c_count;
            const T* __restrict__ y2 = y + second[p] * k_count * c_count;
            const T* __restrict__ x1 = x + first[p] * c_count;
            const T* __restrict__ x2 = x + second[p] * c_count;
#pragma omp simd
            for (Index c = 0; c < c_count; ++c) {
                f1[c] = w[c] * x2[c];
                f2[c] = w[c] * x1[c];
            }
            for (Index k = 0; k < k_count; ++k) {
                T along = 0, against = 0;
#pragma omp simd reduction(+ : along, against)
                for (Index c = 0; c < c_count; ++c) {
                    along += f1[c] * y1[k * c_count + c];
                    against += f2[c] * y2[k * c_count + c];
                }
                out[p * k_count + k] = along + (parity[k] ? -against : against);
            }
        }
    }
}

}  // namespace

#define SCIML_EXPORT(T, suffix)                                                                                       \
    extern "C" void filtered_sum_##suffix(Index n, Index b, Index c, const Index* row_start, const Index* neighbour, \
                                          const Index* pair, const T* filter, const T* x, T* out, int threads) {     \
        filtered_sum<T>(n, b, c, row_start, neighbour, pair, filter, x, out, threads);                               \
    }                                                                                                                 \
    extern "C" void pair_product_##suffix(Index p, Index b, Index c, const Index* first, const Index* second,        \
                                          const T* x, const T* y, T* out, int threads) {                              \
        pair_product<T>(p, b, c, first, second, x, y, out, threads);                                                 \
    }                                                                                                                 \
    extern "C" void expanded_sum_##suffix(Index n, Index k, Index c, const Index* row_start, const Index* neighbour, \
                                          const Index* pair, const T* sign, const Index* parity, const T* harmonic,  \
                                          const T* filter, const T* x, T* out, int threads) {                         \
        expanded_sum<T>(n, k, c, row_start, neighbour, pair, sign, parity, harmonic, filter, x, out, threads);       \
    }                                                                                                                 \
    extern "C" void contracted_sum_##suffix(Index n, Index k, Index c, const Index* row_start,                       \
                                            const Index* neighbour, const Index* pair, const T* sign,                 \
                                            const Index* parity, const T* harmonic, const T* filter, const T* y,     \
                                            T* out, int threads) {                                                    \
        contracted_sum<T>(n, k, c, row_start, neighbour, pair, sign, parity, harmonic, filter, y, out, threads);     \
    }                                                                                                                 \
    extern "C" void weight_slope_##suffix(Index p, Index k, Index c, const Index* first, const Index* second,        \
                                          const Index* parity, const T* harmonic, const T* x, const T* y, T* out,    \
                                          int threads) {                                                              \
        weight_slope<T>(p, k, c, first, second, parity, harmonic, x, y, out, threads);                               \
    }                                                                                                                 \
    extern "C" void harmonic_slope_##suffix(Index p, Index k, Index c, const Index* first, const Index* second,      \
                                            const Index* parity, const T* filter, const T* x, const T* y, T* out,    \
                                            int threads) {                                                            \
        harmonic_slope<T>(p, k, c, first, second, parity, filter, x, y, out, threads);                               \
    }

SCIML_EXPORT(float, f32)
SCIML_EXPORT(double, f64)
