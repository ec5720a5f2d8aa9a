// A potential compiled by sciml.gnn.compiled, run by libtorch behind a C interface that needs no header of torch's.
//
// Shapes: n atoms, p pairs of neighbours, each given once.

#pragma once

#include <cstdint>

// seen from outside even where the build hides names
#pragma GCC visibility push(default)

extern "C" {

// Loads a .pt2 file for `threads` threads; null on failure, with the reason in `message` of `size` bytes.
void* sciml_generic_new(const char* package, int threads, char* message, int size);

void sciml_generic_delete(void* model);

// Energies [n] of the atoms in eV above the lone atom, and the slope [p,3] of the sum of own * energy by the pairs'
// vectors in eV/angstrom. `own` [n] is 1 for atoms whose energy counts and 0 for the halo; `vectors` [p,3] run from
// `first` to `second`, in angstrom. own, vectors and slope are float or double by `bits` (32 or 64), which must be the
// precision that the package was compiled in. Returns 0, or something else on failure, with the reason in `message`.
int sciml_generic_evaluate(void* model, int bits, std::int64_t n, std::int64_t p, const std::int64_t* species,
                           const void* own, const std::int64_t* first, const std::int64_t* second,
                           const void* vectors, double* energy, void* slope, char* message, int size);

const char* sciml_generic_torch_version(void);

// What a package must have been compiled for to run on this processor, in the words of compile_package's metadata.
const char* sciml_generic_isa(void);
}

#pragma GCC visibility pop
