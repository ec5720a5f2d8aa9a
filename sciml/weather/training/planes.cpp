// Copies planes of float32, normalised on the way. Only moves arrays: shapes are checked by the caller.
//
// What is written is not read again soon, so on x86 it goes past the caches (stores that are "non-temporal"), which
// spares fetching every line from memory before it is overwritten.
//
// Shapes: n planes of y rows of x points. A row has no gaps; from one row to the next there may be, and backwards too.

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace {

using Index = std::int64_t;

constexpr Index kBlock = 16;  // floats in a line of the caches, 64 bytes
constexpr Index kSums = 4;    // blocks that are summed side by side

// 16 floats to an aligned place
inline void stream(const float* block, float* to) {
#if defined(__AVX512F__)
    _mm512_stream_ps(to, _mm512_loadu_ps(block));
#elif defined(__AVX__)
    for (Index i = 0; i < kBlock; i += 8) _mm256_stream_ps(to + i, _mm256_loadu_ps(block + i));
#elif defined(__SSE2__)
    for (Index i = 0; i < kBlock; i += 4) _mm_stream_ps(to + i, _mm_loadu_ps(block + i));
#else
    std::memcpy(to, block, kBlock * sizeof(float));
#endif
}

// to = (from - offset) * scale; adds what is written to sums[kBlock].
inline void normalise_block(const float* from, float* to, float offset, float scale, float* sums) {
    float block[kBlock];
#pragma omp simd
    for (Index i = 0; i < kBlock; ++i) {
        block[i] = (from[i] - offset) * scale;
        sums[i] += block[i];
    }
    stream(block, to);
}

float normalise_row(Index x, const float* from, float* to, float offset, float scale) {
    float total = 0, sums[kSums][kBlock] = {};
    const Index past = (reinterpret_cast<std::uintptr_t>(to) / sizeof(float)) % kBlock;
    const Index head = std::min(x, past ? kBlock - past : 0);
    Index i = 0;
    for (; i < head; ++i) total += to[i] = (from[i] - offset) * scale;
    for (; i + kSums * kBlock <= x; i += kSums * kBlock)
        for (Index part = 0; part < kSums; ++part)
            normalise_block(from + i + part * kBlock, to + i + part * kBlock, offset, scale, sums[part]);
    for (; i + kBlock <= x; i += kBlock) normalise_block(from + i, to + i, offset, scale, sums[0]);
    for (; i < x; ++i) total += to[i] = (from[i] - offset) * scale;
    for (Index part = 0; part < kSums; ++part)
        for (Index lane = 0; lane < kBlock; ++lane) total += sums[part][lane];
    return total;
}

// Tells the processor to order what was streamed before all that comes after.
inline void finish() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

}  // namespace

// from, to: [n] where planes begin; steps: elements from one row to the next; offset, scale: [n]; sums: [n] of what is
// written, which is not finite where a value is not.
extern "C" void normalise_planes(Index n, Index y, Index x, const float* const* from, Index from_step, float* const* to,
                                 Index to_step, const float* offset, const float* scale, double* sums) {
    for (Index plane = 0; plane < n; ++plane) {
        sums[plane] = 0;
        for (Index row = 0; row < y; ++row)
            sums[plane] += normalise_row(x, from[plane] + row * from_step, to[plane] + row * to_step, offset[plane],
                                         scale[plane]);
    }
    finish();
}

// to[i, x] = from[i][x] of n runs of x points.
extern "C" void copy_runs(Index n, Index x, const float* const* from, float* to) {
    for (Index run = 0; run < n; ++run, to += x) {
        const Index past = (reinterpret_cast<std::uintptr_t>(to) / sizeof(float)) % kBlock;
        const Index head = std::min(x, past ? kBlock - past : 0), blocks = (x - head) / kBlock;
        const Index tail = head + blocks * kBlock;
        std::memcpy(to, from[run], head * sizeof(float));
        for (Index i = head; i < tail; i += kBlock) stream(from[run] + i, to + i);
        std::memcpy(to + tail, from[run] + tail, (x - tail) * sizeof(float));
    }
    finish();
}
