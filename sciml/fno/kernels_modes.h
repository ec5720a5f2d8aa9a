// The transforms of a block along all its axes, and the products of each mode with its matrix.
//
// Shapes: b samples, rows = all points of a sample but those along the last axis, modes = all kept modes of a sample,
// c channels, filled up to a multiple of the vector's length with zeros (cp). A spectrum is [modes, b, 2, cp] (2: real and
// imaginary parts), a partly transformed field [b, rows.., 2, modes.., cp].
#pragma once

#include <omp.h>

#include <vector>

#include "kernels_fourier.h"

namespace {

// The transforms of all axes but the last, between [b, n.., 2, k, cp] and the spectrum [modes, b, 2, cp].
template <typename T>
class Transform {
   public:
    const Index batch, dims, channels, cp;
    Index rows = 1, modes = 1;

    // sizes: b, dims, c, n of each axis, m of each axis
    explicit Transform(const Index* sizes) : batch(sizes[0]), dims(sizes[1]), channels(sizes[2]), cp(padded<T>(channels)) {
        for (Index d = 0; d < dims; ++d) {
            const Index n = sizes[3 + d], m = sizes[3 + dims + d];
            axes.emplace_back(n, d + 1 < dims ? m / 2 + 1 : m);
            kept.push_back(m);
            modes *= m;
            if (d + 1 < dims) rows *= n;
        }
    }
    const Axis<T>& last() const { return axes.back(); }
    Index row_size() const { return 2 * kept.back() * cp; }
    Index scratch() const {
        Index most = 0;
        for (const Axis<T>& axis : axes) most = std::max(most, axis.scratch(cp));
        return most;
    }
    // 1/n of all axes, and `real` of a mode: 2 where its conjugate is left out
    T scale(Index mode) const {
        const Index f = mode % kept.back(), n = last().n;
        double result = (f == 0 || 2 * f == n) ? 1 : 2;
        for (const Axis<T>& axis : axes) result /= static_cast<double>(axis.n);
        return static_cast<T>(result);
    }

    void analyse(const T* partly, T* spectrum, int threads) const { run<true>(partly, spectrum, threads); }
    void synthesise(const T* spectrum, T* partly, int threads) const { run<false>(spectrum, partly, threads); }

   private:
    std::vector<Axis<T>> axes;
    std::vector<Index> kept;

    template <bool Analyse>
    void run(const T* in, T* out, int threads) const {
        // [b, n1, .., n_d, 2, m_{d+1}.., cp] <-> [b, n1, .., 2, m_d, m_{d+1}.., cp]; the first axis to or from [modes, b, 2, cp]
        std::vector<Index> inner(dims, kept.back());  // modes behind axis d
        for (Index d = dims - 3; d >= 0; --d) inner[d] = inner[d + 1] * kept[d + 1];
        if (dims == 1) {
            for (Index i = 0; i < batch; ++i)
                for (int part = 0; part < 2; ++part)
                    for (Index f = 0; f < modes; ++f) {
                        const Index row = ((i * 2 + part) * modes + f) * cp, at = ((f * batch + i) * 2 + part) * cp;
                        std::memcpy(out + (Analyse ? at : row), in + (Analyse ? row : at), sizeof(T) * cp);
                    }
            return;
        }
        Index outer = batch * rows;
        std::vector<Index> before(dims);
        for (Index d = dims - 2; d >= 0; --d) before[d] = (outer /= axes[d].n);
        Array<T> first(dims > 2 ? before[dims - 2] * 2 * kept[dims - 2] * inner[dims - 2] * cp : 0);
        const Index steps = dims - 1;
        for (Index step = 0; step < steps; ++step) {
            const Index d = Analyse ? dims - 2 - step : step;
            const T* from = step == 0 ? in : static_cast<T*>(first);
            T* to = step == steps - 1 ? out : static_cast<T*>(first);
            const Axis<T>& axis = axes[d];
            const Index m = kept[d], rest = inner[d];
            Array<T> works(threads * axis.scratch(cp));
#pragma omp parallel num_threads(threads)
            {
                T* work = works + omp_get_thread_num() * axis.scratch(cp);
#pragma omp for schedule(static)
                for (Index job = 0; job < before[d] * rest; ++job) {
                    const Index o = job / rest, q = job % rest;
                    // the side of the points: [o, n, 2, rest, cp]
                    const Index points = (o * axis.n * 2 * rest + q) * cp, point = 2 * rest * cp, part = rest * cp;
                    // the side of the modes: [o, 2, m, rest, cp], or [m, rest, b, 2, cp] for the first axis
                    const Index at = d > 0 ? (o * 2 * m * rest + q) * cp : (q * batch + o) * 2 * cp;
                    const Index mode = d > 0 ? rest * cp : rest * batch * 2 * cp, mode_part = d > 0 ? m * rest * cp : cp;
                    if constexpr (Analyse)
                        axis.analyse_complex(m, cp, from + points, point, part, to + at, mode, mode_part, work);
                    else
                        axis.synthesise_complex(m, cp, from + at, mode, mode_part, to + points, point, part, work);
                }
            }
        }
    }
};

// The matrix [2 cp, 2 cp] of real numbers that stands for a complex one [c, c], times `scale`; or its transpose.
template <typename T>
void pack_complex(Index c, Index cp, const T* weight, T scale, bool transposed, T* out) {
    const Index row = 2 * cp;
    if (c != cp) std::memset(out, 0, sizeof(T) * row * row);
    for (Index i = 0; i < c; ++i)
        if (transposed)
            for (Index o = 0; o < c; ++o) {
                const T re = scale * weight[(i * c + o) * 2], im = scale * weight[(i * c + o) * 2 + 1];
                out[o * row + i] = out[(cp + o) * row + cp + i] = re;
                out[(cp + o) * row + i] = im;
                out[o * row + cp + i] = -im;
            }
        else
            for (Index o = 0; o < c; ++o) {
                const T re = scale * weight[(i * c + o) * 2], im = scale * weight[(i * c + o) * 2 + 1];
                out[i * row + o] = out[(cp + i) * row + cp + o] = re;
                out[i * row + cp + o] = im;
                out[(cp + i) * row + o] = -im;
            }
}

// out = spectrum times weight [modes, c, c, 2], or, transposed, what the slope by out gives for the spectrum
template <typename T>
void contract(const Transform<T>& transform, const T* weight, bool transposed, const T* spectrum, T* out, int threads) {
    const Index c = transform.channels, cp = transform.cp, row = 2 * cp, batch = transform.batch;
    Array<T> matrices(threads * row * row);
#pragma omp parallel num_threads(threads)
    {
        T* matrix = matrices + omp_get_thread_num() * row * row;
#pragma omp for schedule(static)
        for (Index mode = 0; mode < transform.modes; ++mode) {
            pack_complex<T>(c, cp, weight + mode * c * c * 2, transform.scale(mode), transposed, matrix);
            const Index at = mode * batch * row;
            product<false, T>(batch, row, row, spectrum + at, row, 1, matrix, row, out + at, row);
        }
    }
}

// d_weight[mode,i,o] = scale sum_b conj(spectrum[b,i]) slope[b,o]
template <typename T>
void weight_slope(const Transform<T>& transform, const T* spectrum, const T* slope, T* d_weight, int threads) {
    const Index c = transform.channels, cp = transform.cp, row = 2 * cp, batch = transform.batch;
    Array<T> matrices(threads * row * row);
#pragma omp parallel num_threads(threads)
    {
        T* matrix = matrices + omp_get_thread_num() * row * row;
#pragma omp for schedule(static)
        for (Index mode = 0; mode < transform.modes; ++mode) {
            const Index at = mode * batch * row;
            product<false, T>(row, row, batch, spectrum + at, 1, row, slope + at, row, matrix, row);
            const T scale = transform.scale(mode);
            for (Index i = 0; i < c; ++i) {
                const T *upper = matrix + i * row, *lower = matrix + (cp + i) * row;
                T* to = d_weight + (mode * c + i) * c * 2;
                for (Index o = 0; o < c; ++o) {
                    to[2 * o] = scale * (upper[o] + lower[cp + o]);
                    to[2 * o + 1] = scale * (upper[cp + o] - lower[o]);
                }
            }
        }
    }
}

}  // namespace
