// Functions of the distance as polynomials of degree five between knots (quintic Hermite interpolation): value, slope
// and curvature are exact at the knots and continuous everywhere. The six coefficients of a vector of columns stand
// together, so that an edge reads its row of the table from one end to the other.

#pragma once

#include <functional>
#include <vector>

#include "simd.h"

namespace sciml::SCIML_ISA {

template <typename T>
class RadialTable {
public:
    // `fill` writes value, slope and curvature [3][columns] at a distance
    RadialTable() = default;
    RadialTable(int columns, int intervals, double cutoff, const std::function<void(double, double*)>& fill)
        : columns_(columns), intervals_(intervals), per_step_(intervals / cutoff) {
        data_.resize(std::size_t(intervals) * 6 * columns);
        std::vector<double> left(3 * columns), right(3 * columns);
        const double h = cutoff / intervals;
        fill(0.0, left.data());
        for (int i = 0; i < intervals; ++i) {
            fill((i + 1) * h, right.data());
            for (int c = 0; c < columns; ++c) {
                const double f0 = left[c], d0 = h * left[columns + c], s0 = h * h * left[2 * columns + c];
                const double f1 = right[c], d1 = h * right[columns + c], s1 = h * h * right[2 * columns + c];
                // what is left of the end's value, slope and curvature after the quadratic that fits the start
                const double f = f1 - f0 - d0 - 0.5 * s0, d = d1 - d0 - s0, s = s1 - s0;
                const double a[6] = {f0, d0, 0.5 * s0, 10 * f - 4 * d + 0.5 * s, -15 * f + 7 * d - s, 6 * f - 3 * d + 0.5 * s};
                T* to = data_.data() + std::size_t(i) * 6 * columns + 6 * (c - c % lanes<T>) + c % lanes<T>;
                for (int k = 0; k < 6; ++k) to[k * lanes<T>] = T(a[k]);
            }
            left = right;
        }
    }

    // where the polynomials of a distance below the cutoff stand
    const T* row(double distance, T& fraction) const {
        const double x = distance * per_step_;
        int i = int(x);
        if (i >= intervals_) i = intervals_ - 1;
        fraction = T(x - i);
        return data_.data() + std::size_t(i) * 6 * columns_;
    }
    T per_step() const { return T(per_step_); }
    int columns() const { return columns_; }

    // the polynomials of the vector of columns that begins at `column`
    static const T* group(const T* row, int column) { return row + 6 * column; }

    static inline Vector<T> value(const T* a, T t) {
        constexpr int w = lanes<T>;
        return at(a) + t * (at(a + w) + t * (at(a + 2 * w) + t * (at(a + 3 * w) + t * (at(a + 4 * w) + t * at(a + 5 * w)))));
    }
    // the slope is by the fraction: times per_step() it is by the distance
    static inline void value_and_slope(const T* a, T t, Vector<T>& value, Vector<T>& slope) {
        constexpr int w = lanes<T>;
        const Vector<T> a1 = at(a + w), a2 = at(a + 2 * w), a3 = at(a + 3 * w), a4 = at(a + 4 * w);
        // Horner's scheme for both at once
        value = at(a + 5 * w);
        slope = value;
        value = a4 + t * value;
        slope = value + t * slope;
        value = a3 + t * value;
        slope = value + t * slope;
        value = a2 + t * value;
        slope = value + t * slope;
        value = a1 + t * value;
        slope = value + t * slope;
        value = at(a) + t * value;
    }

private:
    int columns_ = 0, intervals_ = 0;
    double per_step_ = 0;
    Array<T> data_;
};

}  // namespace sciml::SCIML_ISA
