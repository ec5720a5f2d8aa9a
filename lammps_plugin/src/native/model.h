// A potential as a pair style sees it: neighbours in, energies and slopes out.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sciml {

// Atoms [0, n_own) are computed here; those up to n_all are neighbours that other processes own.
// The edges of atom i stand in [row_start[i], row_start[i + 1]); every pair of own atoms is there in both directions.
template <typename T>
struct Neighbourhood {
    int n_own, n_all;
    const int* species;             // [n_all]
    const std::int64_t* row_start;  // [n_own + 1]
    const int* neighbour;           // [e]
    const T* vector;                // [e, 3] from the centre to its neighbour, angstrom, shorter than the cutoff
};

// What a potential asks of the other processes; each of them calls the same members in the same order.
class Exchange {
public:
    using Parcels = std::vector<std::vector<char>>;

    virtual ~Exchange() = default;
    // rows of `bytes` bytes: those of atoms from n_own on become their owners'
    virtual void forward(void* rows, std::size_t bytes) = 0;
    // parcel r of each process goes to process r; what came from each is returned
    virtual Parcels swap(const Parcels& parcels) = 0;
    virtual int rank() const = 0;
    virtual int ranks() const = 0;
    // process that owns an atom in [n_own, n_all), and the atom's number there
    virtual std::int64_t home(int atom) const = 0;

    static std::int64_t key(int rank, int row) { return std::int64_t(rank) << 32 | row; }
    static int rank_of(std::int64_t key) { return int(key >> 32); }
    static int row_of(std::int64_t key) { return int(key & 0xffffffff); }
};

// a single process
class NoExchange final : public Exchange {
public:
    void forward(void*, std::size_t) override {}
    Parcels swap(const Parcels& parcels) override { return parcels; }
    int rank() const override { return 0; }
    int ranks() const override { return 1; }
    std::int64_t home(int) const override { return 0; }
};

// energy [n_own] and slope [e, 3] are of the network, in its own unit: dE = sum over edges of slope . d(vector),
// with half of a pair's slope on each of its two edges
template <typename T>
class Model {
public:
    virtual ~Model() = default;
    virtual void evaluate(const Neighbourhood<T>&, Exchange&, double* energy, T* slope) = 0;
    virtual double bytes() const = 0;  // of memory that grows with the atoms
};

// room for `count` numbers, without the doubling of a growing vector: rows of atoms are what fills the memory
template <typename Vector>
void make_room(Vector& values, std::size_t count) {
    if (count > values.capacity()) {
        Vector().swap(values);
        values.reserve(count + count / 50);
    }
    values.resize(count);
}

}  // namespace sciml
