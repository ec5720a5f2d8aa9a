// One block of a Fourier neural operator and a perceptron of two layers, forward and backward, for float and double. Only
// moves arrays: shapes are checked by the caller.
//
// Everything is made of one product of small matrices whose rows of channels stand in vector registers (kernels_simd.h):
// partial Fourier transforms are products with tables of cosines and sines (kernels_fourier.h), and the pointwise part of
// a block runs over a few dozen points at a time (kernels_points.h, kernels_block.h). Matrices for each degree on the sphere
// are here too (kernels_degrees.h).
//
// Functions give 0, or 1 if there was not enough memory, in which case what they were to write is not to be used.

#include "kernels_block.h"
#include "kernels_degrees.h"
#include "kernels_memory.h"
#include "kernels_points.h"

// Memory from the kernels' pool, null if there is none left; it goes back with the size that it was asked with.
extern "C" void* take_memory(Index bytes) {
    void* at = nullptr;
    guarded([&] { at = pool().take(static_cast<std::size_t>(bytes)); });
    return at;
}
extern "C" void give_memory(void* at, Index bytes) { pool().give(at, static_cast<std::size_t>(bytes)); }

#define SCIML_EXPORT(T, suffix)                                                                                       \
    extern "C" int block_##suffix(const Index* sizes, const T* x, const T* spectral, const T* bias, const T* skip,   \
                                  const T* w1, const T* b1, const T* w2, const T* b2, const T* mlp_skip, T* out,     \
                                  T* spectrum, T* kept, int threads) {                                               \
        return guarded([&] {                                                                                         \
            Block<T>(sizes, {spectral, bias, skip, w1, b1, w2, b2, mlp_skip}).forward(x, out, spectrum, kept, threads); \
        });                                                                                                          \
    }                                                                                                                \
    extern "C" int block_slope_##suffix(                                                                             \
        const Index* sizes, const T* x, const T* spectral, const T* bias, const T* skip, const T* w1, const T* b1,   \
        const T* w2, const T* b2, const T* mlp_skip, const T* spectrum, const T* kept, const T* d_out, T* d_x,       \
        T* d_spectral, T* d_bias, T* d_skip, T* d_w1, T* d_b1, T* d_w2, T* d_b2, T* d_mlp_skip, int threads) {       \
        return guarded([&] {                                                                                         \
            Block<T>(sizes, {spectral, bias, skip, w1, b1, w2, b2, mlp_skip})                                        \
                .backward(x, spectrum, kept, d_out,                                                                  \
                          {d_x, d_spectral, d_bias, d_skip, d_w1, d_b1, d_w2, d_b2, d_mlp_skip}, threads);           \
        });                                                                                                          \
    }                                                                                                                \
    extern "C" int two_layers_##suffix(Index count, Index own, Index places, Index shared, Index e, Index o,         \
                                       const T* x, const T* place, const T* w1, const T* b1, const T* w2,            \
                                       const T* b2, T* out, T* kept, int threads) {                                  \
        return guarded([&] {                                                                                         \
            Perceptron<T>({count, own, places, shared, x, place}, e, o, w1, b1, w2, b2).forward(out, kept, threads); \
        });                                                                                                          \
    }                                                                                                                \
    extern "C" int two_layers_slope_##suffix(Index count, Index own, Index places, Index shared, Index e, Index o,   \
                                             const T* x, const T* place, const T* w1, const T* b1, const T* w2,      \
                                             const T* kept, const T* d_out, T* d_x, T* d_w1, T* d_b1, T* d_w2,       \
                                             T* d_b2, int threads) {                                                 \
        return guarded([&] {                                                                                         \
            Perceptron<T>({count, own, places, shared, x, place}, e, o, w1, b1, w2, nullptr)                         \
                .backward(kept, d_out, d_x, d_w1, d_b1, d_w2, d_b2, threads);                                              \
        });                                                                                                          \
    } \
    extern "C" int mixed_##suffix(Index degrees, Index i, Index o, Index parts, const Index* counts, const T* x,     \
                                  const T* weight, T* out, int threads) {                                            \
        return guarded([&] { Degrees<T>{degrees, i, o, parts, counts, x, weight}.forward(out, threads); });          \
    }                                                                                                                \
    extern "C" int mixed_slope_##suffix(Index degrees, Index i, Index o, Index parts, const Index* counts,           \
                                        const T* x, const T* weight, const T* d_out, T* d_x, T* d_weight,            \
                                        int threads) {                                                               \
        return guarded([&] {                                                                                         \
            Degrees<T>{degrees, i, o, parts, counts, x, weight}.backward(d_out, d_x, d_weight, threads);             \
        });                                                                                                          \
    }

SCIML_EXPORT(float, f32)
SCIML_EXPORT(double, f64)
