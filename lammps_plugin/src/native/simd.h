// Vectors as wide as the instruction set that this file is compiled for, and dense layers built of them.
//
// Every number of channels is padded with zeros to a multiple of `lanes<T>`, so no loop has a tail.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
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

// e^x to rounding: e^x = 2^n e^r with |r| <= ln 2 / 2, and Taylor's series of e^r until its terms are below rounding
template <typename T>
inline Vector<T> exponential(Vector<T> x) {
    constexpr bool single = sizeof(T) == 4;
    using Integer = std::conditional_t<single, std::int32_t, std::int64_t>;
    typedef Integer Integers __attribute__((vector_size(SCIML_VECTOR_BYTES)));
    constexpr int mantissa = single ? 23 : 52, bias = single ? 127 : 1023, terms = single ? 7 : 13;
    constexpr T largest = single ? T(87) : T(708);
    x = x > largest ? Vector<T>{} + largest : x;
    x = x < -largest ? Vector<T>{} - largest : x;
    // a number so large that its last bit is worth 1: added, it leaves the nearest whole number in the last bits
    constexpr T rounder = T(Integer(3) << (mantissa - 1));
    const Vector<T> rounded = x * T(1.4426950408889634074) + rounder, n = rounded - rounder;
    // ln 2 in two parts, the first with so few digits that its product with n is exact (Cody and Waite 1980)
    constexpr T coarse = single ? T(0.693359375) : T(6.93147180369123816490e-01);
    constexpr T fine = single ? T(-2.12194440054690583e-4) : T(1.90821492927058770002e-10);
    const Vector<T> r = (x - n * coarse) - n * fine;
    Vector<T> series = Vector<T>{} + T(1);
    for (int k = terms; k > 0; --k) series = T(1) + series * r * (T(1) / T(k));
    Integers bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    bits = (bits << mantissa) + (Integer(bias) << mantissa);
    Vector<T> power;
    std::memcpy(&power, &bits, sizeof bits);
    return series * power;
}

// ln(1 + e) for e from 0 to 1, as 2 artanh(e / (2 + e))
template <typename T>
inline Vector<T> logarithm_above_one(Vector<T> e) {
    constexpr int terms = sizeof(T) == 4 ? 8 : 17;
    const Vector<T> s = e / (T(2) + e), square = s * s;
    Vector<T> series{};
    for (int k = terms; k >= 0; --k) series = T(1) / T(2 * k + 1) + square * series;
    return T(2) * s * series;
}

// y = silu(x) and, where asked for, its slope, for whole vectors; x may be y
template <typename T>
inline void silu(int count, const T* x, T* y, T* slope) {
    for (int i = 0; i < count; i += lanes<T>) {
        const Vector<T> z = at(x + i), s = T(1) / (T(1) + exponential<T>(-z));
        at(y + i) = z * s;
        if (slope) at(slope + i) = s * (T(1) + z * (T(1) - s));
    }
}

// shifted softplus ln(1 + e^x) - ln 2 and its slope, for whole vectors
template <typename T>
inline void softplus(int count, const T* x, T* y, T* slope) {
    for (int i = 0; i < count; i += lanes<T>) {
        const Vector<T> z = at(x + i), e = exponential<T>(z > 0 ? -z : z), s = T(1) / (T(1) + e);
        at(y + i) = (z > 0 ? z : Vector<T>{}) + logarithm_above_one<T>(e) - T(0.69314718055994530942);
        if (slope) at(slope + i) = z > 0 ? s : e * s;
    }
}

}  // namespace sciml::SCIML_ISA
