// Jets of an MLP's fields at many points, the gradient of its parameters, and their Jacobian point by point, for double.
// Only moves arrays: shapes are checked by the caller.
//
// Points are the lanes of vectors. A block of them runs through all layers and back while it stays in the cache, so
// nothing is kept between a call for the fields and one for their gradient: to compute a block again is quicker than to
// read it from memory (kernels_network.h). Faa di Bruno's formula comes as a table (kernels_activation.h).
//
// Arrays of jets are [s][f][n], features too. No result depends on the number of threads. Functions give 0, or 1 if
// there was not enough memory, in which case what they were to write is not to be used.

#include <omp.h>

#include "kernels_network.h"

namespace {

// sums over points are made of at most so many parts, each of blocks in their order
constexpr Index kMostParts = 32;

// Runs function(block, part) for all blocks, the parts in parallel.
template <typename Function>
void over_blocks(const Network& network, bool way_back, Index most_parts, int threads, const Function& function) {
    const Index points = network.points(way_back), count = (network.n + points - 1) / points;
    const Index parts = std::min(count, most_parts);
    threads = static_cast<int>(std::min<Index>(threads, parts));
    std::vector<Network::Block> blocks;
    for (int thread = 0; thread < threads; ++thread) blocks.emplace_back(network, way_back);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (Index part = 0; part < parts; ++part)
        for (Index k = count * part / parts; k < count * (part + 1) / parts; ++k)
            function(blocks[omp_get_thread_num()], k * points, part);
}

template <typename Function>
int guarded(const Function& function) {
    try {
        function();
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

void forward(const Network& network, const double* features, double* out, int threads) {
    over_blocks(network, false, network.n, threads, [&](Network::Block& block, Index start, Index) {
        block.to_array(network.layers.back().outputs, block.forward(start, features), out);
    });
}

// out[p] = sum over the points of cotangent times jet, by all parameters
void gradient(const Network& network, const double* features, const double* cotangent, double* out, int threads) {
    const Index points = network.points(true), columns = network.s * points;
    std::vector<Index> starts{0};  // of each layer's sums: weights in tiles, then a vector for each bias
    for (const Layer& layer : network.layers)
        starts.push_back(starts.back() + outer_size(layer.outputs, layer.inputs, columns) + layer.outputs * kLanes);
    std::vector<double> sums(kMostParts * starts.back(), 0.0);
    over_blocks(network, true, kMostParts, threads, [&](Network::Block& block, Index start, Index part) {
        block.forward(start, features);
        block.back(cotangent, nullptr, [&](Index l, Index, const double* left, const double* right) {
            const Layer& layer = network.layers[l];
            outer(layer.outputs, layer.inputs, columns, block.stride(), left, right,
                  sums.data() + part * starts.back() + starts[l]);
            double* to = sums.data() + part * starts.back() + starts[l + 1] - layer.outputs * kLanes;
            for (Index o = 0; o < layer.outputs; ++o, to += kLanes) {
                Vector total = load(to);
                for (Index at = 0; at < points; at += kLanes) total += load(left + o * block.stride() + at);
                store(to, total);
            }
        });
    });
    std::fill(out, out + network.size, 0.0);
    for (Index part = 0; part < kMostParts; ++part) {
        double* to = out;
        for (std::size_t l = 0; l < network.layers.size(); ++l) {
            const Layer& layer = network.layers[l];
            const double* const from = sums.data() + part * starts.back();
            from_tiles(layer.outputs, layer.inputs, columns, from + starts[l], to);
            to += layer.outputs * layer.inputs;
            const double* const biases = from + starts[l + 1] - layer.outputs * kLanes;
            for (Index k = 0; k < layer.outputs * kLanes; ++k) to[k / kLanes] += biases[k];
            to += layer.outputs;
        }
    }
}

// out[point] = scale[point] cotangent times jet, by all parameters; rows are `stride` apart
void jacobian(const Network& network, const double* features, const double* cotangent, const double* scale, double* out,
              Index stride, int threads) {
    over_blocks(network, true, network.n, threads, [&](Network::Block& block, Index start, Index) {
        block.forward(start, features);
        block.back(cotangent, scale, [&](Index l, Index place, const double* left, const double* right) {
            const Layer& layer = network.layers[l];
            point_outer(layer.outputs, layer.inputs, network.s, block.points(), block.stride(), left, right,
                        block.count(), out + start * stride + place, stride);
        });
    });
}

}  // namespace

extern "C" int jets_forward(const Index* sizes, const double* parameters, const Polynomial* polynomials,
                            const double* features, double* out, int threads) {
    return guarded([&] { forward(Network(sizes, parameters, polynomials), features, out, threads); });
}

extern "C" int jets_gradient(const Index* sizes, const double* parameters, const Polynomial* polynomials,
                             const double* features, const double* cotangent, double* out, int threads) {
    return guarded([&] { gradient(Network(sizes, parameters, polynomials), features, cotangent, out, threads); });
}

extern "C" int jets_jacobian(const Index* sizes, const double* parameters, const Polynomial* polynomials,
                             const double* features, const double* cotangent, const double* scale, double* out,
                             Index stride, int threads) {
    return guarded([&] {
        jacobian(Network(sizes, parameters, polynomials), features, cotangent, scale, out, stride, threads);
    });
}
