// Partial Fourier transforms along one axis: products with tables of cosines and sines, of sums and differences of points
// that lie opposite each other. Points j and n - j share their cosines, and their sines but for the sign; where n is
// even, points j and n/2 - j do too, with a sign that differs between even and odd frequencies. Each halves the work.
//
// Shapes: n points, k frequencies 0 .. k - 1, cp channels, a multiple of the vector's length.
#pragma once

#include <cmath>
#include <vector>

#include "kernels_simd.h"

namespace {

// A folded axis has n rows: sums x[j] + x[n-j] for j = 0 .. n/2, then differences x[n-j] - x[j] for j = 1 .. . Where n is
// even, rows j and n/2 - j of the sums are once more their sum, which even frequencies need, and their difference, which
// odd ones need; of the differences the difference, then the sum.
template <typename T>
class Axis {
   public:
    const Index n, k;

    Axis(Index points, Index frequencies) : n(points), k(frequencies), sums(n / 2 + 1) {
        const Index half = n / 2;
        if (n % 2 == 0) {
            cosines = {part(half / 2 + 1, 0, 0, 2, 0, 1, cosine), part((half + 1) / 2, 0, 1, 2, half, -1, cosine)};
            sines = {part((half - 1) / 2, 1, 2, 2, sums, 1, sine), part(half / 2, 1, 1, 2, n - 1, -1, sine)};
        } else {
            cosines = {part(sums, 0, 0, 1, 0, 1, cosine)};
            sines = {part(half, 1, 1, 1, sums, 1, sine)};
        }
    }
    Index scratch(Index cp) const { return (2 * n + 4 * k) * cp; }

    // out[0,f] = sum_j cos(2 pi f j / n) x[j], out[1,f] = -sum_j sin(2 pi f j / n) x[j]
    void analyse_real(Index cp, const T* x, T* out, T* work) const {
        fold(x, cp, cp, work);
        analyse(cp, work, out, out + k * cp);
    }
    // out[j] (+)= bias + sum_f cos(2 pi f j / n) x[0,f] - sin(2 pi f j / n) x[1,f]
    template <bool Add>
    void synthesise_real(Index cp, const T* x, const T* bias, T* out, T* work) const {
        synthesise(cp, x, x + k * cp, work);
        unfold(cp, work, work, [=](Index j, Index c, Vector<T> value) {
            T* to = out + j * cp + c;
            if (bias) value += load(bias + c);
            store(to, Add ? load(to) + value : value);
        });
    }
    // out[f] = sum_j exp(-2 pi i f j / n) x[j] for f = -m/2 .. ; `part` is the distance of real and imaginary part
    void analyse_complex(Index m, Index cp, const T* x, Index x_point, Index x_part, T* out, Index out_point,
                         Index out_part, T* work) const {
        constexpr Index W = Lanes<T>::count;
        T *cr = work + n * cp, *ci = cr + k * cp, *sr = ci + k * cp, *si = sr + k * cp;
        for (int part = 0; part < 2; ++part) {
            fold(x + part * x_part, x_point, cp, work);
            analyse(cp, work, part ? ci : cr, part ? si : sr);
        }
        for (Index i = 0; i < m; ++i) {
            const Index f = i - m / 2, at = std::abs(f) * cp;
            const T sign = f < 0 ? T(-1) : T(1);
            T* to = out + i * out_point;
            for (Index c = 0; c < cp; c += W) {
                store(to + c, load(cr + at + c) - sign * load(si + at + c));
                store(to + out_part + c, load(ci + at + c) + sign * load(sr + at + c));
            }
        }
    }
    // out[j] = sum_f exp(2 pi i f j / n) x[f]
    void synthesise_complex(Index m, Index cp, const T* x, Index x_point, Index x_part, T* out, Index out_point,
                            Index out_part, T* work) const {
        constexpr Index W = Lanes<T>::count;
        T *real = work, *imaginary = real + n * cp, *sum = imaginary + n * cp, *difference = sum + k * cp;
        for (int part = 0; part < 2; ++part) {
            for (Index f = 0; f < k; ++f) {
                const T* plus = m / 2 + f < m ? x + part * x_part + (m / 2 + f) * x_point : nullptr;
                const T* minus = f > 0 && m / 2 - f >= 0 ? x + part * x_part + (m / 2 - f) * x_point : nullptr;
                // the imaginary part meets sines with the other sign
                const T sign = part ? T(1) : T(-1);
                for (Index c = 0; c < cp; c += W) {
                    const Vector<T> a = plus ? load(plus + c) : Vector<T>{}, b = minus ? load(minus + c) : Vector<T>{};
                    store(sum + f * cp + c, a + b);
                    store(difference + f * cp + c, sign * (a - b));
                }
            }
            synthesise(cp, sum, difference, part ? imaginary : real);
        }
        unfold(cp, real, imaginary, [=](Index j, Index c, Vector<T> value) { store(out + j * out_point + c, value); });
        unfold(cp, imaginary, real,
               [=](Index j, Index c, Vector<T> value) { store(out + j * out_point + out_part + c, value); });
    }

   private:
    // Points that share a table [points, k] of frequencies first, first + step, .. ; in a folded axis they are rows at,
    // at + along, .. .
    struct Part {
        Index points, k, first, step, at, along;
        std::vector<T> table;
    };
    Index sums;  // rows
    std::vector<Part> cosines, sines;

    Part part(Index points, Index first_point, Index first, Index step, Index at, Index along,
              double (*function)(Index, Index)) const {
        Part made = {points, std::max<Index>(0, (k - first + step - 1) / step), first, step, at, along, {}};
        for (Index j = 0; j < points; ++j)
            for (Index f = 0; f < made.k; ++f)
                made.table.push_back(static_cast<T>(function((first_point + j) * (first + f * step) % n, n)));
        return made;
    }
    // of the angle 2 pi i / n; the half and the quarters of a turn are exact
    static double cosine(Index i, Index n) {
        return (4 * i == n || 4 * i == 3 * n) ? 0 : 2 * i == n ? -1 : std::cos(angle(i, n));
    }
    static double sine(Index i, Index n) { return 2 * i == n ? 0 : std::sin(angle(i, n)); }
    static double angle(Index i, Index n) {
        return 2 * 3.14159265358979323846 * static_cast<double>(i) / static_cast<double>(n);
    }

    void fold(const T* x, Index stride, Index cp, T* out) const {
        constexpr Index W = Lanes<T>::count;
        const auto at = [=](Index j, Index c) { return load(x + j * stride + c); };
        const auto put = [=](Index row, Index c, Vector<T> value) { store(out + row * cp + c, value); };
        const Index half = n / 2, twice = n % 2 == 0 ? (half + 1) / 2 : 1;
        for (Index c = 0; c < cp; c += W) {
            put(0, c, n % 2 == 0 ? at(0, c) + at(half, c) : at(0, c));
            if (n % 2 == 0) put(half, c, at(0, c) - at(half, c));
        }
        for (Index j = 1; j < twice; ++j)
            for (Index c = 0; c < cp; c += W) {
                const Vector<T> a = at(j, c), b = at(n - j, c), d = at(half - j, c), e = at(half + j, c);
                const Vector<T> even = a + b, even2 = d + e, odd = b - a, odd2 = e - d;
                put(j, c, even + even2);
                put(half - j, c, even - even2);
                put(sums + j - 1, c, odd - odd2);
                put(sums + half - j - 1, c, odd + odd2);
            }
        // what has no second partner
        for (Index j = twice; j <= (n % 2 == 0 ? half / 2 : half); ++j)
            for (Index c = 0; c < cp; c += W) {
                put(j, c, at(j, c) + at(n - j, c));
                put(sums + j - 1, c, at(n - j, c) - at(j, c));
            }
    }
    // From the cosines of one folded axis and the sines of another: put(j, c, cosine - sine) and for n - j their sum.
    template <typename Put>
    void unfold(Index cp, const T* even, const T* odd, Put put) const {
        constexpr Index W = Lanes<T>::count;
        const auto cosine_at = [=](Index row, Index c) { return load(even + row * cp + c); };
        const auto sine_at = [=](Index row, Index c) { return load(odd + (sums + row - 1) * cp + c); };
        const Index half = n / 2, twice = n % 2 == 0 ? (half + 1) / 2 : 1;
        for (Index c = 0; c < cp; c += W) {
            const Vector<T> a = cosine_at(0, c), b = n % 2 == 0 ? cosine_at(half, c) : Vector<T>{};
            put(0, c, a + b);
            if (n % 2 == 0) put(half, c, a - b);
        }
        for (Index j = 1; j < twice; ++j)
            for (Index c = 0; c < cp; c += W) {
                const Vector<T> a = cosine_at(j, c), b = cosine_at(half - j, c), p = sine_at(j, c), q = sine_at(half - j, c);
                const Vector<T> near = a + b, far = a - b, sine_near = q + p, sine_far = q - p;
                put(j, c, near - sine_near);
                put(n - j, c, near + sine_near);
                put(half - j, c, far - sine_far);
                put(half + j, c, far + sine_far);
            }
        for (Index j = twice; j <= (n % 2 == 0 ? half / 2 : half); ++j)
            for (Index c = 0; c < cp; c += W) {
                put(j, c, cosine_at(j, c) - sine_at(j, c));
                put(n - j, c, cosine_at(j, c) + sine_at(j, c));
            }
    }
    // even[f] = sum_j cos x, odd[f] = sum_j sin x of a folded axis
    void analyse(Index cp, const T* folded, T* even, T* odd) const {
        for (const Part& each : cosines)
            product<false>(each.k, cp, each.points, each.table.data(), 1, each.k, folded + each.at * cp, each.along * cp,
                           even + each.first * cp, each.step * cp);
        std::memset(odd, 0, sizeof(T) * cp);
        for (const Part& each : sines)
            product<false>(each.k, cp, each.points, each.table.data(), 1, each.k, folded + each.at * cp, each.along * cp,
                           odd + each.first * cp, each.step * cp);
    }
    // the other way round
    void synthesise(Index cp, const T* even, const T* odd, T* folded) const {
        for (const Part& each : cosines)
            product<false>(each.points, cp, each.k, each.table.data(), each.k, 1, even + each.first * cp, each.step * cp,
                           folded + each.at * cp, each.along * cp);
        for (const Part& each : sines)
            product<false>(each.points, cp, each.k, each.table.data(), each.k, 1, odd + each.first * cp, each.step * cp,
                           folded + each.at * cp, each.along * cp);
    }
};

}  // namespace
