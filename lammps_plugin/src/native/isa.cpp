// Compiled once for each instruction set, with SCIML_ISA as the namespace of all that depends on it.

#include "native.h"
#include "painn_load.h"
#include "schnet_load.h"

namespace sciml::SCIML_ISA {

namespace {

// With 256 intervals the table's error of forces is below the rounding of single precision, with 2048 below 1e-10
// eV/angstrom (tests/lammps/test_native.py); the error is a power of the radial functions' number over the intervals.
template <typename T>
int intervals(int radial) {
    const int enough = sizeof(T) == 4 ? 256 : 2048;
    return radial <= 50 ? enough : int(enough * (radial / 50.0));
}

}  // namespace

template <typename T>
Model<T>* make(const NativeSizes& s, const Tensors& tensors) {
    const int n = intervals<T>(s.radial);
    if (s.architecture == "painn")
        return new PaiNN<T>(load_painn<T>(tensors, s.n_species, s.channels, s.layers, s.radial, s.cutoff, n));
    return new SchNet<T>(load_schnet<T>(tensors, s.n_species, s.channels, s.layers, s.radial, s.cutoff, n));
}

template Model<float>* make<float>(const NativeSizes&, const Tensors&);
template Model<double>* make<double>(const NativeSizes&, const Tensors&);

}  // namespace sciml::SCIML_ISA
