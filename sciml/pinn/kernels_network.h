// An MLP on blocks of points that stay in the cache: jets forward, cotangents back.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "kernels_activation.h"
#include "kernels_product.h"

namespace {

// of a block, in bytes: what a usual second-level cache holds
constexpr Index kBlockBytes = 800000, kMostPoints = 64;

struct Free {
    void operator()(double* at) const { std::free(at); }
};
// Memory that begins at a cache line.
class Buffer {
   public:
    explicit Buffer(Index count)
        : at_(static_cast<double*>(std::aligned_alloc(64, (8 * static_cast<std::size_t>(count) + 64) / 64 * 64))) {
        if (!at_) throw std::bad_alloc();
    }
    double* get() const { return at_.get(); }

   private:
    std::unique_ptr<double, Free> at_;
};

struct Layer {
    Index inputs, outputs;
    const double *weight, *bias;      // [o, i], [o]
    std::vector<double> transposed;  // [i, o]
};

class Network {
   public:
    // sizes: points, multi-indices, order, activation, layers, width of the features and of each layer; parameters:
    // weight and bias of each layer; polynomials: of an activation's jet, and of the cotangents back through it.
    Network(const Index* sizes, const double* parameters, const Polynomial* polynomials)
        : n(sizes[0]),
          s(sizes[1]),
          order(sizes[2]),
          kind(Activation(sizes[3])),
          forward_(polynomials[0]),
          back_(polynomials[1]) {
        const Index* const width = sizes + 5;
        for (Index l = 0; l < sizes[4]; ++l) {
            const Index in = width[l], out = width[l + 1];
            Layer layer{in, out, parameters + size, parameters + size + in * out, {}};
            layer.transposed.resize(in * out);
            for (Index o = 0; o < out; ++o)
                for (Index i = 0; i < in; ++i) layer.transposed[i * out + o] = layer.weight[o * in + i];
            layers.push_back(std::move(layer));
            size += (in + 1) * out;
            widest = std::max(widest, out);
        }
    }

    // Numbers a point in a block, with or without a way back.
    Index numbers(bool way_back) const {
        Index count = layers[0].inputs * s + kMostSlopes + widest * (2 * s + 1);
        for (std::size_t l = 0; way_back && l + 1 < layers.size(); ++l) count += layers[l].outputs * (2 * s + 1);
        return count;
    }
    // Points of a block.
    Index points(bool way_back) const {
        Index points = kMostPoints;
        while (points > kLanes && points * numbers(way_back) * 8 > kBlockBytes) points /= 2;
        return points;
    }

    Index n, s, order;
    Activation kind;
    std::vector<Layer> layers;
    Index size = 0, widest = 0;  // of all parameters, of a layer's outputs

    // What a block needs, with or without a way back.
    class Block {
       public:
        Block(const Network& network, bool way_back)
            : net_(network),
              points_(network.points(way_back)),
              stride_(network.s * points_ + kLanes),
              memory_(network.numbers(way_back) * (points_ + kLanes)) {
            double* at = memory_.get();
            const auto take = [&](Index count) {
                at += count * points_;
                return at - count * points_;
            };
            const auto rows = [&](Index count) {
                at += count * stride_;
                return at - count * stride_;
            };
            features_ = rows(net_.layers[0].inputs);
            slopes_ = take(kMostSlopes);
            first_ = rows(net_.widest);
            second_ = rows(net_.widest);
            double* const other = take(net_.widest);
            for (const Layer& layer : net_.layers) {
                const bool own = way_back && &layer != &net_.layers.back();
                z_.push_back(own ? rows(layer.outputs) : first_);
                h_.push_back(own ? rows(layer.outputs) : second_);
                other_.push_back(own ? take(layer.outputs) : other);
            }
        }

        // Fields' jets of the points from `start` on, as rows [f][s][points].
        const double* forward(Index start, const double* features) {
            start_ = start;
            count_ = std::min(points_, net_.n - start);
            rows_from(net_.layers[0].inputs, features, nullptr, features_);
            const double* seen = features_;
            const Index columns = net_.s * points_;
            for (std::size_t l = 0; l < net_.layers.size(); ++l) {
                const Layer& layer = net_.layers[l];
                product(layer.outputs, layer.inputs, layer.weight, columns, stride_, seen, z_[l]);
                for (Index o = 0; o < layer.outputs; ++o) {
                    double* const z = z_[l] + o * stride_;
                    for (Index at = 0; at < points_; ++at) z[at] += layer.bias[o];
                    if (l + 1 < net_.layers.size()) activation(l, o, z);
                }
                seen = h_[l];
            }
            return z_.back();
        }

        // Calls function(number of a layer, its place among the parameters, cotangent of its outputs, its inputs), from the last
        // layer to the first, after `forward`.
        template <typename Function>
        void back(const double* cotangent, const double* scale, const Function& function) {
            const Index columns = net_.s * points_;
            double *dz = first_, *dh = second_;
            rows_from(net_.layers.back().outputs, cotangent, scale, dz);
            Index place = net_.size;
            for (std::size_t l = net_.layers.size(); l-- > 0;) {
                const Layer& layer = net_.layers[l];
                place -= (layer.inputs + 1) * layer.outputs;
                function(static_cast<Index>(l), place, dz, l ? h_[l - 1] : features_);
                if (!l) break;
                product(layer.inputs, layer.outputs, layer.transposed.data(), columns, stride_, dz, dh);
                for (Index o = 0; o < layer.inputs; ++o) {
                    const double* const h = h_[l - 1] + o * stride_;
                    slopes(net_.kind, net_.order + 2, points_, h, other_[l - 1] + o * points_, slopes_);
                    evaluate<true>(net_.back_, points_, dh + o * stride_, slopes_, z_[l - 1] + o * stride_,
                                   dz + o * stride_);
                }
            }
        }

        // Rows [f][s][points] to an array [s][f][n].
        void to_array(Index fields, const double* rows, double* array) const {
            for (Index f = 0; f < fields; ++f)
                for (Index k = 0; k < net_.s; ++k)
                    std::memcpy(array + (k * fields + f) * net_.n + start_, rows + f * stride_ + k * points_, 8 * count_);
        }

        Index points() const { return points_; }
        // Between two rows: odd vectors, so that rows do not compete for the same places of the cache.
        Index stride() const { return stride_; }
        Index start() const { return start_; }
        Index count() const { return count_; }

       private:
        // Rows [f][s][points] of an array [s][f][n], times `scale` of each point; zeros beyond the last point.
        void rows_from(Index fields, const double* array, const double* scale, double* rows) const {
            for (Index f = 0; f < fields; ++f)
                for (Index k = 0; k < net_.s; ++k) {
                    double* const to = rows + f * stride_ + k * points_;
                    std::memcpy(to, array + (k * fields + f) * net_.n + start_, 8 * count_);
                    if (scale)
                        for (Index at = 0; at < count_; ++at) to[at] *= scale[start_ + at];
                    std::fill(to + count_, to + points_, 0.0);
                }
        }

        void activation(std::size_t l, Index o, const double* z) {
            double *const h = h_[l] + o * stride_, *const other = other_[l] + o * points_;
            activate(net_.kind, points_, z, h, other);
            if (net_.s == 1) return;
            slopes(net_.kind, net_.order + 1, points_, h, other, slopes_);
            evaluate<false>(net_.forward_, points_, nullptr, slopes_, z, h);
        }

        const Network& net_;
        Index points_, stride_, start_ = 0, count_ = 0;
        Buffer memory_;
        double *features_, *slopes_, *first_, *second_;
        std::vector<double*> z_, h_, other_;
    };

   private:
    Polynomial forward_, back_;
};

}  // namespace
