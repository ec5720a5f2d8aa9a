// One block of a Fourier neural operator, forward and backward. The forward pass keeps the spectrum of the block's input
// and the sums ahead of two nonlinearities for the backward one, which finds the rest again: that is quicker than to store
// and read it.
//
// Shapes: as in kernels_modes.h; n points of the last axis, e hidden channels, filled up to ep.
#pragma once

#include <utility>

#include "kernels_modes.h"
#include "kernels_points.h"

namespace {

enum Skip : Index { kNone, kLinear, kGate };

// What a block is made of, as the caller knows it: pointers that are null where the part is missing.
template <typename T>
struct Weights {
    const T *spectral, *bias, *skip, *w1, *b1, *w2, *b2, *mlp_skip;
};

template <typename T>
class Block {
   public:
    // sizes: b, dims, c, n.., m.., e (0: no perceptron), kind of skip, kind of the perceptron's skip, activate, bias by sample
    Block(const Index* sizes, const Weights<T>& given)
        : transform(sizes), weights(given), c(transform.channels), cp(transform.cp), more(sizes + 3 + 2 * transform.dims),
          e(more[0]), ep(padded<T>(e)), skip_kind(static_cast<Skip>(more[1])), mlp_kind(static_cast<Skip>(more[2])),
          activate(more[3]), bias_by_sample(more[4]), n(transform.last().n),
          skip(skip_kind == kLinear ? weights.skip : nullptr, c, skip_kind == kLinear ? c : 0), first(weights.w1, e, e ? c : 0),
          second(weights.w2, e ? c : 0, e), mlp_skip(mlp_kind == kLinear ? weights.mlp_skip : nullptr, c, mlp_kind == kLinear ? c : 0),
          vectors(3 * cp + ep + transform.batch * cp) {
        bias = vectors;
        b2 = bias + transform.batch * cp;
        gate = b2 + cp;
        mlp_gate = gate + cp;
        b1 = mlp_gate + cp;
        for (Index i = 0; i < transform.batch; ++i)
            pack(1, c, weights.bias + (bias_by_sample ? i * c : 0), bias + i * cp, cp);
        if (e) pack(1, c, weights.b2, b2, cp);
        if (e) pack(1, e, weights.b1, b1, ep);
        if (skip_kind == kGate) pack(1, c, weights.skip, gate, cp);
        if (mlp_kind == kGate) pack(1, c, weights.mlp_skip, mlp_gate, cp);
        parts = std::min(transform.rows, (16 + transform.batch - 1) / transform.batch);
    }

    // spectrum [modes, b, 2, cp] and kept [b, rows, n, cp + ep] are for the backward pass; the latter may be null
    void forward(const T* x, T* out, T* spectrum, T* kept, int threads) const {
        const Index all_rows = transform.batch * transform.rows;
        Array<T> partly(all_rows * transform.row_size());
        analyse_rows(x, partly, threads);
        transform.analyse(partly, spectrum, threads);
        convolve(spectrum, partly, threads);
        const Index tile_size = kPoints * (3 * cp + ep), size = n * cp + transform.last().scratch(cp) + tile_size;
        Array<T> works(threads * size);
#pragma omp parallel num_threads(threads)
        {
            T *work = works + omp_get_thread_num() * size, *tile = work + n * cp, *row_work = tile + tile_size;
#pragma omp for schedule(static)
            for (Index row = 0; row < all_rows; ++row) {
                transform.last().template synthesise_real<false>(cp, partly + row * transform.row_size(),
                                                                 bias + row / transform.rows * cp, work, row_work);
                for (Index p = 0; p < n; p += kPoints) {
                    const Index points = std::min(kPoints, n - p), at = row * n + p;
                    forward_tile(points, x + at * c, work + p * cp, kept ? kept + at * (cp + ep) : nullptr, out + at * c, tile);
                }
            }
        }
    }

    struct Slopes {
        T *x, *spectral, *bias, *skip, *w1, *b1, *w2, *b2, *mlp_skip;
    };

    void backward(const T* x, const T* spectrum, const T* kept, const T* d_out, const Slopes& slopes, int threads) {
        const Index all_parts = transform.batch * parts, spectrum_size = transform.modes * transform.batch * 2 * cp;
        place_slopes();
        Array<T> partly(transform.batch * transform.rows * transform.row_size()), collected(all_parts * slope_size);
        const Index tile_size = kPoints * (6 * cp + 3 * ep), size = n * cp + transform.last().scratch(cp) + tile_size;
        Array<T> works(threads * size);
#pragma omp parallel num_threads(threads)
        {
            T *work = works + omp_get_thread_num() * size, *tile = work + n * cp, *row_work = tile + tile_size;
#pragma omp for schedule(static)
            for (Index part = 0; part < all_parts; ++part) {
                T* collect = collected + part * slope_size;
                std::memset(collect, 0, sizeof(T) * slope_size);
                const Index sample = part / parts, begin = part % parts * transform.rows / parts;
                const Index end = (part % parts + 1) * transform.rows / parts;
                for (Index row = sample * transform.rows + begin; row < sample * transform.rows + end; ++row) {
                    for (Index p = 0; p < n; p += kPoints) {
                        const Index points = std::min(kPoints, n - p), at = row * n + p;
                        backward_tile(points, x + at * c, kept + at * (cp + ep), d_out + at * c, work + p * cp,
                                      slopes.x + at * c, collect, tile);
                    }
                    transform.last().analyse_real(cp, work, partly + row * transform.row_size(), row_work);
                }
            }
        }
        Array<T> by_convolved(spectrum_size), by_spectrum(spectrum_size);
        transform.analyse(partly, by_convolved, threads);
        weight_slope<T>(transform, spectrum, by_convolved, slopes.spectral, threads);
        contract<T>(transform, weights.spectral, true, by_convolved, by_spectrum, threads);
        transform.synthesise(by_spectrum, partly, threads);
        add_rows(partly, slopes.x, threads);
        finish(collected, slopes);
    }

   private:
    const Transform<T> transform;
    const Weights<T> weights;
    const Index c, cp;
    const Index* more;
    const Index e, ep;
    const Skip skip_kind, mlp_kind;
    const bool activate, bias_by_sample;
    const Index n;
    const Linear<T> skip, first, second, mlp_skip;
    Array<T> vectors;
    T *bias, *b1, *b2, *gate, *mlp_gate;
    Index parts;  // of a sample, for the slopes: the same for any number of threads
    Index at_bias, at_skip, at_w1, at_b1, at_w2, at_b2, at_mlp_skip, slope_size;

    // spectral convolution but for the synthesis along the last axis
    void convolve(const T* spectrum, T* partly, int threads) const {
        Array<T> contracted(transform.modes * transform.batch * 2 * cp);
        contract<T>(transform, weights.spectral, false, spectrum, contracted, threads);
        transform.synthesise(contracted, partly, threads);
    }
    void analyse_rows(const T* x, T* partly, int threads) const {
        const Index size = n * cp + transform.last().scratch(cp);
        Array<T> works(threads * size);
#pragma omp parallel num_threads(threads)
        {
            T* work = works + omp_get_thread_num() * size;
#pragma omp for schedule(static)
            for (Index row = 0; row < transform.batch * transform.rows; ++row) {
                prefetch(x + (row + 1) * n * c, n * c);
                transform.last().analyse_real(cp, as_padded(n, c, x + row * n * c, work, cp),
                                              partly + row * transform.row_size(), work + n * cp);
            }
        }
    }
    void add_rows(const T* partly, T* x, int threads) const {
        const Index size = n * cp + transform.last().scratch(cp);
        Array<T> works(threads * size);
#pragma omp parallel num_threads(threads)
        {
            T* work = works + omp_get_thread_num() * size;
#pragma omp for schedule(static)
            for (Index row = 0; row < transform.batch * transform.rows; ++row) {
                T* to = x + row * n * c;
                T* out = to;
                prefetch<true>(to + n * c, n * c);
                if (c != cp) pack(n, c, to, out = work, cp);
                transform.last().template synthesise_real<true>(cp, partly + row * transform.row_size(), nullptr, out,
                                                                work + n * cp);
                if (c != cp) unpack(n, c, out, cp, to);
            }
        }
    }

    // z comes in as spectral convolution + bias; what is kept for the slopes are the sums ahead of the first nonlinearity
    // and of that in the perceptron
    void forward_tile(Index points, const T* x_in, T* z, T* kept, T* out, T* work) const {
        constexpr Index W = Lanes<T>::count;
        T *h = work, *x_work = h + kPoints * cp, *y = x_work + kPoints * cp, *m = y + kPoints * cp;
        const T* x = as_padded(points, c, x_in, x_work, cp);
        T* result = c == cp ? out : y;
        if (skip_kind == kLinear) skip.template apply<true>(points, x, cp, z);
        if (skip_kind == kGate) add_gated(points, x, gate, z);
        T* nonlinear = e ? h : result;
        for (Index i = 0; i < points * cp; i += W) {
            const Vector<T> sum = load(z + i);
            if (kept) store(kept + i, sum);
            store(nonlinear + i, activate ? Gelu<T>::value(sum) : sum);
        }
        prefetch(x_in + kPoints * c, kPoints * c);
        prefetch<true>(out + kPoints * c, kPoints * c);
        if (e) {
            first.template apply<false>(points, h, cp, m);
            for (Index p = 0; p < points; ++p)
                for (Index i = 0; i < ep; i += W) {
                    const Vector<T> sum = load(m + p * ep + i) + load(b1 + i);
                    if (kept) store(kept + points * cp + p * ep + i, sum);
                    store(m + p * ep + i, Gelu<T>::value(sum));
                }
            apply_second(points, x, m, y);
            for (Index p = 0; p < points; ++p)
                for (Index i = 0; i < cp; i += W) {
                    const Vector<T> sum = sum_after(x, y, p * cp, i);
                    store(result + p * cp + i, activate ? Gelu<T>::value(sum) : sum);
                }
        }
        if (c != cp) unpack(points, c, result, cp, out);
    }

    // Second layer of the perceptron, with its skip where that is a matrix.
    void apply_second(Index points, const T* x, const T* m, T* y) const {
        second.template apply<false>(points, m, ep, y);
        if (mlp_kind == kLinear) mlp_skip.template apply<true>(points, x, cp, y);
    }
    // and with its bias and the other kind of skip, for one vector of channels of the point in row `at`
    Vector<T> sum_after(const T* x, const T* y, Index at, Index i) const {
        const Vector<T> sum = load(y + at + i) + load(b2 + i);
        return mlp_kind == kGate ? sum + load(x + at + i) * load(mlp_gate + i) : sum;
    }
    // y += x by
    void add_gated(Index points, const T* x, const T* by, T* y) const {
        constexpr Index W = Lanes<T>::count;
        for (Index p = 0; p < points; ++p)
            for (Index i = 0; i < cp; i += W)
                store(y + p * cp + i, load(y + p * cp + i) + load(x + p * cp + i) * load(by + i));
    }

    // `kept` as `forward_tile` leaves it; the slope by the sum ahead of the first nonlinearity goes to dz
    void backward_tile(Index points, const T* x_in, const T* kept, const T* d_in, T* dz, T* dx_out, T* sums, T* work) const {
        T *h_work = work, *h_slope = h_work + kPoints * cp, *x_work = h_slope + kPoints * cp, *d_work = x_work + kPoints * cp;
        T *y = d_work + kPoints * cp, *dx_work = y + kPoints * cp;
        T *m = dx_work + kPoints * cp, *m_slope = m + kPoints * ep, *dm = m_slope + kPoints * ep;
        const T* x = as_padded(points, c, x_in, x_work, cp);
        const T* d = as_padded(points, c, d_in, d_work, cp);
        T* dx = c == cp ? dx_out : dx_work;
        const Index size = points * cp;
        const T* h = activate ? h_work : kept;
        if (activate) gelu_with_slope(size, kept, h_work, h_slope);
        prefetch(x_in + kPoints * c, kPoints * c);
        if (e) {
            gelu_with_slope(points * ep, kept + size, m, m_slope);
            prefetch(d_in + kPoints * c, kPoints * c);
            if (activate) apply_second(points, x, m, y);
            slope_behind(points, x, d, y, dx, sums);
            second.collect(points, m, y, sums + at_w2);
            second.template pull<false>(points, y, dm);
            if (mlp_kind == kLinear) {
                mlp_skip.collect(points, x, y, sums + at_mlp_skip);
                mlp_skip.template pull<false>(points, y, dx);
            }
            multiply(points, ep, m_slope, dm, dm, sums + at_b1);
            prefetch(kept + points * (cp + ep), kPoints * (cp + ep));
            first.collect(points, h, dm, sums + at_w1);
            first.template pull<false>(points, dm, dz);
            d = dz;
        }
        multiply(points, cp, activate ? h_slope : nullptr, d, dz, sums + at_bias);
        prefetch<true>(dx_out + kPoints * c, kPoints * c);
        if (!e || mlp_kind == kNone) std::memset(dx, 0, sizeof(T) * size);
        if (skip_kind == kLinear) {
            skip.collect(points, x, dz, sums + at_skip);
            skip.template pull<true>(points, dz, dx);
        }
        if (skip_kind == kGate) {
            add_columns(points, cp, dz, x, sums + at_skip);
            add_gated(points, dz, gate, dx);
        }
        if (c != cp) unpack(points, c, dx, cp, dx_out);
    }
    // The slope by the sum behind the perceptron, in place of y, and what follows from it point by point.
    void slope_behind(Index points, const T* x, const T* d, T* y, T* dx, T* sums) const {
        constexpr Index W = Lanes<T>::count;
        for (Index i = 0; i < cp; i += W) {
            Vector<T> of_bias = load(sums + at_b2 + i), of_gate = mlp_kind == kGate ? load(sums + at_mlp_skip + i) : Vector<T>{};
            for (Index at = i; at < points * cp; at += cp) {
                const Vector<T> slope = activate ? Gelu<T>::slope(sum_after(x, y, at - i, i)) * load(d + at) : load(d + at);
                store(y + at, slope);
                of_bias += slope;
                if (mlp_kind == kGate) {
                    of_gate += slope * load(x + at);
                    store(dx + at, slope * load(mlp_gate + i));
                }
            }
            store(sums + at_b2 + i, of_bias);
            if (mlp_kind == kGate) store(sums + at_mlp_skip + i, of_gate);
        }
    }

    void place_slopes() {
        Index size = 0;
        const auto take = [&size](Index more_size) { return std::exchange(size, size + more_size); };
        at_bias = take(cp);
        at_skip = take(skip_kind == kLinear ? skip.slope_size() : cp);
        at_w1 = take(e ? first.slope_size() : 0);
        at_b1 = take(ep);
        at_w2 = take(e ? second.slope_size() : 0);
        at_b2 = take(cp);
        at_mlp_skip = take(mlp_kind == kLinear ? mlp_skip.slope_size() : cp);
        slope_size = size;
    }
    void finish(const T* collected, const Slopes& slopes) const {
        const Index all = transform.batch * parts;
        for (Index i = 0; i < (bias_by_sample ? transform.batch : 1); ++i)
            finish_vector(bias_by_sample ? parts : all, collected + i * parts * slope_size + at_bias, slope_size, c,
                          slopes.bias + i * c);
        if (skip_kind == kLinear) skip.finish(all, collected + at_skip, slope_size, slopes.skip);
        if (skip_kind == kGate) finish_vector(all, collected + at_skip, slope_size, c, slopes.skip);
        if (e) {
            first.finish(all, collected + at_w1, slope_size, slopes.w1);
            finish_vector(all, collected + at_b1, slope_size, e, slopes.b1);
            second.finish(all, collected + at_w2, slope_size, slopes.w2);
            finish_vector(all, collected + at_b2, slope_size, c, slopes.b2);
        }
        if (mlp_kind == kLinear) mlp_skip.finish(all, collected + at_mlp_skip, slope_size, slopes.mlp_skip);
        if (mlp_kind == kGate) finish_vector(all, collected + at_mlp_skip, slope_size, c, slopes.mlp_skip);
    }
};

}  // namespace
