// PaiNN's weights from the tensors of a file, padded to whole vectors.

#pragma once

#include <cmath>
#include <string>

#include "painn.h"
#include "tensors.h"

namespace sciml::SCIML_ISA {

// value, slope and curvature of sin(k pi r / rc) rc / r times the cosine cutoff, and last of the cutoff alone
inline void painn_basis(double r, double cutoff, int count, std::vector<double>& value, std::vector<double>& slope,
                        std::vector<double>& curvature) {
    const double q = std::acos(-1.0) / cutoff;
    const Cutoff f(r, cutoff);
    for (int k = 0; k <= count; ++k) {
        double g = 1, g1 = 0, g2 = 0;
        if (k < count) {
            const double a = q * (k + 1);
            if (a * r < 1e-3) {
                g = a * (1 - a * a * r * r / 6);
                g1 = -a * a * a * r / 3;
                g2 = -a * a * a / 3;
            } else {
                const double s = std::sin(a * r), c = std::cos(a * r);
                g = s / r;
                g1 = (a * c - g) / r;
                g2 = (-a * a * s - 2 * g1) / r;
            }
            g *= cutoff, g1 *= cutoff, g2 *= cutoff;
        }
        value[k] = g * f.value;
        slope[k] = g1 * f.value + g * f.slope;
        curvature[k] = g2 * f.value + 2 * g1 * f.slope + g * f.curvature;
    }
}

template <typename T>
PaiNNWeights<T> load_painn(const Tensors& tensors, int n_species, int channels, int layers, int radial, double cutoff,
                           int intervals) {
    PaiNNWeights<T> w;
    const int c = channels, wide = padded<T>(c);
    w.channels = wide;
    w.cutoff = cutoff;
    w.n_species = n_species;
    w.embedding = load_embedding<T>(tensors, n_species, c);
    std::vector<double> value(radial + 1), slope(radial + 1), curvature(radial + 1);
    for (int l = 0; l < layers; ++l) {
        const std::string message = "network.messages." + std::to_string(l), change = "network.updates." + std::to_string(l);
        w.layers.emplace_back();
        auto& layer = w.layers.back();
        layer.context1 = load_dense<T>(tensors, message + ".context.0", c, 1, c, 1, true);
        layer.context2 = load_dense<T>(tensors, message + ".context.2", c, 1, c, 3, true);
        layer.mix = load_dense<T>(tensors, change + ".mix", c, 1, c, 2, false);
        layer.update1 = load_dense<T>(tensors, change + ".context.0", c, 2, c, 1, true);
        layer.update2 = load_dense<T>(tensors, change + ".context.2", c, 1, c, 3, true);
        const double* filter = tensors.get(message + ".filter", {3, radial + 1, c});
        // in the file: filters of the scalars, the vectors, the edge; here of the scalars, the edge, the vectors
        const int stored[3] = {0, 2, 1};
        layer.filter = RadialTable<T>(3 * wide, intervals, cutoff, [&](double r, double* out) {
            painn_basis(r, cutoff, radial, value, slope, curvature);
            std::fill(out, out + 9 * wide, 0.0);
            for (int f = 0; f < 3; ++f)
                for (int k = 0; k <= radial; ++k) {
                    const double* weights = filter + (std::size_t(stored[f]) * (radial + 1) + k) * c;
                    for (int i = 0; i < c; ++i) {
                        // a vector of each filter in turn
                        const int column = 3 * (i - i % lanes<T>) + f * lanes<T> + i % lanes<T>;
                        out[column] += value[k] * weights[i];
                        out[3 * wide + column] += slope[k] * weights[i];
                        out[6 * wide + column] += curvature[k] * weights[i];
                    }
                }
        });
    }
    w.readout = load_readout<T>(tensors, c);
    return w;
}

}  // namespace sciml::SCIML_ISA
