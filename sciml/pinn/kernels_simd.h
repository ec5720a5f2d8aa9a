// Vectors of double whose lanes are points: transposition, tanh, sine and cosine.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

using Index = std::int64_t;

// kOut times kAcross vectors of sums stay in registers, with room for what is read
#if defined(__AVX512F__)
constexpr int kLanes = 8, kOut = 6, kAcross = 4;
#else
constexpr int kLanes = 4, kOut = 4, kAcross = 2;
#endif

typedef double Vector __attribute__((vector_size(8 * kLanes)));
typedef std::int64_t Bits __attribute__((vector_size(8 * kLanes)));
typedef double Memory __attribute__((vector_size(8 * kLanes), aligned(8), may_alias));

inline Vector load(const double* at) { return *reinterpret_cast<const Memory*>(at); }
inline void store(double* at, Vector value) { *reinterpret_cast<Memory*>(at) = value; }
inline Vector all(double value) { return value - Vector{}; }
inline Bits bits(Vector value) { return reinterpret_cast<Bits>(value); }
inline Vector number(Bits value) { return reinterpret_cast<Vector>(value); }
inline Vector choose(Bits condition, Vector yes, Vector no) {
    return number((condition & bits(yes)) | (~condition & bits(no)));
}

// a0 b0 a1 b1 ... of the lower halves, and of the upper ones
inline Vector zip_low(Vector a, Vector b) {
#if defined(__clang__) && defined(__AVX512F__)
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#elif defined(__clang__)
    return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#elif defined(__AVX512F__)
    return __builtin_shuffle(a, b, Bits{0, 8, 1, 9, 2, 10, 3, 11});
#else
    return __builtin_shuffle(a, b, Bits{0, 4, 1, 5});
#endif
}
inline Vector zip_high(Vector a, Vector b) {
#if defined(__clang__) && defined(__AVX512F__)
    return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#elif defined(__clang__)
    return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#elif defined(__AVX512F__)
    return __builtin_shuffle(a, b, Bits{4, 12, 5, 13, 6, 14, 7, 15});
#else
    return __builtin_shuffle(a, b, Bits{2, 6, 3, 7});
#endif
}

// Rows to columns of a square.
inline void transpose(Vector (&rows)[kLanes]) {
    Vector other[kLanes];
#pragma GCC unroll 3
    for (int stage = 1; stage < kLanes; stage *= 2) {
#pragma GCC unroll 4
        for (int k = 0; k < kLanes / 2; ++k) {
            other[2 * k] = zip_low(rows[k], rows[k + kLanes / 2]);
            other[2 * k + 1] = zip_high(rows[k], rows[k + kLanes / 2]);
        }
#pragma GCC unroll 8
        for (int k = 0; k < kLanes; ++k) rows[k] = other[k];
    }
}

// to round to the nearest whole number, which then stands in the lowest bits
constexpr double kRounding = 6755399441055744.0;  // 1.5 * 2^52

// tanh(x) = e / (e + 2) with e = exp(2 |x|) - 1, to a few units in the last place for any argument.
inline Vector tanh_of(Vector x) {
    const Bits sign = bits(x) & bits(all(-0.0));
    Vector t = 2.0 * number(bits(x) ^ sign);
    t = choose(t > all(44.0), all(44.0), t);  // where tanh is 1; NaN stays
    const Vector shifted = t * 1.4426950408889634 + kRounding, n = shifted - kRounding;
    // ln 2 in two parts, of which n times the first is exact
    const Vector r = (t - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    // exp(r) - 1 of |r| < 0.35 by Taylor's series, whose next term is below 1e-17 r
    Vector p = all(1 / 87178291200.0);
    for (double inverse : {6227020800.0, 479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0, 120.0,
                           24.0, 6.0, 2.0})
        p = p * r + 1 / inverse;
    p = p * r * r + r;
    const Vector scale = number((bits(shifted) << 52) + bits(all(1.0)));  // 2^n
    const Vector e = scale * p + (scale - 1.0);
    return number(bits(e / (e + 2.0)) | sign);
}

// Both, by reduction to |r| < pi / 4; large arguments lane by lane.
inline void sine_and_cosine(Vector x, Vector& sine, Vector& cosine) {
    const Vector shifted = x * 0.63661977236758134308 + kRounding, n = shifted - kRounding;
    // pi / 2 in four parts, of which n times the first three are exact
    Vector r = x - n * 1.57079632673412561417e+00;
    r = r - n * 6.07710050630396597660e-11;
    r = r - n * 2.02226624871116645580e-21;
    r = r - n * 8.47842766036889956997e-32;
    const Vector q = r * r;
    // polynomials of fdlibm's k_sin.c and k_cos.c
    Vector s = all(1.58969099521155010221e-10);
    for (double c : {-2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04,
                     8.33333333332248946124e-03, -1.66666666666666324348e-01})
        s = s * q + c;
    s = s * (q * r) + r;
    Vector c = all(-1.13596475577881948265e-11);
    for (double each : {2.08757232129817482790e-09, -2.75573143513906633035e-07, 2.48015872894767294178e-05,
                        -1.38888888888741095749e-03, 4.16666666666666019037e-02})
        c = c * q + each;
    const Vector half = 0.5 * q, most = 1.0 - half;
    c = most + (((1.0 - most) - half) + q * q * c);
    const Bits quadrant = bits(shifted), odd = -(quadrant & 1);
    sine = number(bits(choose(odd, c, s)) ^ ((quadrant & 2) << 62));
    cosine = number(bits(choose(odd, s, c)) ^ (((quadrant + 1) & 2) << 62));
    double values[kLanes];
    std::memcpy(values, &x, sizeof values);
    for (int lane = 0; lane < kLanes; ++lane)
        if (!(std::fabs(values[lane]) < 1e5)) sine[lane] = std::sin(values[lane]), cosine[lane] = std::cos(values[lane]);
}

}  // namespace
