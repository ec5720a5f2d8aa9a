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
    const int c = channels, wide = padded<T>(c), hidden = c / 2;
    w.channels = wide;
    w.hidden = padded<T>(hidden);
    w.cutoff = cutoff;
    w.n_species = n_species;
    w.embedding.assign(std::size_t(n_species) * wide, T(0));
    const double* embedding = tensors.get("network.embedding.weight", {n_species, c});
    for (int s = 0; s < n_species; ++s)
        for (int i = 0; i < c; ++i) w.embedding[std::size_t(s) * wide + i] = T(embedding[s * c + i]);
    const double spacing = cutoff / (gaussians - 1), gamma = 0.5 / (spacing * spacing), q = std::acos(-1.0) / cutoff;
    for (int l = 0; l < layers; ++l) {
        const std::string name = "network.interactions." + std::to_string(l);
        w.layers.emplace_back();
        auto& layer = w.layers.back();
        layer.before = load_dense<T>(tensors, name + ".before", c, 1, c, 1, false);
        layer.after1 = load_dense<T>(tensors, name + ".after.0", c, 1, c, 1, true);
        layer.after2 = load_dense<T>(tensors, name + ".after.2", c, 1, c, 1, true);
        const double *w1 = tensors.get(name + ".filter.0.weight", {c, gaussians}), *b1 = tensors.get(name + ".filter.0.bias", {c});
        const double *w2 = tensors.get(name + ".filter.2.weight", {c, c}), *b2 = tensors.get(name + ".filter.2.bias", {c});
        std::vector<double> y(3 * c);
        layer.filter = RadialTable<T>(wide, intervals, cutoff, [&](double r, double* out) {
            for (int o = 0; o < c; ++o) {
                double h = b1[o], h1 = 0, h2 = 0;
                for (int k = 0; k < gaussians; ++k) {
                    const double x = r - k * spacing, g = std::exp(-gamma * x * x), slope = -2 * gamma * x;
                    h += w1[o * gaussians + k] * g;
                    h1 += w1[o * gaussians + k] * g * slope;
                    h2 += w1[o * gaussians + k] * g * (slope * slope - 2 * gamma);
                }
                const double s = 1 / (1 + std::exp(-h));
                y[o] = std::fmax(h, 0.0) + std::log1p(std::exp(-std::fabs(h))) - std::log(2.0);
                y[c + o] = s * h1;
                y[2 * c + o] = s * (1 - s) * h1 * h1 + s * h2;
            }
            const bool inside = r < cutoff;
            const double f = inside ? 0.5 * (std::cos(q * r) + 1) : 0, f1 = inside ? -0.5 * q * std::sin(q * r) : 0;
            const double f2 = inside ? -0.5 * q * q * std::cos(q * r) : 0;
            std::fill(out, out + 3 * wide, 0.0);
            for (int o = 0; o < c; ++o) {
                double z = b2[o], z1 = 0, z2 = 0;
                for (int k = 0; k < c; ++k) {
                    z += w2[o * c + k] * y[k];
                    z1 += w2[o * c + k] * y[c + k];
                    z2 += w2[o * c + k] * y[2 * c + k];
                }
                out[o] = z * f;
                out[wide + o] = z1 * f + z * f1;
                out[2 * wide + o] = z2 * f + 2 * z1 * f1 + z * f2;
            }
        });
    }
    w.readout1 = load_dense<T>(tensors, "network.readout.0", c, 1, hidden, 1, true);
    const double* last = tensors.get("network.readout.2.weight", {1, hidden});
    w.readout2.assign(w.hidden, T(0));
    for (int i = 0; i < hidden; ++i) w.readout2[i] = T(last[i]);
    w.readout2_bias = T(tensors.get("network.readout.2.bias", {1})[0]);
    return w;
}

}  // namespace sciml::SCIML_ISA
