// Atoms of other processes whose neighbours are here, and what is sent so that potentials see them.
//
// LAMMPS keeps a copy of an atom for every image of it near by. Here each atom of another process is one row, whatever
// the number of its images, and copies of own atoms are the atoms themselves.

#pragma once

#include <mpi.h>

#include <vector>

#include "native/model.h"

namespace sciml {

class Ghosts final : public Exchange {
public:
    explicit Ghosts(MPI_Comm world);

    // `homes`: sorted keys, each once, of the other processes' atoms that are wanted; their rows begin at `n_own`
    void set(int n_own, std::vector<std::int64_t> homes);
    int count() const { return int(homes_.size()); }

    void forward(void* rows, std::size_t bytes) override;
    // adds rows [n_own, ...) of three numbers to their owners' rows
    void reverse_add(double* rows);
    Parcels swap(const Parcels& parcels) override;
    int rank() const override { return rank_; }
    int ranks() const override { return ranks_; }
    std::int64_t home(int atom) const override { return homes_[atom - n_own_]; }

private:
    MPI_Comm world_;
    int rank_ = 0, ranks_ = 1, n_own_ = 0;
    std::vector<std::int64_t> homes_;
    std::vector<int> received_from_;                // [rank + 1]: where the rows of each process begin
    std::vector<int> sent_rows_, sent_to_;          // own rows that others want; [rank + 1]
    std::vector<char> buffer_;
    std::vector<MPI_Request> requests_;

    void transfer(char* incoming, const std::vector<int>& in_start, const char* outgoing, const std::vector<int>& out_start,
                  std::size_t bytes);
    void wait();
};

}  // namespace sciml
