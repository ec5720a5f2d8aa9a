// The potentials that need no libtorch, compiled once for each instruction set and chosen when LAMMPS runs.

#pragma once

#include <memory>
#include <string>

#include "model.h"
#include "tensors.h"

namespace sciml {

struct NativeSizes {
    std::string architecture;
    int n_species, channels, layers, radial;
    double cutoff;
};

// throws std::runtime_error where the tensors do not fit the sizes
template <typename T>
std::unique_ptr<Model<T>> make_native(const NativeSizes&, const Tensors&);

bool has_native(const std::string& architecture);

// what was chosen, in words
const char* native_instructions();

}  // namespace sciml
