// Vectors as wide as the instruction set that this file is compiled for, and dense layers built of them.
//
// Every number of channels is padded with zeros to a multiple of `lanes<T>`, so no loop has a tail.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#if defined(__AVX512F__)
#define SCIML_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define SCIML_VECTOR_BYTES 32
#else
#define SCIML_VECTOR_BYTES 16
#endif

namespace sciml::SCIML_ISA {

template <typename T>
struct VectorOf {
    typedef T type __attribute__((vector_size(SCIML_VECTOR_BYTES), aligned(SCIML_VECTOR_BYTES), may_alias));
};
template <typename T>
using Vector = typename VectorOf<T>::type;
template <typename T>
constexpr int lanes = SCIML_VECTOR_BYTES / sizeof(T);

template <typename T>
inline Vector<T>& at(T* x) {
    return *reinterpret_cast<Vector<T>*>(x);
}
template <typename T>
inline const Vector<T>& at(const T* x) {
    return *reinterpret_cast<const Vector<T>*>(x);
}

template <typename T>
inline T sum(const Vector<T>& x) {
    T total = 0;
    for (int lane = 0; lane < lanes<T>; ++lane) total += x[lane];
    return total;
}

// allocates memory that vectors may be loaded from
template <typename T>
struct Aligned {
    using value_type = T;
    Aligned() = default;
    template <typename U>
    Aligned(const Aligned<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64))); }
    void deallocate(T* x, std::size_t) { ::operator delete(x, std::align_val_t(64)); }
    bool operator==(const Aligned&) const { return true; }
    bool operator!=(const Aligned&) const { return false; }
};
template <typename T>
using Array = std::vector<T, Aligned<T>>;

// y[r, m] (+)= x[r, k] w[k, m] for R rows; ldx and ldy are the distances between rows
template <typename T, int R, int V, bool add>
inline void dense_tile(const T* x, int ldx, const T* w, int k_count, int m_count, T* y, int ldy) {
    Vector<T> total[R][V];
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) total[r][v] = add ? at(y + r * ldy + v * lanes<T>) : Vector<T>{};
    for (int k = 0; k < k_count; ++k) {
        const T* row = w + std::size_t(k) * m_count;
        for (int r = 0; r < R; ++r) {
            const T factor = x[r * ldx + k];
            for (int v = 0; v < V; ++v) total[r][v] += factor * at(row + v * lanes<T>);
        }
    }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) at(y + r * ldy + v * lanes<T>) = total[r][v];
}

template <typename T, int R, bool add>
inline void dense_rows(const T* x, int ldx, const T* w, int k_count, int m_count, T* y, int ldy) {
    constexpr int wide = SCIML_VECTOR_BYTES == 64 ? 4 : 2;
    int m = 0;
    for (; m + wide * lanes<T> <= m_count; m += wide * lanes<T>)
        dense_tile<T, R, wide, add>(x, ldx, w + m, k_count, m_count, y + m, ldy);
    for (; m < m_count; m += lanes<T>) dense_tile<T, R, 1, add>(x, ldx, w + m, k_count, m_count, y + m, ldy);
}

// y (+)= x w, row by row; w is [k, m] with m a multiple of the lanes
template <bool add, typename T>
void dense(int rows, const T* x, int ldx, const T* w, int k_count, int m_count, T* y, int ldy) {
    constexpr int block = SCIML_VECTOR_BYTES == 64 ? 6 : 4;
    int r = 0;
    for (; r + block <= rows; r += block)
        dense_rows<T, block, add>(x + std::size_t(r) * ldx, ldx, w, k_count, m_count, y + std::size_t(r) * ldy, ldy);
    for (; r < rows; ++r)
        dense_rows<T, 1, add>(x + std::size_t(r) * ldx, ldx, w, k_count, m_count, y + std::size_t(r) * ldy, ldy);
}

template <typename T>
inline void fill_rows(int rows, const T* bias, int count, T* y, int ldy) {
    for (int r = 0; r < rows; ++r) std::memcpy(y + std::size_t(r) * ldy, bias, sizeof(T) * count);
}

// y = silu(x) and, where asked for, its slope; x may be y
template <typename T>
inline void silu(int count, const T* x, T* y, T* slope) {
#pragma omp simd
    for (int i = 0; i < count; ++i) {
        const T z = x[i], s = T(1) / (T(1) + std::exp(-z));
        y[i] = z * s;
        if (slope) slope[i] = s * (T(1) + z * (T(1) - s));
    }
}

// shifted softplus ln(1 + e^x) - ln 2 and its slope
template <typename T>
inline void softplus(int count, const T* x, T* y, T* slope) {
#pragma omp simd
    for (int i = 0; i < count; ++i) {
        const T z = x[i], e = std::exp(-std::fabs(z));
        y[i] = (z > 0 ? z : T(0)) + std::log(T(1) + e) - T(0.69314718055994530942);
        if (slope) slope[i] = z > 0 ? T(1) / (T(1) + e) : e / (T(1) + e);
    }
}

}  // namespace sciml::SCIML_ISA
