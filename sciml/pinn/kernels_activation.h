// Jets through an activation, and their cotangents back, for one row: a feature of a block of points, [s][points].
#pragma once

#include "kernels_simd.h"

namespace {

enum class Activation : Index { kTanh, kSine };
constexpr Index kMostSlopes = 6;

// A sum of monomials: target += factor * seen[source] * slope[order] * product of z at `parts`. Sorted by target.
struct Monomial {
    Index target, source, order, count, parts[4];
};
struct Polynomial {
    Index count;
    const Monomial* monomials;
    const double* factors;
};

// The activation's value and, of the sine, the cosine, which its derivatives need.
inline void activate(Activation kind, Index points, const double* z, double* value, double* other) {
    for (Index at = 0; at < points; at += kLanes) {
        if (kind == Activation::kTanh) {
            store(value + at, tanh_of(load(z + at)));
            continue;
        }
        Vector sine, cosine;
        sine_and_cosine(load(z + at), sine, cosine);
        store(value + at, sine);
        store(other + at, cosine);
    }
}

// The first `count` of the activation and its derivatives, [count][points].
inline void slopes(Activation kind, Index count, Index points, const double* value, const double* other, double* out) {
    for (Index at = 0; at < points; at += kLanes) {
        const Vector y = load(value + at);
        Vector found[kMostSlopes];
        if (kind == Activation::kTanh) {
            const Vector square = y * y, q = 1.0 - square;
            found[0] = y, found[1] = q, found[2] = -2.0 * y * q, found[3] = (6.0 * square - 2.0) * q;
            if (count > 4) {
                found[4] = (16.0 - 24.0 * square) * y * q;
                found[5] = (16.0 + square * (120.0 * square - 120.0)) * q;
            }
        } else {
            const Vector c = load(other + at);
            found[0] = y, found[1] = c, found[2] = -y, found[3] = -c, found[4] = y, found[5] = c;
        }
        for (Index k = 0; k < count; ++k) store(out + k * points + at, found[k]);
    }
}

// One monomial of P parts; S says whether there is a source.
template <int P, bool S>
inline void add_monomial(const Monomial& term, double factor, bool fresh, Index points, const double* seen,
                         const double* slope, const double* z, double* out) {
    const double* part[P ? P : 1];
    for (int k = 0; k < P; ++k) part[k] = z + term.parts[k] * points;
    for (Index at = 0; at < points; at += kLanes) {
        Vector product = factor * load(slope + term.order * points + at);
        if (S) product *= load(seen + term.source * points + at);
#pragma GCC unroll 4
        for (int k = 0; k < P; ++k) product *= load(part[k] + at);
        double* const to = out + term.target * points + at;
        store(to, fresh ? product : load(to) + product);
    }
}

// All targets of a polynomial; without `seen` its sources are not read.
template <bool S>
inline void evaluate(const Polynomial& polynomial, Index points, const double* seen, const double* slope,
                     const double* z, double* out) {
    Index last = -1;
    for (Index k = 0; k < polynomial.count; ++k) {
        const Monomial& term = polynomial.monomials[k];
        const double factor = polynomial.factors[k];
        const bool fresh = term.target != last;
        last = term.target;
        switch (term.count) {
            case 0: add_monomial<0, S>(term, factor, fresh, points, seen, slope, z, out); break;
            case 1: add_monomial<1, S>(term, factor, fresh, points, seen, slope, z, out); break;
            case 2: add_monomial<2, S>(term, factor, fresh, points, seen, slope, z, out); break;
            case 3: add_monomial<3, S>(term, factor, fresh, points, seen, slope, z, out); break;
            default: add_monomial<4, S>(term, factor, fresh, points, seen, slope, z, out);
        }
    }
}

}  // namespace
