// What is done at each point: linear maps of channels with GELU between, a few dozen points at a time, all of whose
// intermediate values stay in the innermost cache. Forward and backward.
//
// Shapes: i input, e hidden and o output channels; ip, ep, op the same filled up to a multiple of the vector's length.
#pragma once

#include <omp.h>

#include "kernels_gelu.h"
#include "kernels_simd.h"

namespace {

constexpr Index kPoints = 32;  // points that are treated at a time

// sums over points that become the slope of a bias: out[c] += sum_p x[p,c] (y[p,c] where there is one)
template <typename T>
inline void add_columns(Index points, Index cp, const T* x, const T* y, T* out) {
    constexpr Index W = Lanes<T>::count;
    for (Index c = 0; c < cp; c += W) {
        Vector<T> sum = load(out + c);
        if (y)
            for (Index p = 0; p < points; ++p) sum += load(x + p * cp + c) * load(y + p * cp + c);
        else
            for (Index p = 0; p < points; ++p) sum += load(x + p * cp + c);
        store(out + c, sum);
    }
}

// y = d x, or d where there is no x; its sums over points are added to `sums`
template <typename T>
inline void multiply(Index points, Index cp, const T* x, const T* d, T* y, T* sums) {
    for (Index i = 0; i < cp; i += Lanes<T>::count) {
        Vector<T> sum = load(sums + i);
        for (Index at = i; at < points * cp; at += cp) {
            const Vector<T> value = x ? load(d + at) * load(x + at) : load(d + at);
            store(y + at, value);
            sum += value;
        }
        store(sums + i, sum);
    }
}

template <typename T>
inline void gelu_with_slope(Index size, const T* x, T* value, T* slope) {
    for (Index i = 0; i < size; i += Lanes<T>::count) {
        Vector<T> v, s;
        Gelu<T>::both(load(x + i), v, s);
        store(value + i, v);
        store(slope + i, s);
    }
}

// A matrix [out, in] as torch stores it, filled up for x W^T (`forward`, [in, outp]) and y W (`backward`, [out, inp]); its
// slope is summed up in the order of the two that takes less work.
template <typename T>
struct Linear {
    const Index in, out, inp, outp;
    Array<T> forward, backward;
    const bool by_output;

    Linear(const T* weight, Index outputs, Index inputs)
        : in(inputs), out(outputs), inp(padded<T>(in)), outp(padded<T>(out)), forward(in * outp), backward(out * inp),
          by_output(out * inp <= in * outp) {
        if (!weight) return;
        pack_transposed<T>(out, in, weight, forward, outp);
        pack<T>(out, in, weight, backward, inp);
    }
    Linear(const Linear&) = delete;

    Index slope_size() const { return by_output ? out * inp : in * outp; }

    // few outputs are sums of whole vectors
    bool few() const { return out * 4 <= Lanes<T>::count && in % Lanes<T>::count == 0; }

    // y[p,outp] (+)= x[p,in] W^T
    template <bool Add>
    void apply(Index points, const T* x, Index x_row, T* y) const {
        product<Add, T>(points, outp, in, x, x_row, 1, forward, outp, y, outp);
    }
    // y[p,out] = b + x[p,in] W^T, where `few`
    void dots(Index points, const T* x, Index x_row, const T* b, T* y) const {
        constexpr Index W = Lanes<T>::count;
        for (Index p = 0; p < points; ++p)
            for (Index o = 0; o < out; ++o) {
                Vector<T> sum{};
                for (Index i = 0; i < in; i += W) sum += load(x + p * x_row + i) * load(backward + o * inp + i);
                y[p * out + o] = b[o] + total<T>(sum);
            }
    }
    // dx[p,inp] (+)= dy[p,outp] W
    template <bool Add>
    void pull(Index points, const T* dy, T* dx) const {
        product<Add, T>(points, inp, out, dy, outp, 1, backward, inp, dx, inp);
    }
    // slope += dy^T x, both filled up
    void collect(Index points, const T* x, const T* dy, T* slope) const {
        if (by_output)
            product<true, T>(out, inp, points, dy, 1, outp, x, inp, slope, inp);
        else
            product<true, T>(in, outp, points, x, 1, inp, dy, outp, slope, outp);
    }
    // what the parts have collected, [out, in]
    void finish(Index parts, const T* slopes, Index stride, T* weight) const {
        for (Index o = 0; o < out; ++o)
            for (Index i = 0; i < in; ++i) {
                T sum = 0;
                for (Index part = 0; part < parts; ++part)
                    sum += slopes[part * stride + (by_output ? o * inp + i : i * outp + o)];
                weight[o * in + i] = sum;
            }
    }
};

template <typename T>
void finish_vector(Index parts, const T* slopes, Index stride, Index size, T* out) {
    for (Index i = 0; i < size; ++i) {
        T sum = 0;
        for (Index part = 0; part < parts; ++part) sum += slopes[part * stride + i];
        out[i] = sum;
    }
}

// ---------------------------------------------------------------------------------------------- two layers by themselves

constexpr Index kPart = 4096;  // points whose slopes are summed up by one thread

// A perceptron's input: channels of each point [count, own], and others that each sample has alike, [places, shared].
template <typename T>
struct Input {
    Index count, own, places, shared;
    const T *x, *place;

    Index channels() const { return own + shared; }
    // points from `begin` on, in rows of `row` numbers: in place where they stand so
    const T* tile(Index begin, Index points, T* buffer, Index row) const {
        if (shared == 0) return as_padded(points, own, x + begin * own, buffer, row);
        Index at = begin % places;
        T* to = buffer;
        for (Index p = begin; p < begin + points; ++p, to += row) {
            for (Index i = 0; i < own; ++i) to[i] = x[p * own + i];
            for (Index i = 0; i < shared; ++i) to[own + i] = place[at * shared + i];
            for (Index i = own + shared; i < row; ++i) to[i] = 0;
            if (++at == places) at = 0;
        }
        return buffer;
    }
};

template <typename T>
struct Perceptron {
    const Input<T> input;
    const Linear<T> first, second;
    const Index ip, e, ep, op;
    Array<T> b1, b2;

    Perceptron(const Input<T>& given, Index hidden, Index out, const T* w1, const T* b1_in, const T* w2, const T* b2_in)
        : input(given), first(w1, hidden, input.channels()), second(w2, out, hidden), ip(first.inp), e(hidden),
          ep(first.outp), op(second.outp), b1(ep), b2(op) {
        pack<T>(1, e, b1_in, b1, ep);
        if (b2_in) pack<T>(1, out, b2_in, b2, op);
    }

    // what is ahead of the nonlinearity, [count, ep], is for the backward pass, which finds it again where there is none
    void forward(T* out, T* kept, int threads) const {
        constexpr Index W = Lanes<T>::count;
        const Index o = second.out, size = kPoints * (ip + ep + op);
        Array<T> works(threads * size);
#pragma omp parallel num_threads(threads)
        {
            T *x_work = works + omp_get_thread_num() * size, *m = x_work + kPoints * ip, *y_work = m + kPoints * ep;
#pragma omp for schedule(static)
            for (Index tile = 0; tile < (input.count + kPoints - 1) / kPoints; ++tile) {
                const Index begin = tile * kPoints, points = std::min(kPoints, input.count - begin);
                first.template apply<false>(points, input.tile(begin, points, x_work, ip), ip, m);
                for (Index p = 0; p < points; ++p)
                    for (Index i = 0; i < ep; i += W) {
                        const Vector<T> sum = load(m + p * ep + i) + load(b1 + i);
                        if (kept) store(kept + (begin + p) * ep + i, sum);
                        store(m + p * ep + i, Gelu<T>::value(sum));
                    }
                if (second.few()) {
                    second.dots(points, m, ep, b2, out + begin * o);
                    continue;
                }
                T* y = o == op ? out + begin * o : y_work;
                for (Index p = 0; p < points; ++p) std::memcpy(y + p * op, b2, sizeof(T) * op);
                second.template apply<true>(points, m, ep, y);
                if (o != op) unpack(points, o, y, op, out + begin * o);
            }
        }
    }

    // slopes by the weights, and by x [count, own] where there is a place for it
    void backward(const T* kept, const T* d_out, T* d_x, T* d_w1, T* d_b1, T* d_w2, T* d_b2, int threads) const {
        constexpr Index W = Lanes<T>::count;
        const Index o = second.out, parts = (input.count + kPart - 1) / kPart;
        const Index at_b1 = first.slope_size(), at_w2 = at_b1 + ep, at_b2 = at_w2 + second.slope_size(), size = at_b2 + op;
        const Index work_size = kPoints * (2 * ip + 3 * ep + op);
        Array<T> collected(parts * size), works(threads * work_size);
#pragma omp parallel num_threads(threads)
        {
            T *x_work = works + omp_get_thread_num() * work_size, *dx_work = x_work + kPoints * ip;
            T *d_work = dx_work + kPoints * ip, *m = d_work + kPoints * op, *slope = m + kPoints * ep, *dm = slope + kPoints * ep;
#pragma omp for schedule(static)
            for (Index part = 0; part < parts; ++part) {
                T* sums = collected + part * size;
                std::memset(sums, 0, sizeof(T) * size);
                const Index end = std::min(input.count, (part + 1) * kPart);
                for (Index begin = part * kPart; begin < end; begin += kPoints) {
                    const Index points = std::min(kPoints, end - begin);
                    const T* x = input.tile(begin, points, x_work, ip);
                    const T* d = as_padded(points, o, d_out + begin * o, d_work, op);
                    const T* sum = kept ? kept + begin * ep : m;
                    if (!kept) {
                        first.template apply<false>(points, x, ip, m);
                        for (Index p = 0; p < points; ++p)
                            for (Index i = 0; i < ep; i += W) store(m + p * ep + i, load(m + p * ep + i) + load(b1 + i));
                    }
                    gelu_with_slope(points * ep, sum, m, slope);
                    add_columns<T>(points, op, d, nullptr, sums + at_b2);
                    second.collect(points, m, d, sums + at_w2);
                    second.template pull<false>(points, d, dm);
                    multiply(points, ep, slope, dm, dm, sums + at_b1);
                    first.collect(points, x, dm, sums);
                    if (d_x) {
                        T* to = d_x + begin * input.own;
                        T* dx = input.own == ip ? to : dx_work;
                        first.template pull<false>(points, dm, dx);
                        if (input.own != ip) unpack(points, input.own, dx, ip, to);
                    }
                }
            }
        }
        first.finish(parts, collected, size, d_w1);
        finish_vector<T>(parts, collected + at_b1, size, e, d_b1);
        second.finish(parts, collected + at_w2, size, d_w2);
        finish_vector<T>(parts, collected + at_b2, size, o, d_b2);
    }
};

}  // namespace
