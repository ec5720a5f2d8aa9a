// GELU, x Phi(x) with the integral Phi of the normal distribution, and its slope.
//
// With t = |x| it is max(x, 0) - t Phi(-t), and its slope Phi(-t) - t phi(t) where x is negative and 1 less that where it
// is positive, phi being the density. Float knows two ways to these two functions of t: polynomials of pieces, which a
// processor with AVX-512 finds by shuffles of registers, and polynomials of all t.
#pragma once

#include <cmath>

#include "kernels_simd.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

inline double normal_integral(double x) { return std::erfc(-x * 0.70710678118654752440) / 2; }
inline double normal_density(double x) { return std::exp(-x * x / 2) * 0.39894228040143267794; }

template <typename T>
struct Gelu {
    using V = Vector<T>;
    static inline void both(V x, V& value, V& slope) {
        for (Index i = 0; i < Lanes<T>::count; ++i) {
            const T phi = static_cast<T>(normal_integral(x[i]));
            value[i] = x[i] * phi;
            slope[i] = phi + x[i] * static_cast<T>(normal_density(x[i]));
        }
    }
    static inline V value(V x) {
        V result, slope;
        both(x, result, slope);
        return result;
    }
    static inline V slope(V x) {
        V value, result;
        both(x, value, result);
        return result;
    }
};

#if defined(__AVX512F__)

// Polynomials of degree 4 on 32 pieces of [0, 6.2], the last of them zero, in the distance from a piece's middle by its
// length. They go through Chebyshev's points, and are off by less than 5e-8 of GELU and 1e-7 of its slope, rounding
// included; what they leave out beyond 6 is below 6e-9 and 4e-8.
struct Pieces {
    static constexpr int kTerms = 5, kCount = 32;
    static constexpr double kLength = 6.3 / 32;
    alignas(64) float tail[kTerms][kCount], slope[kTerms][kCount];

    Pieces() {
        for (int piece = 0; piece < kCount; ++piece) {
            fit(piece, tail, [](double t) { return t * normal_integral(-t); });
            fit(piece, slope, [](double t) { return normal_integral(-t) - t * normal_density(t); });
        }
    }

   private:
    template <typename Function>
    static void fit(int piece, float (&table)[kTerms][kCount], Function function) {
        // t has no numbers below zero
        const double begin = piece == 0 ? 0.0 : -0.5, middle = (begin + 0.5) / 2;
        double at[kTerms], difference[kTerms], sum[kTerms] = {};
        for (int i = 0; i < kTerms; ++i) {
            at[i] = middle + (0.5 - middle) * std::cos(3.14159265358979323846 * (i + 0.5) / kTerms);
            // small numbers keep their digits
            if (piece == 0 && i == kTerms - 1) at[i] = 0;
            difference[i] = piece == kCount - 1 ? 0 : function((piece + at[i]) * kLength);
        }
        for (int order = 1; order < kTerms; ++order)
            for (int i = kTerms - 1; i >= order; --i)
                difference[i] = (difference[i] - difference[i - 1]) / (at[i] - at[i - order]);
        for (int i = kTerms - 1; i >= 0; --i) {
            for (int power = kTerms - 1; power > 0; --power) sum[power] = sum[power - 1] - at[i] * sum[power];
            sum[0] = difference[i] - at[i] * sum[0];
        }
        for (int power = 0; power < kTerms; ++power) table[power][piece] = static_cast<float>(sum[power]);
    }
};

const Pieces kPieces;

template <>
struct Gelu<float> {
    using V = Vector<float>;

    static inline V value(V x) { return positive(x) - Place(x).of(kPieces.tail); }
    static inline V slope(V x) { return side(x, Place(x).of(kPieces.slope)); }
    static inline void both(V x, V& value, V& slope) {
        const Place place(x);
        value = positive(x) - place.of(kPieces.tail);
        slope = side(x, place.of(kPieces.slope));
    }

   private:
    // The piece that a number is in, and where in it.
    struct Place {
        __m512i piece;
        __m512 at;

        explicit Place(V x) {
            const __m512 scale = _mm512_set1_ps(static_cast<float>(1 / Pieces::kLength));
            const __m512 most = _mm512_set1_ps(static_cast<float>((Pieces::kCount - 0.6) * Pieces::kLength));
            const __m512 t = _mm512_min_ps(most, _mm512_abs_ps(x));  // what is not a number stays so
            const __m512 magic = _mm512_set1_ps(12582912.0f);       // 1.5 2^23: the last bits of a sum are whole numbers
            const __m512 sum = _mm512_fmadd_ps(t, scale, magic);
            piece = _mm512_castps_si512(sum);
            at = _mm512_fmsub_ps(t, scale, _mm512_sub_ps(sum, magic));
        }
        inline V of(const float (&table)[Pieces::kTerms][Pieces::kCount]) const {
            __m512 result = term(table[Pieces::kTerms - 1]);
#pragma GCC unroll 8
            for (int power = Pieces::kTerms - 2; power >= 0; --power)
                result = _mm512_fmadd_ps(result, at, term(table[power]));
            return result;
        }
        inline __m512 term(const float (&row)[Pieces::kCount]) const {
            return _mm512_permutex2var_ps(_mm512_load_ps(row), piece, _mm512_load_ps(row + 16));
        }
    };
    static inline V positive(V x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }
    // `negative` where x is negative and 1 - negative where it is positive
    static inline V side(V x, V negative) {
        const __m512i sign = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(INT32_MIN));
        return 0.5f + static_cast<V>(_mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(0.5f - negative), sign)));
    }
};

#else

// Phi(-t) = 2^q(t) with a polynomial q, and the slope is Phi(-t) kappa(t) with another; both are least maximum fits on
// [0, 6] with the weight of the result, to 5e-8 and 2e-7 in float, and 2^q is below 1e-18 where t is cut off.
template <>
struct Gelu<float> {
    using V = Vector<float>;
    typedef std::int32_t Bits __attribute__((vector_size(kBytes)));

    template <std::size_t N>
    static inline V polynomial(V t, const float (&coefficient)[N]) {
        V sum = V{} + coefficient[N - 1];
#pragma GCC unroll 16
        for (int i = static_cast<int>(N) - 2; i >= 0; --i) sum = sum * t + coefficient[i];
        return sum;
    }
    // Comparisons of floats that are not negative, as integers, which leaves the units of multiplication free.
    static inline V cut_off(V t) {
        const Bits bits = reinterpret_cast<Bits>(t), most = Bits{} + 0x41100000;  // 9
        return reinterpret_cast<V>(bits < most ? bits : most);
    }
    static inline V distance(V x) { return reinterpret_cast<V>(reinterpret_cast<Bits>(x) & 0x7fffffff); }
    static inline V positive(V x) {
        const Bits bits = reinterpret_cast<Bits>(x);
        return reinterpret_cast<V>(bits > 0 ? bits : Bits{});
    }
    // slope of the positive side or of the negative one, whose sum is 1
    static inline V side(V x, V negative) {
        const V half = 0.5f - negative;
        const Bits sign = reinterpret_cast<Bits>(x) & static_cast<std::int32_t>(0x80000000);
        return 0.5f + reinterpret_cast<V>(reinterpret_cast<Bits>(half) ^ sign);
    }
    // Phi(-t)
    static inline V tail(V t) {
        const V q = polynomial(t, {-0.9999999403953552f, -1.1511082649230957f, -0.4591820240020752f, -0.052578240633010864f,
                                   0.007185847032815218f, -0.00023315074213314801f, -0.00014548601757269353f,
                                   3.066088538616896e-05f, -2.0964287159586092e-06f});
        const V shifted = q + 12582912.0f;  // 1.5 2^23: its last bits are q, rounded
        const V rest = q - (shifted - 12582912.0f);
        const V power = polynomial(rest, {1.0000001192092896f, 0.6931469440460205f, 0.24022120237350464f,
                                          0.05550713092088699f, 0.009675541892647743f, 0.001327647129073739f});
        return reinterpret_cast<V>((reinterpret_cast<Bits>(shifted) << 23) + reinterpret_cast<Bits>(power));
    }
    static inline V kappa(V t) {
        return polynomial(t, {1.0000001192092896f, -0.7978928685188293f, -0.6365203261375427f, -0.1094493716955185f,
                              0.0200798362493515f, -0.0009198689367622137f, -0.0005618060822598636f,
                              0.00014025685959495604f, -1.0960196050291415e-05f});
    }
    static inline V value(V x) {
        const V t = distance(x);
        return positive(x) - t * tail(cut_off(t));
    }
    static inline void both(V x, V& value, V& slope) {
        const V t = distance(x), near = cut_off(t), below = tail(near);
        value = positive(x) - t * below;
        slope = side(x, below * kappa(near));
    }
    static inline V slope(V x) {
        const V near = cut_off(distance(x));
        return side(x, tail(near) * kappa(near));
    }
};

#endif

}  // namespace
