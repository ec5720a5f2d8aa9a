// Sums over grid points that scores are made of, for float and double. Only moves arrays: shapes are checked by the caller.
//
// A field is one plane of y * x points without a gap; where it begins is an offset, in elements, into the array that it is
// part of, so that forecasts of many lead times share one analysis. An offset of -1 is a field that is missing, a value
// that is not a number a point that is missing. Differences are taken and added up in double precision.
//
// A row of points is cut into blocks. Where the weight of a region is the same in a whole block, as in most of them, the
// block's sum is taken once for all regions.
//
// Shapes: n fields, m members, r regions, k thresholds, p = y * x points, s sums.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

namespace {

using Index = std::int64_t;

constexpr Index kBlock = 128;  // points in a block, at most: all sums of it stay in the innermost cache
constexpr Index kLanes = 16;   // ensembles sorted side by side: one register of floats with AVX-512, two with AVX2

enum Kind : char { kNothing, kConstant, kVarying };

// Where the blocks begin, and what the weight of each region does in each: kinds and values are [block, r].
struct Blocks {
    std::vector<Index> begin;  // one more than there are blocks
    std::vector<Kind> kind;
    std::vector<double> value;

    Blocks(Index y, Index x, Index regions, const double* weight) {
        const Index in_row = (x + kBlock - 1) / kBlock;
        for (Index j = 0; j < y; ++j)
            for (Index b = 0; b < in_row; ++b) begin.push_back(j * x + b * kBlock);
        begin.push_back(y * x);
        for (std::size_t b = 0; b + 1 < begin.size(); ++b)
            for (Index r = 0; r < regions; ++r) {
                const double *first = weight + r * y * x + begin[b], *last = weight + r * y * x + begin[b + 1];
                const bool same = std::all_of(first, last, [first](double w) { return w == *first; });
                kind.push_back(same ? (*first == 0 ? kNothing : kConstant) : kVarying);
                value.push_back(*first);
            }
    }

    Index count() const { return static_cast<Index>(begin.size()) - 1; }
};

// out[r,s] += sum_i weight[r,i] point[s,i] over one block. `total` is the plain sum over it, [s].
inline void add_block(const Blocks& blocks, Index block, Index regions, Index points, const double* weight, Index sums,
                      const double* point, const double* total, double* out) {
    const Index begin = blocks.begin[block], size = blocks.begin[block + 1] - begin;
    for (Index r = 0; r < regions; ++r) {
        double* row = out + r * sums;
        const Kind kind = blocks.kind[block * regions + r];
        if (kind == kConstant) {
            const double w = blocks.value[block * regions + r];
            for (Index s = 0; s < sums; ++s) row[s] += w * total[s];
        } else if (kind == kVarying) {
            const double* w = weight + r * points + begin;
            for (Index s = 0; s < sums; ++s) {
                const double* value = point + s * kBlock;
                double sum = 0;
#pragma omp simd reduction(+ : sum)
                for (Index i = 0; i < size; ++i) sum += w[i] * value[i];
                row[s] += sum;
            }
        }
    }
}

inline bool any_varying(const Blocks& blocks, Index block, Index regions) {
    const Kind* kind = blocks.kind.data() + block * regions;
    return std::find(kind, kind + regions, kVarying) != kind + regions;
}

// ---------------------------------------------------------------------------------------------- fields without members

constexpr Index kErrorSums = 4, kFieldSums = 10;

// The sums of one block: count, e, |e|, e^2 and, with a climatology, count, a, b, ab, a^2, b^2, where e is forecast minus
// truth, a and b are forecast and truth minus climatology. The points themselves go to `point` where it is asked for.
template <typename T, bool Climatology, bool Points>
inline void field_block(Index size, const T* __restrict__ forecast, const T* __restrict__ truth,
                        const T* __restrict__ climatology, double* __restrict__ total, double* __restrict__ point) {
    double n = 0, e1 = 0, ea = 0, e2 = 0, m = 0, a1 = 0, b1 = 0, ab = 0, a2 = 0, b2 = 0;
#pragma omp simd reduction(+ : n, e1, ea, e2, m, a1, b1, ab, a2, b2)
    for (Index i = 0; i < size; ++i) {
        const double f = forecast[i], t = truth[i];
        const double difference = f - t;
        const bool valid = difference == difference;
        const double e = valid ? difference : 0.0, one = valid ? 1.0 : 0.0, magnitude = e < 0 ? -e : e;
        n += one;
        e1 += e;
        ea += magnitude;
        e2 += e * e;
        if (Points) {
            point[i] = one;
            point[kBlock + i] = e;
            point[2 * kBlock + i] = magnitude;
            point[3 * kBlock + i] = e * e;
        }
        if (Climatology) {
            const double c = climatology[i];
            const double fc = f - c, tc = t - c;
            const bool known = valid & (fc == fc) & (tc == tc);
            const double a = known ? fc : 0.0, b = known ? tc : 0.0, here = known ? 1.0 : 0.0;
            m += here;
            a1 += a;
            b1 += b;
            ab += a * b;
            a2 += a * a;
            b2 += b * b;
            if (Points) {
                point[4 * kBlock + i] = here;
                point[5 * kBlock + i] = a;
                point[6 * kBlock + i] = b;
                point[7 * kBlock + i] = a * b;
                point[8 * kBlock + i] = a * a;
                point[9 * kBlock + i] = b * b;
            }
        }
    }
    const double sums[kFieldSums] = {n, e1, ea, e2, m, a1, b1, ab, a2, b2};
    std::copy(sums, sums + (Climatology ? kFieldSums : kErrorSums), total);
}

template <typename T, bool Climatology>
void field_sums(Index n, Index y, Index x, Index regions, const T* forecast, const Index* forecast_at, const T* truth,
                const Index* truth_at, const T* climatology, const Index* climatology_at, const double* weight,
                double* out, int threads) {
    const Index points = y * x, sums = Climatology ? kFieldSums : kErrorSums;
    const Blocks blocks(y, x, regions, weight);
    std::vector<char> varying(blocks.count());
    for (Index b = 0; b < blocks.count(); ++b) varying[b] = any_varying(blocks, b, regions);
    std::memset(out, 0, sizeof(double) * n * regions * sums);
    // what a missing climatology is read from
    const std::vector<T> nowhere(Climatology ? points : 0, std::numeric_limits<T>::quiet_NaN());
#pragma omp parallel for schedule(static) num_threads(threads)
    for (Index i = 0; i < n; ++i) {
        if (forecast_at[i] < 0 || truth_at[i] < 0) continue;
        alignas(64) double point[kFieldSums * kBlock], total[kFieldSums];
        const T *f = forecast + forecast_at[i], *t = truth + truth_at[i];
        const T* c = !Climatology ? nullptr : climatology_at[i] < 0 ? nowhere.data() : climatology + climatology_at[i];
        for (Index b = 0; b < blocks.count(); ++b) {
            const Index begin = blocks.begin[b], size = blocks.begin[b + 1] - begin;
            const T* here = Climatology ? c + begin : nullptr;
            if (varying[b])
                field_block<T, Climatology, true>(size, f + begin, t + begin, here, total, point);
            else
                field_block<T, Climatology, false>(size, f + begin, t + begin, here, total, point);
            add_block(blocks, b, regions, points, weight, sums, point, total, out + i * regions * sums);
        }
    }
}

// out[g,:,p] += (1, e, e^2) of every field of group g, in the order of the fields
template <typename T>
void map_sums(Index n, Index points, const T* forecast, const Index* forecast_at, const T* truth, const Index* truth_at,
              const Index* group, double* out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (Index begin = 0; begin < points; begin += kBlock) {
        const Index size = std::min(kBlock, points - begin);
        for (Index i = 0; i < n; ++i) {
            if (forecast_at[i] < 0 || truth_at[i] < 0) continue;
            const T* __restrict__ f = forecast + forecast_at[i] + begin;
            const T* __restrict__ t = truth + truth_at[i] + begin;
            double* __restrict__ count = out + group[i] * 3 * points + begin;
            double *__restrict__ error = count + points, *__restrict__ squared = error + points;
#pragma omp simd
            for (Index j = 0; j < size; ++j) {
                const double difference = static_cast<double>(f[j]) - static_cast<double>(t[j]);
                const bool valid = difference == difference;
                const double e = valid ? difference : 0.0;
                count[j] += valid ? 1.0 : 0.0;
                error[j] += e;
                squared[j] += e * e;
            }
        }
    }
}

// --------------------------------------------------------------------------------------------------------- yes and no

constexpr Index kCells = 4;

// Hits, misses, false alarms and correct negatives of one block, in that order; beyond is `side` * value > `side` * limit.
template <typename T, bool Inclusive>
inline void table_block(Index size, const T* __restrict__ forecast, const T* __restrict__ truth,
                        const T* __restrict__ limit, T side, double* __restrict__ total, double* __restrict__ point) {
    double hits = 0, misses = 0, alarms = 0, rest = 0;
#pragma omp simd reduction(+ : hits, misses, alarms, rest)
    for (Index i = 0; i < size; ++i) {
        const T f = side * forecast[i], o = side * truth[i], t = side * limit[i];
        const bool known = (f == f) & (o == o) & (t == t);
        const bool said = Inclusive ? f >= t : f > t, came = Inclusive ? o >= t : o > t;
        const double a = known & said & came ? 1.0 : 0.0, b = known & !said & came ? 1.0 : 0.0;
        const double c = known & said & !came ? 1.0 : 0.0, d = known & !said & !came ? 1.0 : 0.0;
        point[i] = a;
        point[kBlock + i] = b;
        point[2 * kBlock + i] = c;
        point[3 * kBlock + i] = d;
        hits += a;
        misses += b;
        alarms += c;
        rest += d;
    }
    total[0] = hits;
    total[1] = misses;
    total[2] = alarms;
    total[3] = rest;
}

// out[k,n,r,:] of each of k limits, whose planes begin at limit_at[k,n]
template <typename T, bool Inclusive>
void table_sums(Index n, Index limits, Index y, Index x, Index regions, const T* forecast, const Index* forecast_at,
                const T* truth, const Index* truth_at, const T* limit, const Index* limit_at, const Index* side,
                const double* weight, double* out, int threads) {
    const Index points = y * x;
    const Blocks blocks(y, x, regions, weight);
    std::memset(out, 0, sizeof(double) * limits * n * regions * kCells);
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (Index k = 0; k < limits; ++k)
        for (Index i = 0; i < n; ++i) {
            alignas(64) double point[kCells * kBlock], total[kCells];
            const T *f = forecast + forecast_at[i], *o = truth + truth_at[i], *t = limit + limit_at[k * n + i];
            for (Index b = 0; b < blocks.count(); ++b) {
                const Index begin = blocks.begin[b], size = blocks.begin[b + 1] - begin;
                table_block<T, Inclusive>(size, f + begin, o + begin, t + begin, static_cast<T>(side[k]), total, point);
                add_block(blocks, b, regions, points, weight, kCells, point, total,
                          out + (k * n + i) * regions * kCells);
            }
        }
}

// ------------------------------------------------------------------------------------------------------------ ensembles

// Batcher's merge exchange for any number of keys: Knuth, The Art of Computer Programming, volume 3, algorithm 5.2.2M.
std::vector<std::pair<int, int>> sorting_network(Index keys) {
    std::vector<std::pair<int, int>> network;
    Index top = 1;
    while (2 * top < keys) top *= 2;
    for (Index p = top; p > 0 && keys > 1; p /= 2) {
        Index q = top, r = 0, d = p;
        while (true) {
            for (Index i = 0; i + d < keys; ++i)
                if ((i & p) == r) network.emplace_back(static_cast<int>(i), static_cast<int>(i + d));
            if (q == p) break;
            d = q - p;
            q /= 2;
            r = p;
        }
    }
    return network;
}

// Registers of whole numbers in which floating-point numbers are sorted: the minimum of two is one instruction for these.
#ifdef __AVX512F__
constexpr Index kRegisterBytes = 64;
#else
constexpr Index kRegisterBytes = 32;
#endif
template <typename T>
struct Sorted;
template <>
struct Sorted<float> {
    using Bits = std::int32_t;
    typedef Bits Register __attribute__((vector_size(kRegisterBytes), may_alias));
};
template <>
struct Sorted<double> {
    using Bits = std::int64_t;
    typedef Bits Register __attribute__((vector_size(kRegisterBytes), may_alias));
};

// Takes the bits of a number to a whole number of the same order, and back
template <typename Bits, typename Value>
inline Value in_order(Value bits) {
    constexpr Bits magnitude = std::numeric_limits<Bits>::max();
    return bits ^ ((bits >> (8 * sizeof(Bits) - 1)) & magnitude);
}

template <typename Register>
inline void exchange(Register& a, Register& b) {
    const Register low = b < a ? b : a;
    b = b < a ? a : b;
    a = low;
}

// Members go through registers in runs of this many.
constexpr Index kRun = 8;

// Knuth, volume 3, section 5.3.4: the least number of comparisons for 8 keys, 19.
constexpr int kSortRun[19][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}, {0, 2}, {1, 3}, {4, 6}, {5, 7}, {1, 2}, {5, 6},
                                 {0, 4}, {3, 7}, {1, 5}, {2, 6}, {1, 4}, {3, 6}, {2, 4}, {3, 5}, {3, 4}};

template <typename Bits, typename Register, Index Stride>
inline void sort_run(Register* row) {
    Register x[kRun];
#pragma GCC unroll 8
    for (Index i = 0; i < kRun; ++i) x[i] = in_order<Bits>(row[i * Stride]);
#pragma GCC unroll 19
    for (Index i = 0; i < 19; ++i) exchange(x[kSortRun[i][0]], x[kSortRun[i][1]]);
#pragma GCC unroll 8
    for (Index i = 0; i < kRun; ++i) row[i * Stride] = x[i];
}

// Two sorted runs become two sorted runs of which the first has the lower half of all keys: bitonic merge.
template <typename Register, Index Stride>
inline void merge_runs(Register* low, Register* high) {
    Register a[kRun], b[kRun];
#pragma GCC unroll 8
    for (Index i = 0; i < kRun; ++i) {
        a[i] = low[i * Stride];
        b[i] = high[(kRun - 1 - i) * Stride];
        exchange(a[i], b[i]);
    }
#pragma GCC unroll 3
    for (Index d = kRun / 2; d > 0; d /= 2)
#pragma GCC unroll 8
        for (Index i = 0; i < kRun; ++i)
            if (!(i & d)) {
                exchange(a[i], a[i + d]);
                exchange(b[i], b[i + d]);
            }
#pragma GCC unroll 8
    for (Index i = 0; i < kRun; ++i) {
        low[i * Stride] = a[i];
        high[i * Stride] = b[i];
    }
}

inline Index runs_of(Index members) { return (members + kRun - 1) / kRun; }

// [m, lane], each lane sorted in ascending order, with `network` for as many keys as there are runs: a network sorts runs
// as it sorts keys where each comparison is a merge. Rows beyond m must hold the greatest whole number; x begins at a
// multiple of 64 bytes.
template <typename T>
inline void sort_lanes(const std::vector<std::pair<int, int>>& network, Index members, T* x) {
    using Bits = typename Sorted<T>::Bits;
    using Register = typename Sorted<T>::Register;
    constexpr Index parts = kLanes * sizeof(T) / sizeof(Register);
    for (Index part = 0; part < parts; ++part) {
        Register* row = reinterpret_cast<Register*>(x) + part;
        for (Index run = 0; run < runs_of(members); ++run)
            sort_run<Bits, Register, parts>(row + run * kRun * parts);
        for (const auto& [low, high] : network)
            merge_runs<Register, parts>(row + low * kRun * parts, row + high * kRun * parts);
        for (Index j = 0; j < members; ++j) row[j * parts] = in_order<Bits>(row[j * parts]);
    }
}

template <typename T>
inline T clip(T value, T lower, T upper) {
    const T above = value < lower ? lower : value;
    return above > upper ? upper : above;
}

// What one point adds, of sorted members x: skill = mean |x - y|, spread = mean |x - x'| over pairs of different members,
// error = mean(x) - y, variance with m - 1. For rounding's sake members count from the middle one.
template <typename T>
inline void ensemble_lanes(Index members, const T* __restrict__ x, const T* __restrict__ y, double* __restrict__ skill,
                           double* __restrict__ spread, double* __restrict__ error, double* __restrict__ variance) {
    const T* __restrict__ middle = x + (members / 2) * kLanes;
    alignas(64) double base[kLanes], distance[kLanes], pairs[kLanes] = {}, sum[kLanes] = {}, squares[kLanes] = {};
#pragma omp simd
    for (Index i = 0; i < kLanes; ++i) {
        base[i] = static_cast<double>(middle[i]) - static_cast<double>(y[i]);
        distance[i] = members % 2 ? (base[i] < 0 ? -base[i] : base[i]) : 0.0;
    }
    for (Index j = 0; j < members / 2; ++j) {
        const T *__restrict__ low = x + j * kLanes, *__restrict__ high = x + (members - 1 - j) * kLanes;
        const double factor = static_cast<double>(members - 1 - 2 * j);
#pragma omp simd
        for (Index i = 0; i < kLanes; ++i) {
            const double centre = middle[i];
            const double a = static_cast<double>(low[i]) - centre, b = static_cast<double>(high[i]) - centre;
            const double from_a = a + base[i], from_b = b + base[i];
            distance[i] += (from_a < 0 ? -from_a : from_a) + (from_b < 0 ? -from_b : from_b);
            pairs[i] += factor * (b - a);
            sum[i] += a + b;
            squares[i] += a * a + b * b;
        }
    }
    const double m = static_cast<double>(members), others = members > 1 ? m - 1 : 1;
#pragma omp simd
    for (Index i = 0; i < kLanes; ++i) {
        skill[i] = distance[i] / m;
        spread[i] = 2 * pairs[i] / (m * others);
        error[i] = sum[i] / m + base[i];
        variance[i] = (squares[i] - sum[i] * sum[i] / m) / others;
    }
}

// Whether both limits are known, then skill and spread as above, of members and truth pushed into [lower, upper]
template <typename T>
inline void clipped_lanes(Index members, const T* __restrict__ x, const T* __restrict__ y, const T* __restrict__ lower,
                          const T* __restrict__ upper, double* __restrict__ known, double* __restrict__ skill,
                          double* __restrict__ spread) {
    alignas(64) double distance[kLanes] = {}, pairs[kLanes] = {}, observed[kLanes];
    for (Index i = 0; i < kLanes; ++i) observed[i] = clip(y[i], lower[i], upper[i]);
    for (Index j = 0; j < members; ++j) {
        const double factor = static_cast<double>(2 * j - members + 1);
        const T* __restrict__ row = x + j * kLanes;
#pragma omp simd
        for (Index i = 0; i < kLanes; ++i) {
            const double a = static_cast<double>(clip(row[i], lower[i], upper[i])) - observed[i];
            distance[i] += a < 0 ? -a : a;
            pairs[i] += factor * a;
        }
    }
    const double m = static_cast<double>(members), others = members > 1 ? m - 1 : 1;
    for (Index i = 0; i < kLanes; ++i) {
        const bool here = (lower[i] == lower[i]) & (upper[i] == upper[i]);
        known[i] = here ? 1.0 : 0.0;
        skill[i] = here ? distance[i] / m : 0.0;
        spread[i] = here ? 2 * pairs[i] / (m * others) : 0.0;
    }
}

constexpr Index kEnsembleSums = 6;   // count, skill, spread, error, error^2, variance
constexpr Index kThresholdSums = 3;  // and for each threshold: count, skill, spread

struct EnsembleShape {
    Index n, members, y, x, regions, thresholds;
};

// Members and truth of 16 points from `begin` on, lanes beyond the last point repeating it. Returns 1 where all are known.
template <typename T>
inline void gather(Index size, Index begin, Index members, const T* base, const Index* at, const T* truth, T* x, T* y,
                   double* valid) {
    const Index lanes = std::min(kLanes, size - begin);
    T known[kLanes];
    for (Index i = 0; i < kLanes; ++i) known[i] = y[i] = truth[begin + std::min(i, lanes - 1)];
    for (Index j = 0; j < members; ++j) {
        const T* source = base + at[j] + begin;
        // members stand far apart: more streams than the processor follows by itself
        __builtin_prefetch(source + 2 * kLanes);
        T* row = x + j * kLanes;
        if (lanes == kLanes)
            std::memcpy(row, source, sizeof(T) * kLanes);
        else
            for (Index i = 0; i < kLanes; ++i) row[i] = source[std::min(i, lanes - 1)];
        // a number that is none stays one in a sum
#pragma omp simd
        for (Index i = 0; i < kLanes; ++i) known[i] += row[i];
    }
    for (Index i = 0; i < kLanes; ++i) valid[i] = known[i] == known[i] ? 1.0 : 0.0;
}

// histogram[r, below .. below + equal] += weight, in equal parts or, with `lowest`, in the first of them alone
template <typename T>
inline void add_ranks(Index size, Index begin, Index members, Index regions, Index points, const double* weight,
                      const T* x, const T* y, const double* valid, bool lowest, double* histogram) {
    alignas(64) int below[kLanes] = {}, equal[kLanes] = {};
    for (Index j = 0; j < members; ++j)
#pragma omp simd
        for (Index i = 0; i < kLanes; ++i) {
            below[i] += x[j * kLanes + i] < y[i] ? 1 : 0;
            equal[i] += x[j * kLanes + i] == y[i] ? 1 : 0;
        }
    for (Index i = 0; i < std::min(kLanes, size - begin); ++i) {
        if (valid[i] == 0) continue;
        const int places = lowest ? 1 : equal[i] + 1;
        for (Index r = 0; r < regions; ++r) {
            const double w = weight[r * points + begin + i];
            if (w == 0) continue;
            double* row = histogram + r * (members + 1) + below[i];
            for (int place = 0; place < places; ++place) row[place] += w / places;
        }
    }
}

template <typename T>
void ensemble_sums(const EnsembleShape& shape, const T* ensemble, const Index* member_at, const T* truth,
                   const Index* truth_at, const T* lower, const T* upper, const Index* threshold_at,
                   const double* weight, double* out, double* histogram, bool lowest, int threads) {
    const auto [n, members, y, x, regions, thresholds] = shape;
    const Index points = y * x, sums = kEnsembleSums + kThresholdSums * thresholds;
    const Blocks blocks(y, x, regions, weight);
    const auto network = sorting_network(runs_of(members));
    std::memset(out, 0, sizeof(double) * n * regions * sums);
    if (histogram) std::memset(histogram, 0, sizeof(double) * n * regions * (members + 1));
#pragma omp parallel num_threads(threads)
    {
        const std::size_t bytes = sizeof(T) * kLanes * kRun * runs_of(members);
        T* keys = static_cast<T*>(std::aligned_alloc(64, bytes));
        std::fill_n(reinterpret_cast<typename Sorted<T>::Bits*>(keys), bytes / sizeof(T),
                    std::numeric_limits<typename Sorted<T>::Bits>::max());
        std::vector<double> point(sums * kBlock), total(sums);
        alignas(64) T observed[kLanes], low[kLanes], high[kLanes];
#pragma omp for schedule(dynamic)
        for (Index i = 0; i < n; ++i) {
            if (truth_at[i] < 0 || member_at[i * members] < 0) continue;
            const T* t = truth + truth_at[i];
            for (Index b = 0; b < blocks.count(); ++b) {
                const Index first = blocks.begin[b], size = blocks.begin[b + 1] - first;
                for (Index begin = 0; begin < size; begin += kLanes) {
                    double* valid = point.data() + begin;
                    const auto row = [&](Index s) { return valid + s * kBlock; };
                    gather(size, begin, members, ensemble + first, member_at + i * members, t + first, keys, observed,
                           valid);
                    if (histogram)
                        add_ranks(size + first, begin + first, members, regions, points, weight, keys, observed, valid,
                                  lowest, histogram + i * regions * (members + 1));
                    sort_lanes(network, members, keys);
                    ensemble_lanes(members, keys, observed, row(1), row(2), row(3), row(5));
                    for (Index lane = 0; lane < kLanes; ++lane) row(4)[lane] = row(3)[lane] * row(3)[lane];
                    for (Index k = 0; k < thresholds; ++k) {
                        const Index at = threshold_at[i * thresholds + k] + first + begin;
                        for (Index lane = 0; lane < kLanes; ++lane) {
                            const Index here = at + std::min(lane, size - begin - 1);
                            low[lane] = lower[here];
                            high[lane] = upper[here];
                        }
                        const Index s = kEnsembleSums + kThresholdSums * k;
                        clipped_lanes(members, keys, observed, low, high, row(s), row(s + 1), row(s + 2));
                    }
                    for (Index s = 1; s < sums; ++s)
                        for (Index lane = 0; lane < kLanes; ++lane)
                            row(s)[lane] = valid[lane] != 0 ? row(s)[lane] : 0.0;
                }
                for (Index s = 0; s < sums; ++s) {
                    double sum = 0;
                    for (Index p = 0; p < size; ++p) sum += point[s * kBlock + p];
                    total[s] = sum;
                }
                add_block(blocks, b, regions, points, weight, sums, point.data(), total.data(),
                          out + i * regions * sums);
            }
        }
        std::free(keys);
    }
}

}  // namespace

#define EXPORT(T, SUFFIX)                                                                                              \
    extern "C" void field_sums_##SUFFIX(Index n, Index y, Index x, Index regions, const T* forecast,                   \
                                        const Index* forecast_at, const T* truth, const Index* truth_at,               \
                                        const T* climatology, const Index* climatology_at, const double* weight,       \
                                        double* out, int threads) {                                                    \
        (climatology ? field_sums<T, true> : field_sums<T, false>)(n, y, x, regions, forecast, forecast_at, truth,     \
                                                                   truth_at, climatology, climatology_at, weight, out, \
                                                                   threads);                                           \
    }                                                                                                                  \
    extern "C" void table_sums_##SUFFIX(Index n, Index limits, Index y, Index x, Index regions, Index inclusive,       \
                                        const T* forecast, const Index* forecast_at, const T* truth,                   \
                                        const Index* truth_at, const T* limit, const Index* limit_at,                  \
                                        const Index* side, const double* weight, double* out, int threads) {           \
        (inclusive ? table_sums<T, true> : table_sums<T, false>)(n, limits, y, x, regions, forecast, forecast_at,      \
                                                                 truth, truth_at, limit, limit_at, side, weight, out, \
                                                                 threads);                                             \
    }                                                                                                                  \
    extern "C" void map_sums_##SUFFIX(Index n, Index points, const T* forecast, const Index* forecast_at,              \
                                      const T* truth, const Index* truth_at, const Index* group, double* out,          \
                                      int threads) {                                                                   \
        map_sums<T>(n, points, forecast, forecast_at, truth, truth_at, group, out, threads);                           \
    }                                                                                                                  \
    extern "C" void ensemble_sums_##SUFFIX(Index n, Index members, Index y, Index x, Index regions, Index thresholds,  \
                                           Index lowest, const T* ensemble, const Index* member_at, const T* truth,    \
                                           const Index* truth_at, const T* lower, const T* upper,                      \
                                           const Index* threshold_at, const double* weight, double* out,               \
                                           double* histogram, int threads) {                                           \
        ensemble_sums<T>({n, members, y, x, regions, thresholds}, ensemble, member_at, truth, truth_at, lower, upper,  \
                         threshold_at, weight, out, histogram, lowest != 0, threads);                                  \
    }

EXPORT(float, f32)
EXPORT(double, f64)
