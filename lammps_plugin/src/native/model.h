// A potential as a pair style sees it: neighbours in, energies and slopes out.

#pragma once

#include <cstdint>

namespace sciml {

// Atoms [0, n_own) are computed here; those up to n_all are neighbours that other processes own.
// The edges of atom i stand in [row_start[i], row_start[i + 1]); every pair of own atoms is there in both directions.
struct Neighbourhood {
    int n_own, n_all;
    const int* species;         // [n_all]
    const std::int64_t* row_start;  // [n_own + 1]
    const int* neighbour;       // [e]
    const double* vector;       // [e, 3] from the centre to its neighbour, angstrom
};

// What keeps the rows of neighbours that other processes own up to date; nothing to do in a single process.
class Exchange {
public:
    virtual ~Exchange() = default;
    // rows of `width` numbers: those of atoms from n_own on become their owners'
    virtual void forward(float*, int) {}
    virtual void forward(double*, int) {}
};

// energy [n_own] and slope [e, 3] are of the network, in its own unit: dE = sum over edges of slope . d(vector),
// with half of a pair's slope on each of its two edges
class Model {
public:
    virtual ~Model() = default;
    virtual void evaluate(const Neighbourhood&, Exchange&, double* energy, double* slope) = 0;
};

}  // namespace sciml
