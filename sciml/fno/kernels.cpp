// One block of a Fourier neural operator and a perceptron of two layers, forward and backward, for float and double. Only
// moves arrays: shapes are checked by the caller.
//
// Everything is made of one product of small matrices whose rows of channels stand in vector registers: partial Fourier
// transforms are products with tables of cosines and sines, of sums and differences of points that lie opposite each
// other (which halves the work), and the pointwise part of a block runs over a few dozen points at a time, all of whose
// intermediate values stay in the innermost cache. The backward pass keeps the block's input and its spectrum, and
// computes the rest again, which is quicker than storing and reading it.
//
// Shapes: b samples, rows = all points of a sample but those along the last axis, n points of an axis, k its frequencies,
// modes = all kept modes of a sample, c channels, e hidden channels. Inner arrays have their channels filled up to a
// multiple of the vector's length with zeros (cp, ep). A spectrum is [modes, b, 2, cp] (2: real and imaginary parts), a
// partly transformed field [b, rows.., 2, modes.., cp].

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace {

using Index = std::int64_t;

#if defined(__AVX512F__)
constexpr Index kBytes = 64;
constexpr int kTileRows = 12;  // rows of two vectors each that the registers hold, with room for what is read
#elif defined(__AVX__)
constexpr Index kBytes = 32;
constexpr int kTileRows = 6;
#else
constexpr Index kBytes = 16;
constexpr int kTileRows = 6;
#endif
constexpr Index kPoints = 32;  // points of the pointwise part that are treated at a time

template <typename T>
struct Lanes {
    static constexpr Index count = kBytes / sizeof(T);
    typedef T Vector __attribute__((vector_size(kBytes)));
    typedef T Memory __attribute__((vector_size(kBytes), aligned(sizeof(T)), may_alias));
};

template <typename T>
using Vector = typename Lanes<T>::Vector;

template <typename T>
inline Vector<T> load(const T* at) {
    return *reinterpret_cast<const typename Lanes<T>::Memory*>(at);
}

template <typename T>
inline void store(T* at, Vector<T> value) {
    *reinterpret_cast<typename Lanes<T>::Memory*>(at) = value;
}

template <typename T>
constexpr Index padded(Index channels) {
    return (channels + Lanes<T>::count - 1) / Lanes<T>::count * Lanes<T>::count;
}

// Memory that begins at a cache line; what is in it is not set.
template <typename T>
class Array {
   public:
    explicit Array(Index size) : data_(static_cast<T*>(std::aligned_alloc(64, (size * sizeof(T) + 127) / 64 * 64))) {
        if (!data_) std::abort();
    }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    ~Array() { std::free(data_); }
    operator T*() { return data_; }

   private:
    T* data_;
};

// ------------------------------------------------------------------------------------------------ product of matrices

// c[i,j] (+)= sum_q a[i,q] b[q,j] for R rows and N vectors of columns, which stay in registers
template <typename T, int R, int N, bool Add>
inline void register_tile(Index k, const T* __restrict__ a, Index a_row, Index a_k, const T* __restrict__ b, Index b_row,
                          T* __restrict__ c, Index c_row) {
    constexpr Index W = Lanes<T>::count;
    Vector<T> sum[R][N];
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < N; ++v) sum[i][v] = Add ? load(c + i * c_row + v * W) : Vector<T>{};
    for (Index q = 0; q < k; ++q) {
        Vector<T> right[N];
#pragma GCC unroll 2
        for (int v = 0; v < N; ++v) right[v] = load(b + q * b_row + v * W);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const T left = a[i * a_row + q * a_k];
#pragma GCC unroll 2
            for (int v = 0; v < N; ++v) sum[i][v] += left * right[v];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < N; ++v) store(c + i * c_row + v * W, sum[i][v]);
}

template <typename T, int N, bool Add, int R = kTileRows>
inline void tile_of_rows(Index rows, Index k, const T* a, Index a_row, Index a_k, const T* b, Index b_row, T* c,
                         Index c_row) {
    if constexpr (R > 0) {
        if (rows == R)
            register_tile<T, R, N, Add>(k, a, a_row, a_k, b, b_row, c, c_row);
        else
            tile_of_rows<T, N, Add, R - 1>(rows, k, a, a_row, a_k, b, b_row, c, c_row);
    }
}

// c[i,j] (+)= sum_q a[i,q] b[q,j], a with any strides, rows of b and c without a gap; n is a multiple of the vector's length
template <bool Add, typename T>
void product(Index m, Index n, Index k, const T* a, Index a_row, Index a_k, const T* b, Index b_row, T* c, Index c_row) {
    constexpr Index W = Lanes<T>::count;
    const Index tiles = (m + kTileRows - 1) / kTileRows;
    for (Index tile = 0; tile < tiles; ++tile) {
        const Index begin = m * tile / tiles, rows = m * (tile + 1) / tiles - begin;
        const T* left = a + begin * a_row;
        T* out = c + begin * c_row;
        Index j = 0;
        for (; j + 2 * W <= n; j += 2 * W) tile_of_rows<T, 2, Add>(rows, k, left, a_row, a_k, b + j, b_row, out + j, c_row);
        if (j < n) tile_of_rows<T, 1, Add>(rows, k, left, a_row, a_k, b + j, b_row, out + j, c_row);
    }
}

// out[j,i] = in[i,j], its rows filled up with zeros to `row`
template <typename T>
void pack_transposed(Index rows, Index columns, const T* in, T* out, Index row) {
    std::memset(out, 0, sizeof(T) * columns * row);
    for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < columns; ++j) out[j * row + i] = in[i * columns + j];
}

template <typename T>
void pack(Index rows, Index columns, const T* in, T* out, Index row) {
    for (Index i = 0; i < rows; ++i) {
        std::memcpy(out + i * row, in + i * columns, sizeof(T) * columns);
        std::fill(out + i * row + columns, out + (i + 1) * row, T(0));
    }
}

// rows of `columns` numbers as rows of `row` numbers: in place where that is the same
template <typename T>
inline const T* as_padded(Index rows, Index columns, const T* in, T* buffer, Index row) {
    if (columns == row) return in;
    pack(rows, columns, in, buffer, row);
    return buffer;
}

template <typename T>
inline void unpack(Index rows, Index columns, const T* in, Index row, T* out) {
    for (Index i = 0; i < rows; ++i) std::memcpy(out + i * columns, in + i * row, sizeof(T) * columns);
}

// --------------------------------------------------------------------------------------------------------------- GELU

// x Phi(x), Phi being the normal distribution's integral: max(x, 0) - t Phi(-t) with t = |x|. Phi(-t) = 2^q(t) with a
// polynomial q, and the slope of -t Phi(-t) by -t is Phi(-t) kappa(t) with another; both are least maximum fits on [0, 6] with the
// weight of the result, to 5e-8 and 2e-7 in float, and 2^q is below 1e-18 where t is cut off.
template <typename T>
struct Gelu {
    using V = Vector<T>;
    static inline void both(V x, V& value, V& slope) {
        for (Index i = 0; i < Lanes<T>::count; ++i) {
            const T phi = std::erfc(-x[i] * T(0.70710678118654752440)) / 2;
            const T density = std::exp(-x[i] * x[i] / 2) * T(0.39894228040143267794);
            value[i] = x[i] * phi;
            slope[i] = phi + x[i] * density;
        }
    }
    static inline V value(V x) {
        V result, slope;
        both(x, result, slope);
        return result;
    }
    static inline V slope(V x) {
        V value, result;
        both(x, value, result);
        return result;
    }
};

template <>
struct Gelu<float> {
    using V = Vector<float>;
    typedef std::int32_t Bits __attribute__((vector_size(kBytes)));

    template <std::size_t N>
    static inline V polynomial(V t, const float (&coefficient)[N]) {
        V sum = V{} + coefficient[N - 1];
#pragma GCC unroll 16
        for (int i = static_cast<int>(N) - 2; i >= 0; --i) sum = sum * t + coefficient[i];
        return sum;
    }
    // Comparisons of floats that are not negative, as integers, which leaves the units of multiplication free.
    static inline V cut_off(V t) {
        const Bits bits = reinterpret_cast<Bits>(t), most = Bits{} + 0x41100000;  // 9
        return reinterpret_cast<V>(bits < most ? bits : most);
    }
    static inline V distance(V x) { return reinterpret_cast<V>(reinterpret_cast<Bits>(x) & 0x7fffffff); }
    static inline V positive(V x) {
        const Bits bits = reinterpret_cast<Bits>(x);
        return reinterpret_cast<V>(bits > 0 ? bits : Bits{});
    }
    // slope of the positive side or of the negative one, whose sum is 1
    static inline V side(V x, V negative) {
        const V half = 0.5f - negative;
        const Bits sign = reinterpret_cast<Bits>(x) & static_cast<std::int32_t>(0x80000000);
        return 0.5f + reinterpret_cast<V>(reinterpret_cast<Bits>(half) ^ sign);
    }
    // Phi(-t)
    static inline V tail(V t) {
        const V q = polynomial(t, {-0.9999999403953552f, -1.1511082649230957f, -0.4591820240020752f, -0.052578240633010864f,
                                   0.007185847032815218f, -0.00023315074213314801f, -0.00014548601757269353f,
                                   3.066088538616896e-05f, -2.0964287159586092e-06f});
        const V shifted = q + 12582912.0f;  // 1.5 2^23: its last bits are q, rounded
        const V rest = q - (shifted - 12582912.0f);
        const V power = polynomial(rest, {1.0000001192092896f, 0.6931469440460205f, 0.24022120237350464f,
                                          0.05550713092088699f, 0.009675541892647743f, 0.001327647129073739f});
        return reinterpret_cast<V>((reinterpret_cast<Bits>(shifted) << 23) + reinterpret_cast<Bits>(power));
    }
    static inline V kappa(V t) {
        return polynomial(t, {1.0000001192092896f, -0.7978928685188293f, -0.6365203261375427f, -0.1094493716955185f,
                              0.0200798362493515f, -0.0009198689367622137f, -0.0005618060822598636f,
                              0.00014025685959495604f, -1.0960196050291415e-05f});
    }
    static inline V value(V x) {
        const V t = distance(x);
        return positive(x) - t * tail(cut_off(t));
    }
    static inline void both(V x, V& value, V& slope) {
        const V t = distance(x), near = cut_off(t), below = tail(near);
        value = positive(x) - t * below;
        slope = side(x, below * kappa(near));
    }
    static inline V slope(V x) {
        const V near = cut_off(distance(x));
        return side(x, tail(near) * kappa(near));
    }
};

// ------------------------------------------------------------------------------------------------- Fourier transforms

// Cosines and sines of frequencies 0 .. k - 1 at one point of each pair (j, n - j), as [points, k] and [pairs, k - 1].
template <typename T>
struct Axis {
    Index n, k, pairs, evens;
    std::vector<T> cosine, sine;

    Axis(Index points, Index frequencies)
        : n(points), k(frequencies), pairs((n - 1) / 2), evens(n / 2 + 1), cosine(evens * k), sine(pairs * (k - 1)) {
        std::vector<double> table(2 * n);
        for (Index j = 0; j < n; ++j) {
            // the half and the quarters of a turn are exact
            const double angle = 2 * 3.14159265358979323846 * static_cast<double>(j) / static_cast<double>(n);
            table[2 * j] = (4 * j == n || 4 * j == 3 * n) ? 0 : 2 * j == n ? -1 : std::cos(angle);
            table[2 * j + 1] = (2 * j == n) ? 0 : std::sin(angle);
        }
        for (Index j = 0; j < evens; ++j)
            for (Index f = 0; f < k; ++f) cosine[j * k + f] = static_cast<T>(table[2 * (j * f % n)]);
        for (Index j = 0; j < pairs; ++j)
            for (Index f = 1; f < k; ++f) sine[j * (k - 1) + f - 1] = static_cast<T>(table[2 * ((j + 1) * f % n) + 1]);
    }

    // even[j] = x[j] + x[n-j], odd[j-1] = x[n-j] - x[j]
    void fold(const T* x, Index stride, Index cp, T* even, T* odd) const {
        constexpr Index W = Lanes<T>::count;
        for (Index j = 0; j < evens; ++j) {
            const T *near = x + j * stride, *far = x + (n - j) * stride;
            if (j == 0 || 2 * j == n)
                std::memcpy(even + j * cp, near, sizeof(T) * cp);
            else
                for (Index c = 0; c < cp; c += W) {
                    const Vector<T> a = load(near + c), b = load(far + c);
                    store(even + j * cp + c, a + b);
                    store(odd + (j - 1) * cp + c, b - a);
                }
        }
    }
    // out[f] = sum_j cos even[j]; out[f-1] = sum_j sin odd[j]
    void cosines(Index cp, const T* even, T* out) const { product<false>(k, cp, evens, cosine.data(), 1, k, even, cp, out, cp); }
    void sines(Index cp, const T* odd, T* out) const {
        product<false>(k - 1, cp, pairs, sine.data(), 1, k - 1, odd, cp, out, cp);
    }
    // the other way round
    void even_points(Index cp, const T* in, T* out) const {
        product<false>(evens, cp, k, cosine.data(), k, 1, in, cp, out, cp);
    }
    void odd_points(Index cp, const T* in, T* out) const {
        product<false>(pairs, cp, k - 1, sine.data(), k - 1, 1, in, cp, out, cp);
    }
    Index scratch(Index cp) const { return 4 * (evens + k) * cp; }

    // out[0,f] = sum_j cos(2 pi f j / n) x[j], out[1,f] = -sum_j sin(2 pi f j / n) x[j]
    void analyse_real(Index cp, const T* x, T* out, T* work) const {
        T *even = work, *odd = work + evens * cp;
        fold(x, cp, cp, even, odd);
        cosines(cp, even, out);
        std::memset(out + k * cp, 0, sizeof(T) * cp);
        sines(cp, odd, out + (k + 1) * cp);
    }
    // out[j] (+)= bias + sum_f cos(2 pi f j / n) x[0,f] - sin(2 pi f j / n) x[1,f]
    template <bool Add>
    void synthesise_real(Index cp, const T* x, const T* bias, T* out, T* work) const {
        constexpr Index W = Lanes<T>::count;
        T *even = work, *odd = work + evens * cp;
        even_points(cp, x, even);
        odd_points(cp, x + (k + 1) * cp, odd);
        for (Index j = 0; j < evens; ++j) {
            T *near = out + j * cp, *far = out + (n - j) * cp;
            const bool pair = j != 0 && 2 * j != n;
            for (Index c = 0; c < cp; c += W) {
                Vector<T> a = load(even + j * cp + c), b{};
                if (bias) a += load(bias + c);
                if (pair) b = load(odd + (j - 1) * cp + c);
                store(near + c, Add ? load(near + c) + (a - b) : a - b);
                if (pair) store(far + c, Add ? load(far + c) + (a + b) : a + b);
            }
        }
    }
    // out[f] = sum_j exp(-2 pi i f j / n) x[j] for f = -m/2 .. ; `part` is the distance of real and imaginary part
    void analyse_complex(Index m, Index cp, const T* x, Index x_point, Index x_part, T* out, Index out_point,
                         Index out_part, T* work) const {
        constexpr Index W = Lanes<T>::count;
        T *even = work, *odd = even + evens * cp, *sum = odd + evens * cp;
        T *cr = sum, *ci = sum + k * cp, *sr = sum + 2 * k * cp, *si = sum + 3 * k * cp;
        for (int part = 0; part < 2; ++part) {
            fold(x + part * x_part, x_point, cp, even, odd);
            cosines(cp, even, part ? ci : cr);
            std::memset(part ? si : sr, 0, sizeof(T) * cp);
            sines(cp, odd, (part ? si : sr) + cp);
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
        T *sum = work, *difference = sum + k * cp;
        T *er = difference + k * cp, *ei = er + evens * cp, *o_r = ei + evens * cp, *oi = o_r + evens * cp;
        for (int part = 0; part < 2; ++part) {
            for (Index f = 0; f < k; ++f) {
                const T* plus = m / 2 + f < m ? x + part * x_part + (m / 2 + f) * x_point : nullptr;
                const T* minus = f > 0 && m / 2 - f >= 0 ? x + part * x_part + (m / 2 - f) * x_point : nullptr;
                for (Index c = 0; c < cp; c += W) {
                    const Vector<T> a = plus ? load(plus + c) : Vector<T>{}, b = minus ? load(minus + c) : Vector<T>{};
                    store(sum + f * cp + c, a + b);
                    store(difference + f * cp + c, a - b);
                }
            }
            even_points(cp, sum, part ? ei : er);
            odd_points(cp, difference + cp, part ? oi : o_r);
        }
        for (Index j = 0; j < evens; ++j) {
            T *near = out + j * out_point, *far = out + (n - j) * out_point;
            const bool pair = j != 0 && 2 * j != n;
            for (Index c = 0; c < cp; c += W) {
                const Vector<T> a = load(er + j * cp + c), b = load(ei + j * cp + c);
                const Vector<T> p = pair ? load(oi + (j - 1) * cp + c) : Vector<T>{};
                const Vector<T> q = pair ? load(o_r + (j - 1) * cp + c) : Vector<T>{};
                store(near + c, a - p);
                store(near + out_part + c, b + q);
                if (pair) {
                    store(far + c, a + p);
                    store(far + out_part + c, b - q);
                }
            }
        }
    }
};

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
#pragma omp parallel num_threads(threads)
            {
                Array<T> work(axis.scratch(cp));
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

// ------------------------------------------------------------------------------------------------- contraction of modes

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
#pragma omp parallel num_threads(threads)
    {
        Array<T> matrix(row * row);
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
#pragma omp parallel num_threads(threads)
    {
        Array<T> matrix(row * row);
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

// ---------------------------------------------------------------------------------------------------- pointwise layers

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

    // y[p,outp] (+)= x[p,in] W^T
    template <bool Add>
    void apply(Index points, const T* x, Index x_row, T* y) {
        product<Add, T>(points, outp, in, x, x_row, 1, forward, outp, y, outp);
    }
    // dx[p,inp] (+)= dy[p,outp] W
    template <bool Add>
    void pull(Index points, const T* dy, T* dx) {
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
          vectors(4 * cp + ep + transform.batch * cp) {
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

    // the spectrum is kept for the backward pass
    void forward(const T* x, T* out, T* spectrum, int threads) {
        Array<T> partly(transform.batch * transform.rows * transform.row_size());
        analyse_rows(x, partly, threads);
        transform.analyse(partly, spectrum, threads);
        convolve(spectrum, partly, threads);
#pragma omp parallel num_threads(threads)
        {
            Array<T> work(n * cp + transform.last().scratch(cp) + kPoints * (3 * cp + ep));
            T *tile = work + n * cp, *row_work = tile + kPoints * (3 * cp + ep);
#pragma omp for schedule(static)
            for (Index row = 0; row < transform.batch * transform.rows; ++row) {
                synthesise_row(row, partly, work, row_work);
                for (Index p = 0; p < n; p += kPoints) {
                    const Index points = std::min(kPoints, n - p), at = (row * n + p) * c;
                    forward_tile(points, x + at, work + p * cp, out + at, tile);
                }
            }
        }
    }

    struct Slopes {
        T *x, *spectral, *bias, *skip, *w1, *b1, *w2, *b2, *mlp_skip;
    };

    void backward(const T* x, const T* spectrum, const T* d_out, const Slopes& slopes, int threads) {
        Array<T> partly(transform.batch * transform.rows * transform.row_size());
        convolve(spectrum, partly, threads);
        Array<T> contracted(transform.modes * transform.batch * 2 * cp), d_spectrum(transform.modes * transform.batch * 2 * cp);
        place_slopes();
        const Index all_parts = transform.batch * parts;
        Array<T> collected(all_parts * slope_size);
#pragma omp parallel num_threads(threads)
        {
            Array<T> work(n * cp + transform.last().scratch(cp) + kPoints * (7 * cp + 3 * ep));
            T *tile = work + n * cp, *row_work = tile + kPoints * (7 * cp + 3 * ep);
#pragma omp for schedule(static)
            for (Index part = 0; part < all_parts; ++part) {
                T* sums = collected + part * slope_size;
                std::memset(sums, 0, sizeof(T) * slope_size);
                const Index sample = part / parts, begin = part % parts * transform.rows / parts;
                const Index end = (part % parts + 1) * transform.rows / parts;
                for (Index r = begin; r < end; ++r) {
                    const Index row = sample * transform.rows + r;
                    synthesise_row(row, partly, work, row_work);
                    for (Index p = 0; p < n; p += kPoints) {
                        const Index points = std::min(kPoints, n - p), at = (row * n + p) * c;
                        backward_tile(points, x + at, work + p * cp, d_out + at, slopes.x + at, sums, tile);
                    }
                    transform.last().analyse_real(cp, work, partly + row * transform.row_size(), row_work);
                }
            }
        }
        transform.analyse(partly, contracted, threads);
        weight_slope<T>(transform, spectrum, contracted, slopes.spectral, threads);
        contract<T>(transform, weights.spectral, true, contracted, d_spectrum, threads);
        transform.synthesise(d_spectrum, partly, threads);
        add_rows(partly, slopes.x, threads);
        finish(collected, slopes);
    }

    const Transform<T> transform;

   private:
    const Weights<T> weights;
    const Index c, cp;
    const Index* more;
    const Index e, ep;
    const Skip skip_kind, mlp_kind;
    const bool activate, bias_by_sample;
    const Index n;
    Linear<T> skip, first, second, mlp_skip;
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
    // z = spectral convolution + bias in one row
    void synthesise_row(Index row, const T* partly, T* z, T* work) const {
        transform.last().template synthesise_real<false>(cp, partly + row * transform.row_size(),
                                                         bias + row / transform.rows * cp, z, work);
    }
    void analyse_rows(const T* x, T* partly, int threads) const {
#pragma omp parallel num_threads(threads)
        {
            Array<T> work(n * cp + transform.last().scratch(cp));
#pragma omp for schedule(static)
            for (Index row = 0; row < transform.batch * transform.rows; ++row)
                transform.last().analyse_real(cp, as_padded(n, c, x + row * n * c, static_cast<T*>(work), cp),
                                              partly + row * transform.row_size(), work + n * cp);
        }
    }
    void add_rows(const T* partly, T* x, int threads) const {
#pragma omp parallel num_threads(threads)
        {
            Array<T> work(n * cp + transform.last().scratch(cp));
#pragma omp for schedule(static)
            for (Index row = 0; row < transform.batch * transform.rows; ++row) {
                T* to = x + row * n * c;
                T* out = to;
                if (c != cp) pack(n, c, to, out = work, cp);
                transform.last().template synthesise_real<true>(cp, partly + row * transform.row_size(), nullptr, out,
                                                                work + n * cp);
                if (c != cp) unpack(n, c, out, cp, to);
            }
        }
    }

    // z comes in as spectral convolution + bias and leaves as the sum before the first nonlinearity
    void forward_tile(Index points, const T* x_in, T* z, T* out, T* work) {
        constexpr Index W = Lanes<T>::count;
        T *h = work, *x_work = h + kPoints * cp, *y = x_work + kPoints * cp, *m = y + kPoints * cp;
        const T* x = as_padded(points, c, x_in, x_work, cp);
        add_skip(points, x, z);
        T* result = c == cp ? out : y;
        T* nonlinear = e ? h : result;
        for (Index i = 0; i < points * cp; i += W) store(nonlinear + i, activate ? Gelu<T>::value(load(z + i)) : load(z + i));
        if (e) {
            first.template apply<false>(points, h, cp, m);
            for (Index p = 0; p < points; ++p)
                for (Index i = 0; i < ep; i += W) store(m + p * ep + i, Gelu<T>::value(load(m + p * ep + i) + load(b1 + i)));
            sum_after(points, x, m, y);
            for (Index i = 0; i < points * cp; i += W) store(result + i, activate ? Gelu<T>::value(load(y + i)) : load(y + i));
        }
        if (c != cp) unpack(points, c, result, cp, out);
    }

    void add_skip(Index points, const T* x, T* z) {
        if (skip_kind == kLinear) skip.template apply<true>(points, x, cp, z);
        if (skip_kind == kGate) add_gated(points, x, gate, z);
    }
    // y = second layer of the perceptron + its bias + its skip
    void sum_after(Index points, const T* x, const T* m, T* y) {
        for (Index p = 0; p < points; ++p) std::memcpy(y + p * cp, b2, sizeof(T) * cp);
        second.template apply<true>(points, m, ep, y);
        if (mlp_kind == kLinear) mlp_skip.template apply<true>(points, x, cp, y);
        if (mlp_kind == kGate) add_gated(points, x, mlp_gate, y);
    }
    void add_gated(Index points, const T* x, const T* by, T* y) const {
        constexpr Index W = Lanes<T>::count;
        for (Index p = 0; p < points; ++p)
            for (Index i = 0; i < cp; i += W)
                store(y + p * cp + i, load(y + p * cp + i) + load(x + p * cp + i) * load(by + i));
    }
    // y *= x
    static void multiply(Index size, const T* x, T* y) {
        for (Index i = 0; i < size; i += Lanes<T>::count) store(y + i, load(y + i) * load(x + i));
    }

    // z comes in as in `forward_tile` and leaves as the slope by it
    void backward_tile(Index points, const T* x_in, T* z, const T* d_in, T* dx_out, T* sums, T* work) {
        constexpr Index W = Lanes<T>::count;
        T *h = work, *h_slope = h + kPoints * cp, *x_work = h_slope + kPoints * cp, *d_work = x_work + kPoints * cp;
        T *y = d_work + kPoints * cp, *dx_work = y + kPoints * cp;
        T *m = dx_work + 2 * kPoints * cp, *m_slope = m + kPoints * ep, *dm = m_slope + kPoints * ep;
        const T* x = as_padded(points, c, x_in, x_work, cp);
        const T* d = as_padded(points, c, d_in, d_work, cp);
        T* dx = c == cp ? dx_out : dx_work;
        const Index size = points * cp;
        add_skip(points, x, z);
        if (activate)
            for (Index i = 0; i < size; i += W) {
                Vector<T> value, slope;
                Gelu<T>::both(load(z + i), value, slope);
                store(h + i, value);
                store(h_slope + i, slope);
            }
        else
            std::memcpy(h, z, sizeof(T) * size);
        bool fresh = true;
        if (e) {
            first.template apply<false>(points, h, cp, m);
            for (Index p = 0; p < points; ++p)
                for (Index i = 0; i < ep; i += W) {
                    Vector<T> value, slope;
                    Gelu<T>::both(load(m + p * ep + i) + load(b1 + i), value, slope);
                    store(m + p * ep + i, value);
                    store(m_slope + p * ep + i, slope);
                }
            const T* dy = d;
            if (activate) {
                sum_after(points, x, m, y);
                for (Index i = 0; i < size; i += W) store(y + i, Gelu<T>::slope(load(y + i)) * load(d + i));
                dy = y;
            }
            add_columns<T>(points, cp, dy, nullptr, sums + at_b2);
            second.collect(points, m, dy, sums + at_w2);
            second.template pull<false>(points, dy, dm);
            multiply(points * ep, m_slope, dm);
            add_columns<T>(points, ep, dm, nullptr, sums + at_b1);
            first.collect(points, h, dm, sums + at_w1);
            first.template pull<false>(points, dm, z);
            if (mlp_kind == kLinear) {
                mlp_skip.collect(points, x, dy, sums + at_mlp_skip);
                mlp_skip.template pull<false>(points, dy, dx);
                fresh = false;
            }
            if (mlp_kind == kGate) {
                add_columns(points, cp, dy, x, sums + at_mlp_skip);
                set_gated(points, dy, mlp_gate, dx);
                fresh = false;
            }
        } else {
            std::memcpy(z, d, sizeof(T) * size);
        }
        if (activate) multiply(size, h_slope, z);
        add_columns<T>(points, cp, z, nullptr, sums + at_bias);
        if (fresh) std::memset(dx, 0, sizeof(T) * size);
        if (skip_kind == kLinear) {
            skip.collect(points, x, z, sums + at_skip);
            skip.template pull<true>(points, z, dx);
        }
        if (skip_kind == kGate) {
            add_columns(points, cp, z, x, sums + at_skip);
            add_gated(points, z, gate, dx);
        }
        if (c != cp) unpack(points, c, dx, cp, dx_out);
    }
    void set_gated(Index points, const T* x, const T* by, T* y) const {
        constexpr Index W = Lanes<T>::count;
        for (Index p = 0; p < points; ++p)
            for (Index i = 0; i < cp; i += W) store(y + p * cp + i, load(x + p * cp + i) * load(by + i));
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

// ---------------------------------------------------------------------------------------------- two layers by themselves

constexpr Index kPart = 4096;  // points whose slopes are summed up by one thread

template <typename T>
void two_layers(Index count, Index in, Index e, Index o, const T* x, const T* w1, const T* b1_in, const T* w2,
                const T* b2_in, T* out, int threads) {
    constexpr Index W = Lanes<T>::count;
    Linear<T> first(w1, e, in), second(w2, o, e);
    const Index ep = first.outp, op = second.outp;
    Array<T> b1(ep), b2(op);
    pack(1, e, b1_in, static_cast<T*>(b1), ep);
    pack(1, o, b2_in, static_cast<T*>(b2), op);
#pragma omp parallel num_threads(threads)
    {
        Array<T> work(kPoints * (ep + op));
        T *m = work, *y_work = m + kPoints * ep;
#pragma omp for schedule(static)
        for (Index tile = 0; tile < (count + kPoints - 1) / kPoints; ++tile) {
            const Index points = std::min(kPoints, count - tile * kPoints);
            first.template apply<false>(points, x + tile * kPoints * in, in, m);
            for (Index p = 0; p < points; ++p)
                for (Index i = 0; i < ep; i += W) store(m + p * ep + i, Gelu<T>::value(load(m + p * ep + i) + load(b1 + i)));
            T* to = out + tile * kPoints * o;
            T* y = o == op ? to : y_work;
            for (Index p = 0; p < points; ++p) std::memcpy(y + p * op, b2, sizeof(T) * op);
            second.template apply<true>(points, m, ep, y);
            if (o != op) unpack(points, o, y, op, to);
        }
    }
}

template <typename T>
void two_layers_slope(Index count, Index in, Index e, Index o, const T* x, const T* w1, const T* b1_in, const T* w2,
                      const T* d_out, T* d_x, T* d_w1, T* d_b1, T* d_w2, T* d_b2, int threads) {
    constexpr Index W = Lanes<T>::count;
    Linear<T> first(w1, e, in), second(w2, o, e);
    const Index ip = first.inp, ep = first.outp, op = second.outp, parts = (count + kPart - 1) / kPart;
    const Index at_b1 = first.slope_size(), at_w2 = at_b1 + ep, at_b2 = at_w2 + second.slope_size(), size = at_b2 + op;
    Array<T> b1(ep), collected(parts * size);
    pack(1, e, b1_in, static_cast<T*>(b1), ep);
#pragma omp parallel num_threads(threads)
    {
        Array<T> work(kPoints * (2 * ip + 3 * ep + op));
        T *x_work = work, *dx_work = x_work + kPoints * ip, *d_work = dx_work + kPoints * ip;
        T *m = d_work + kPoints * op, *slope = m + kPoints * ep, *dm = slope + kPoints * ep;
#pragma omp for schedule(static)
        for (Index part = 0; part < parts; ++part) {
            T* sums = collected + part * size;
            std::memset(sums, 0, sizeof(T) * size);
            const Index end = std::min(count, (part + 1) * kPart);
            for (Index begin = part * kPart; begin < end; begin += kPoints) {
                const Index points = std::min(kPoints, end - begin);
                const T* xt = as_padded(points, in, x + begin * in, x_work, ip);
                const T* d = as_padded(points, o, d_out + begin * o, d_work, op);
                first.template apply<false>(points, xt, ip, m);
                for (Index p = 0; p < points; ++p)
                    for (Index i = 0; i < ep; i += W) {
                        Vector<T> value, s;
                        Gelu<T>::both(load(m + p * ep + i) + load(b1 + i), value, s);
                        store(m + p * ep + i, value);
                        store(slope + p * ep + i, s);
                    }
                add_columns<T>(points, op, d, nullptr, sums + at_b2);
                second.collect(points, m, d, sums + at_w2);
                second.template pull<false>(points, d, dm);
                for (Index i = 0; i < points * ep; i += W) store(dm + i, load(dm + i) * load(slope + i));
                add_columns<T>(points, ep, dm, nullptr, sums + at_b1);
                first.collect(points, xt, dm, sums);
                if (d_x) {
                    T* to = d_x + begin * in;
                    T* dx = in == ip ? to : dx_work;
                    first.template pull<false>(points, dm, dx);
                    if (in != ip) unpack(points, in, dx, ip, to);
                }
            }
        }
    }
    first.finish(parts, collected, size, d_w1);
    finish_vector<T>(parts, collected + at_b1, size, e, d_b1);
    second.finish(parts, collected + at_w2, size, d_w2);
    finish_vector<T>(parts, collected + at_b2, size, o, d_b2);
}

}  // namespace

#define SCIML_EXPORT(T, suffix)                                                                                       \
    extern "C" void block_##suffix(const Index* sizes, const T* x, const T* spectral, const T* bias, const T* skip,  \
                                   const T* w1, const T* b1, const T* w2, const T* b2, const T* mlp_skip, T* out,    \
                                   T* spectrum, int threads) {                                                       \
        Block<T>(sizes, {spectral, bias, skip, w1, b1, w2, b2, mlp_skip}).forward(x, out, spectrum, threads);         \
    }                                                                                                                \
    extern "C" void block_slope_##suffix(                                                                            \
        const Index* sizes, const T* x, const T* spectral, const T* bias, const T* skip, const T* w1, const T* b1,   \
        const T* w2, const T* b2, const T* mlp_skip, const T* spectrum, const T* d_out, T* d_x, T* d_spectral,       \
        T* d_bias, T* d_skip, T* d_w1, T* d_b1, T* d_w2, T* d_b2, T* d_mlp_skip, int threads) {       \
        Block<T>(sizes, {spectral, bias, skip, w1, b1, w2, b2, mlp_skip})                                            \
            .backward(x, spectrum, d_out,                                                                            \
                      {d_x, d_spectral, d_bias, d_skip, d_w1, d_b1, d_w2, d_b2, d_mlp_skip}, threads);               \
    }                                                                                                                \
    extern "C" void two_layers_##suffix(Index count, Index in, Index e, Index o, const T* x, const T* w1,            \
                                        const T* b1, const T* w2, const T* b2, T* out, int threads) {                \
        two_layers(count, in, e, o, x, w1, b1, w2, b2, out, threads);                                                \
    }                                                                                                                \
    extern "C" void two_layers_slope_##suffix(Index count, Index in, Index e, Index o, const T* x, const T* w1,      \
                                              const T* b1, const T* w2, const T* d_out, T* d_x, T* d_w1, T* d_b1,    \
                                              T* d_w2, T* d_b2, int threads) {                                       \
        two_layers_slope(count, in, e, o, x, w1, b1, w2, d_out, d_x, d_w1, d_b1, d_w2, d_b2, threads);               \
    }

SCIML_EXPORT(float, f32)
SCIML_EXPORT(double, f64)
