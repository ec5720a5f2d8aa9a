// Quantiles over days of year with a window that slides around the year. Only moves arrays: shapes are checked by the caller.
//
// The weight of a sample falls linearly with its distance in days from the middle of the window. When the window moves on
// by a day, each weight in it changes by one, so nothing is sorted again: samples of a point are ranked once, and weights
// are kept by rank, with sums over blocks of ranks in which a quantile is found quickly.
//
// Shapes: p points, d days of the year, k samples of a day (years), q quantiles.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

using Index = std::int64_t;

constexpr Index kBlock = 64;  // ranks in a block: about the root of the number of samples in 30 years of a day of year

struct Window {
    std::vector<float> value;          // samples that are numbers, ascending
    std::vector<std::int32_t> rank;    // [d, k], -1 for a missing sample
    std::vector<std::int32_t> weight;  // by rank
    std::vector<std::int64_t> block;   // sums of weights
    std::int64_t sum = 0;
    std::int64_t sum_of_squares = 0;
    std::vector<std::int32_t> order;

    void rank_samples(const float* sample, Index count) {
        order.clear();
        rank.assign(count, -1);
        for (Index i = 0; i < count; ++i)
            if (!std::isnan(sample[i])) order.push_back(static_cast<std::int32_t>(i));
        std::sort(order.begin(), order.end(), [sample](auto a, auto b) { return sample[a] < sample[b]; });
        value.resize(order.size());
        for (std::size_t r = 0; r < order.size(); ++r) {
            value[r] = sample[order[r]];
            rank[order[r]] = static_cast<std::int32_t>(r);
        }
        weight.assign(order.size(), 0);
        block.assign(order.size() / kBlock + 1, 0);
        sum = sum_of_squares = 0;
    }

    void add(const std::int32_t* ranks, Index count, std::int32_t change) {
        for (Index i = 0; i < count; ++i) {
            const std::int32_t r = ranks[i];
            if (r < 0) continue;
            sum += change;
            sum_of_squares += change * (2 * weight[r] + change);
            weight[r] += change;
            block[r / kBlock] += change;
        }
    }

    // Mean of the quantile function over the part of the total weight that one of `effective` equal samples has.
    double quantile(double q) const {
        const double effective = static_cast<double>(sum) * sum / sum_of_squares;
        const double low = q * (effective - 1) / effective * sum;
        const double high = low + sum / effective;
        double before = 0;
        std::size_t b = 0;
        while (b + 1 < block.size() && before + block[b] <= low) before += block[b++];
        double total = 0, used = 0;
        for (std::size_t r = b * kBlock; r < value.size() && before < high; ++r) {
            if (weight[r] == 0) continue;
            const double after = before + weight[r];
            const double part = std::min(after, high) - std::max(before, low);
            if (part > 0) {
                total += part * value[r];
                used += part;
            }
            before = after;
        }
        return total / used;
    }
};

}  // namespace

// samples [p, d, k] (NaN is missing), quantiles [q]; out [q, d, p]. Weights are reach - |distance in days|, reach <= d / 2.
extern "C" void window_quantiles(const float* samples, Index points, Index days, Index per_day, Index reach,
                                 const double* quantiles, Index count, float* out) {
#pragma omp parallel
    {
        Window window;
#pragma omp for schedule(dynamic, 4)
        for (Index p = 0; p < points; ++p) {
            window.rank_samples(samples + p * days * per_day, days * per_day);
            const auto ranks_of = [&](Index day) { return window.rank.data() + (day + days) % days * per_day; };
            for (Index away = 1 - reach; away < reach; ++away)
                window.add(ranks_of(away), per_day, static_cast<std::int32_t>(reach - std::abs(away)));
            for (Index day = 0; day < days; ++day) {
                for (Index q = 0; q < count; ++q)
                    out[(q * days + day) * points + p] = window.sum
                                                             ? static_cast<float>(window.quantile(quantiles[q]))
                                                             : std::numeric_limits<float>::quiet_NaN();
                for (Index away = 1 - reach; away <= 0; ++away) window.add(ranks_of(day + away), per_day, -1);
                for (Index away = 1; away <= reach; ++away) window.add(ranks_of(day + away), per_day, 1);
            }
        }
    }
}
