// SchNet's weights from the tensors of a file, padded to whole vectors.

#pragma once

#include <cmath>
#include <string>

#include "schnet.h"
#include "tensors.h"

namespace sciml::SCIML_ISA {

template <typename T>
SchNetWeights<T> load_schnet(const Tensors& tensors, int n_species, int channels, int layers, int gaussians, double cutoff,
                             int intervals) {
    SchNetWeights<T> w;
    const int c = channels, wide = padded<T>(c);
    w.channels = wide;
    w.cutoff = cutoff;
    w.n_species = n_species;
    w.embedding = load_embedding<T>(tensors, n_species, c);
    const double spacing = cutoff / (gaussians - 1), gamma = 0.5 / (spacing * spacing);
    for (int l = 0; l < layers; ++l) {
        const std::string name = "network.interactions." + std::to_string(l);
        w.layers.emplace_back();
        auto& layer = w.layers.back();
        layer.before = load_dense<T>(tensors, name + ".before", c, 1, c, 1, false);
        layer.after1 = load_dense<T>(tensors, name + ".after.0", c, 1, c, 1, true);
        layer.after2 = load_dense<T>(tensors, name + ".after.2", c, 1, c, 1, true);
        const double *w1 = tensors.get(name + ".filter.0.weight", {c, gaussians}), *b1 = tensors.get(name + ".filter.0.bias", {c});
        const double *w2 = tensors.get(name + ".filter.2.weight", {c, c}), *b2 = tensors.get(name + ".filter.2.bias", {c});
        std::vector<double> y(3 * c), basis(3 * gaussians);
        layer.filter = RadialTable<T>(wide, intervals, cutoff, [&](double r, double* out) {
            for (int k = 0; k < gaussians; ++k) {
                const double x = r - k * spacing, g = std::exp(-gamma * x * x), slope = -2 * gamma * x;
                basis[k] = g;
                basis[gaussians + k] = g * slope;
                basis[2 * gaussians + k] = g * (slope * slope - 2 * gamma);
            }
            for (int o = 0; o < c; ++o) {
                double h = b1[o], h1 = 0, h2 = 0;
                for (int k = 0; k < gaussians; ++k) {
                    h += w1[o * gaussians + k] * basis[k];
                    h1 += w1[o * gaussians + k] * basis[gaussians + k];
                    h2 += w1[o * gaussians + k] * basis[2 * gaussians + k];
                }
                const double s = 1 / (1 + std::exp(-h));
                y[o] = std::fmax(h, 0.0) + std::log1p(std::exp(-std::fabs(h))) - std::log(2.0);
                y[c + o] = s * h1;
                y[2 * c + o] = s * (1 - s) * h1 * h1 + s * h2;
            }
            const Cutoff f(r, cutoff);
            std::fill(out, out + 3 * wide, 0.0);
            for (int o = 0; o < c; ++o) {
                double z = b2[o], z1 = 0, z2 = 0;
                for (int k = 0; k < c; ++k) {
                    z += w2[o * c + k] * y[k];
                    z1 += w2[o * c + k] * y[c + k];
                    z2 += w2[o * c + k] * y[2 * c + k];
                }
                out[o] = z * f.value;
                out[wide + o] = z1 * f.value + z * f.slope;
                out[2 * wide + o] = z2 * f.value + 2 * z1 * f.slope + z * f.curvature;
            }
        });
    }
    w.readout = load_readout<T>(tensors, c);
    return w;
}

}  // namespace sciml::SCIML_ISA
