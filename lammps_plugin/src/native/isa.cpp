// Compiled once for each instruction set, with SCIML_ISA as the namespace of all that depends on it.

#include <algorithm>
#include <stdexcept>

#include "native.h"
#include "painn_load.h"
#include "schnet_load.h"

namespace sciml::SCIML_ISA {

namespace {

// The tables' error is the sixth power of the number of radial functions over that of intervals. With these it is below
// the rounding of single precision, and below 1e-10 eV/angstrom in double (tests/lammps/test_forces.py); a table of single
// precision stays in the processor's second cache.
template <typename T>
int intervals(int radial) {
    return sizeof(T) == 4 ? std::max(128, int(5.2 * radial)) : std::max(2048, 41 * radial);
}

// more than any potential has had: a file that asks for more would fill the memory
constexpr double largest_tables = 2e9;  // bytes

}  // namespace

template <typename T>
Model<T>* make(const NativeSizes& s, const Tensors& tensors) {
    const int n = intervals<T>(s.radial);
    if (6.0 * sizeof(T) * n * s.channels * (s.architecture == "painn" ? 3 : 1) * s.layers > largest_tables)
        throw std::runtime_error("needs more memory for its radial functions than any potential should");
    if (s.architecture == "painn")
        return new PaiNN<T>(load_painn<T>(tensors, s.n_species, s.channels, s.layers, s.radial, s.cutoff, n));
    return new SchNet<T>(load_schnet<T>(tensors, s.n_species, s.channels, s.layers, s.radial, s.cutoff, n));
}

template Model<float>* make<float>(const NativeSizes&, const Tensors&);
template Model<double>* make<double>(const NativeSizes&, const Tensors&);

}  // namespace sciml::SCIML_ISA
