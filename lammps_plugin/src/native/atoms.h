// What every potential of atoms has: an embedding of the species, a readout, lone atoms that energies are counted from.

#pragma once

#include <cmath>
#include <string>

#include "dense.h"
#include "model.h"

namespace sciml::SCIML_ISA {

template <typename T>
struct Readout {
    Dense<T> hidden;
    Array<T> last;
    T bias = 0;
};

template <typename T>
Readout<T> load_readout(const Tensors& tensors, int channels) {
    const int hidden = channels / 2;
    Readout<T> readout;
    readout.hidden = load_dense<T>(tensors, "network.readout.0", channels, 1, hidden, 1, true);
    const double* last = tensors.get("network.readout.2.weight", {1, hidden});
    readout.last.assign(readout.hidden.outputs, T(0));
    for (int i = 0; i < hidden; ++i) readout.last[i] = T(last[i]);
    readout.bias = T(tensors.get("network.readout.2.bias", {1})[0]);
    return readout;
}

// the energy of an atom from its activations; their slopes are multiplied by the last weights
template <typename T>
double read_out(const Readout<T>& readout, const T* activation, T* slope) {
    double total = readout.bias;
    for (int i = 0; i < readout.hidden.outputs; ++i) {
        total += double(activation[i]) * readout.last[i];
        slope[i] *= readout.last[i];
    }
    return total;
}

// [species, padded channels]
template <typename T>
Array<T> load_embedding(const Tensors& tensors, int n_species, int channels) {
    const int wide = padded<T>(channels);
    Array<T> embedding(std::size_t(n_species) * wide, T(0));
    const double* stored = tensors.get("network.embedding.weight", {n_species, channels});
    for (int s = 0; s < n_species; ++s)
        for (int i = 0; i < channels; ++i) embedding[std::size_t(s) * wide + i] = T(stored[s * channels + i]);
    return embedding;
}

// the energy of a lone atom of each species
template <typename T>
std::vector<double> lone_energies(Model<T>& model, int n_species) {
    std::vector<int> species(n_species);
    for (int k = 0; k < n_species; ++k) species[k] = k;
    const std::vector<std::int64_t> rows(n_species + 1, 0);
    std::vector<double> energy(n_species);
    NoExchange alone;
    model.evaluate({n_species, n_species, species.data(), rows.data(), nullptr, nullptr}, alone, energy.data(), nullptr);
    return energy;
}

template <typename T>
T length(const T* d) { return std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]); }

// Behler's cosine cutoff, with its slope and curvature, for distances up to the cutoff: at its end the curvature is that
// from below, which a table's last polynomial needs
struct Cutoff {
    double value, slope, curvature;
    Cutoff(double r, double cutoff) {
        const double q = std::acos(-1.0) / cutoff;
        value = 0.5 * (std::cos(q * r) + 1);
        slope = -0.5 * q * std::sin(q * r);
        curvature = -0.5 * q * q * std::cos(q * r);
    }
};

}  // namespace sciml::SCIML_ISA
