// Coefficients on the sphere times a matrix of channels for each degree, the same for all its orders.
//
// A complex product is a real one with matrices [i, (o 2)] as they are stored, for real and imaginary part of the
// coefficients alike, and sums of two of the four results.
//
// Shapes: degree l has counts[l] coefficients, samples counted, of which parts stand side by side: x [t, 2, i] all degrees
// one behind another, out [t, 2, o], weight [l, i, o, parts]; parts 2 for complex numbers, 1 for real ones.
#pragma once

#include <omp.h>

#include "kernels_simd.h"

namespace {

template <typename T>
struct Degrees {
    const Index degrees, i, o, parts;
    const Index* counts;
    const T *x, *weight;

    void forward(T* out, int threads) const {
        const Index n = o * parts, np = padded<T>(n), size = i * np + 2 * most() * np;
        Array<T> works(threads * size);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (Index l = 0; l < degrees; ++l) {
            T *matrix_work = works + omp_get_thread_num() * size, *product_of = matrix_work + i * np;
            const Index at = begin(l);
            const T* matrix = as_padded(i, n, weight + l * i * n, matrix_work, np);
            product<false, T>(2 * counts[l], np, i, x + at * 2 * i, i, 1, matrix, np, product_of, np);
            if (parts == 1)
                unpack(2 * counts[l], n, product_of, np, out + at * 2 * o);
            else
                combine(counts[l], product_of, np, out + at * 2 * o);
        }
    }

    // slopes by x and by the weight, where there is a place for them
    void backward(const T* d_out, T* d_x, T* d_weight, int threads) const {
        const Index n = o * parts, np = padded<T>(n), ip = padded<T>(i);
        const Index of_product = 2 * most() * np, of_matrix = std::max(n * ip, i * np), size = of_product + of_matrix + 2 * most() * ip;
        Array<T> works(threads * size);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (Index l = 0; l < degrees; ++l) {
            T *d_product = works + omp_get_thread_num() * size, *matrix = d_product + of_product, *d_work = matrix + of_matrix;
            const Index at = begin(l), rows = 2 * counts[l];
            if (parts == 1)
                pack(rows, n, d_out + at * 2 * o, d_product, np);
            else
                spread(counts[l], d_out + at * 2 * o, d_product, np);
            if (d_x) {
                pack_transposed<T>(i, n, weight + l * i * n, matrix, ip);
                T* to = i == ip ? d_x + at * 2 * i : d_work;
                product<false, T>(rows, ip, n, d_product, np, 1, matrix, ip, to, ip);
                if (i != ip) unpack(rows, i, to, ip, d_x + at * 2 * i);
            }
            if (d_weight) {
                T* to = n == np ? d_weight + l * i * n : matrix;
                product<false, T>(i, np, rows, x + at * 2 * i, 1, i, d_product, np, to, np);
                if (n != np) unpack(i, n, to, np, d_weight + l * i * n);
            }
        }
    }

   private:
    Index most() const { return *std::max_element(counts, counts + degrees); }
    Index begin(Index degree) const {
        Index sum = 0;
        for (Index l = 0; l < degree; ++l) sum += counts[l];
        return sum;
    }
    // products [t, 2, (o 2)] of real and imaginary part with complex numbers to complex products [t, 2, o]
    void combine(Index count, const T* product_of, Index row, T* out) const {
        for (Index t = 0; t < count; ++t) {
            const T *__restrict__ real = product_of + t * 2 * row, *__restrict__ imaginary = real + row;
            T *__restrict__ to = out + t * 2 * o, *__restrict__ to2 = to + o;
            for (Index j = 0; j < o; ++j) {
                to[j] = real[2 * j] - imaginary[2 * j + 1];
                to2[j] = real[2 * j + 1] + imaginary[2 * j];
            }
        }
    }
    // the transpose of `combine`
    void spread(Index count, const T* d_out, T* d_product, Index row) const {
        for (Index t = 0; t < count; ++t) {
            T *__restrict__ real = d_product + t * 2 * row, *__restrict__ imaginary = real + row;
            const T *__restrict__ from = d_out + t * 2 * o, *__restrict__ from2 = from + o;
            for (Index j = 0; j < o; ++j) {
                real[2 * j] = from[j];
                real[2 * j + 1] = from2[j];
                imaginary[2 * j] = from2[j];
                imaginary[2 * j + 1] = -from[j];
            }
        }
    }
};

}  // namespace
