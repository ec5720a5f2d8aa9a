// Sunlight at the top of the atmosphere over a window of time; the formula is that of `toa_radiation_sum` in forcings.py.
//
// Shapes: y latitudes, x longitudes.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

using Index = std::int64_t;

// Of max(0, cos z) over the hour angle, from 0 to `angle` within half a turn.
inline double integral(double up, double across, double sunset, double half_day, double angle, double sine) {
    return std::abs(angle) <= sunset ? up * angle + across * sine : std::copysign(half_day, angle);
}

}  // namespace

// up, across, sunset: [y] of cos z = up + across cos(hour angle), and the hour angle where it is 0; half_day: [y] the
// integral from 0 to sunset; begin, end: [x] hour angles of the window, within half a turn, and their sines; days: [x]
// half turns that are between them besides; out: [y, x] the integral over the window times the factor.
extern "C" void sunlight(Index y, Index x, const double* up, const double* across, const double* sunset,
                         const double* half_day, const double* begin, const double* begin_sine, const double* end,
                         const double* end_sine, const double* days, double factor, float* out) {
    for (Index j = 0; j < y; ++j) {
        const double u = up[j], a = across[j], s = sunset[j], h = half_day[j];
#pragma omp simd
        for (Index i = 0; i < x; ++i) {
            const double first = integral(u, a, s, h, begin[i], begin_sine[i]);
            const double last = integral(u, a, s, h, end[i], end_sine[i]);
            out[j * x + i] = static_cast<float>(factor * std::max(last - first + days[i] * h, 0.0));
        }
    }
}
