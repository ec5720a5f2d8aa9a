// A .sciml file: safetensors with a description in JSON, as sciml/materials/potential_file.py writes it.

#pragma once

#include <string>
#include <vector>

#include "native/native.h"

namespace sciml {

struct PotentialFile {
    std::string backend, architecture, dtype;   // "native" or "generic"; a name; "float32" or "float64"
    std::vector<std::string> elements;          // symbols
    std::vector<double> reference_energies_ev;  // of lone atoms, by element
    double energy_scale_ev = 1, cutoff_angstrom = 0;
    int layers = 0;                             // times that information passes over an edge
    NativeSizes sizes;                          // of a native potential
    Tensors tensors;
    std::vector<char> package;                  // of a generic potential: a .pt2
    std::string torch_version;                  // that the package was made with
    std::string trained_on;                     // dataset and fingerprint of its data, in words
};

// Checks all of it; throws std::runtime_error that says what is wrong with `name` and what to do.
PotentialFile parse_potential(const std::string& name, std::vector<char> bytes);

}  // namespace sciml
