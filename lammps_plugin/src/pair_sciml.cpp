// Each step of `pair_style sciml`: rows, edges, the potential, forces. What it reads is in pair_sciml_input.cpp.

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair_sciml.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;

namespace {

// angstrom; atoms as near as that are on one point for all that a potential can say
constexpr double same_point = 1e-6;

}  // namespace

PairSciML::PairSciML(LAMMPS* lmp) : Pair(lmp) {
    single_enable = 0;
    restartinfo = 1;
    one_coeff = 1;
    manybody_flag = 1;
    // the virial is a sum over edges; without this LAMMPS would ask for one over atoms and find zero
    no_virial_fdotr_compute = 1;
    // each pair's virial is halved between its atoms, which is not what centroid/stress/atom means for many bodies
    centroidstressflag = CENTROID_NOTAVAIL;
    comm_forward = 2;
}

PairSciML::~PairSciML() {
    if (allocated) {
        memory->destroy(setflag);
        memory->destroy(cutsq);
    }
}

void PairSciML::init_style() {
    check_units();
    check_lists();
    neighbor->add_request(this, NeighConst::REQ_FULL);
    ghosts_ = std::make_unique<sciml::Ghosts>(world);
    neighbour_builds_ = -1;
}

// bonded neighbours that special_bonds takes out of the list would be missing from the potential's sums
void PairSciML::check_lists() const {
    if (atom->molecular != Atom::MOLECULAR) return;
    int mine = 0, missing = 0;
    for (int i = 0; i < atom->nlocal; ++i)
        for (int k = 1; k <= 3; ++k) {
            const int count = atom->nspecial[i][k - 1] - (k > 1 ? atom->nspecial[i][k - 2] : 0);
            if (count > 0 && force->special_lj[k] == 0 && force->special_coul[k] == 0) mine = 1;
        }
    MPI_Allreduce(&mine, &missing, 1, MPI_INT, MPI_MAX, world);
    if (!missing) return;
    // another style may have asked for that
    if (!std::strncmp(force->pair_style, "hybrid", 6)) {
        if (comm->me == 0)
            error->warning(FLERR, "special_bonds takes bonded neighbours out of the list: pair_style sciml does not see them. "
                                  "Unless its atoms have no bonds, give 'pair_modify pair sciml special lj/coul 1.0 1.0 1.0'");
    } else {
        error->all(FLERR, "pair_style sciml sees bonded neighbours like all others, but special_bonds takes them out of the neighbour list. "
                          "Give 'special_bonds lj/coul 1.0 1.0 1.0'");
    }
}

// the reach of one layer: what more it needs of other processes, the potential asks for itself
double PairSciML::init_one(int i, int j) {
    if (!setflag[i][j]) error->all(FLERR, "pair_style sciml has no element for atom types {} and {}. Name both in pair_coeff", i, j);
    return cutoff_;
}

void PairSciML::compute(int eflag, int vflag) {
    ev_init(eflag, vflag);
    omp_set_num_threads(comm->nthreads);
    if (!single_.model && !double_.model) error->all(FLERR, "pair_style sciml has no potential. Give one with pair_coeff");
    if (neighbor->ago == 0 || neighbour_builds_ != neighbor->ncalls) number_rows();
    // some fixes change types without a new list
    for (std::size_t row = 0; row < species_.size(); ++row) species_[row] = species_of_type_[atom->type[atom_of_row_[row]]];
    if (single_.model)
        compute_in(single_);
    else
        compute_in(double_);
}

// anew after each build of the neighbour list
void PairSciML::number_rows() {
    const int n_own = list->inum, n_local = atom->nlocal, n_all = n_local + atom->nghost;
    row_of_atom_.assign(n_all, -1);
    home_.assign(n_all, -1);
    for (int row = 0; row < n_own; ++row) {
        row_of_atom_[list->ilist[row]] = row;
        home_[list->ilist[row]] = sciml::Exchange::key(comm->me, row);
    }
    comm->forward_comm(this);
    std::vector<std::int64_t> wanted;
    for (int row = 0; row < n_own; ++row) {
        const int i = list->ilist[row];
        for (int k = 0; k < list->numneigh[i]; ++k) {
            const int j = list->firstneigh[i][k] & NEIGHMASK;
            if (row_of_atom_[j] != -1) continue;
            if (home_[j] < 0)
                error->one(FLERR, "pair_style sciml: a neighbour of atom {} belongs to no process. Leave out 'comm_modify group'",
                           atom->tag_enable ? atom->tag[i] : i + 1);
            if (sciml::Exchange::rank_of(home_[j]) == comm->me) {
                row_of_atom_[j] = sciml::Exchange::row_of(home_[j]);
            } else {
                wanted.push_back(home_[j]);
                row_of_atom_[j] = -2;
            }
        }
    }
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    species_.resize(n_own + wanted.size());
    atom_of_row_.assign(list->ilist, list->ilist + n_own);
    atom_of_row_.resize(species_.size());
    for (int j = n_local; j < n_all; ++j) {
        if (row_of_atom_[j] != -2) continue;
        row_of_atom_[j] = n_own + int(std::lower_bound(wanted.begin(), wanted.end(), home_[j]) - wanted.begin());
        atom_of_row_[row_of_atom_[j]] = j;
    }
    ghosts_->set(n_own, std::move(wanted));
    neighbour_builds_ = neighbor->ncalls;
}

int PairSciML::pack_forward_comm(int n, int* atoms, double* buffer, int, int*) {
    for (int k = 0; k < n; ++k) std::memcpy(buffer + 2 * k, &home_[atoms[k]], sizeof(std::int64_t));
    return 2 * n;
}

void PairSciML::unpack_forward_comm(int n, int first, double* buffer) {
    for (int k = 0; k < n; ++k) std::memcpy(&home_[first + k], buffer + 2 * k, sizeof(std::int64_t));
}

template <typename T>
void PairSciML::compute_in(Precision<T>& in) {
    find_edges(in);
    const int n_own = list->inum;
    energy_.resize(n_own);
    try {
        in.model->evaluate({n_own, int(species_.size()), species_.data(), row_start_.data(), neighbour_.data(), in.vectors.data()},
                           *ghosts_, energy_.data(), in.slopes.data());
    } catch (const std::exception& what) {
        error->one(FLERR, "pair_style sciml: {} at step {}: {}", path_, update->ntimestep, what.what());
    }
    add_forces(in);
}

template <typename T>
void PairSciML::find_edges(Precision<T>& in) {
    const int n_own = list->inum;
    const double reach = cutoff_ * cutoff_;
    double** x = atom->x;
    row_start_.resize(n_own + 1);
    row_start_[0] = 0;
    touching_ = -1;
#pragma omp parallel for schedule(static)
    for (int row = 0; row < n_own; ++row) {
        const int i = list->ilist[row];
        std::int64_t count = 0;
        for (int k = 0; k < list->numneigh[i]; ++k) {
            const int j = list->firstneigh[i][k] & NEIGHMASK;
            const double d[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
            const double square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
            count += square < reach;
            if (square < same_point * same_point) {
#pragma omp critical
                touching_ = row;
            }
        }
        row_start_[row + 1] = count;
    }
    for (int row = 0; row < n_own; ++row) row_start_[row + 1] += row_start_[row];
    const std::size_t n_edges = std::size_t(row_start_[n_own]);
    sciml::make_room(neighbour_, n_edges);
    sciml::make_room(in.vectors, 3 * n_edges);
    sciml::make_room(in.slopes, 3 * n_edges);
#pragma omp parallel for schedule(static)
    for (int row = 0; row < n_own; ++row) {
        const int i = list->ilist[row];
        std::int64_t e = row_start_[row];
        for (int k = 0; k < list->numneigh[i]; ++k) {
            const int j = list->firstneigh[i][k] & NEIGHMASK;
            const double d[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
            if (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] >= reach) continue;
            neighbour_[e] = row_of_atom_[j];
            for (int m = 0; m < 3; ++m) in.vectors[3 * e + m] = T(d[m]);
            ++e;
        }
    }
}

template <typename T>
void PairSciML::add_forces(const Precision<T>& in) {
    const int n_own = list->inum;
    force_.assign(3 * species_.size(), 0.0);
    double total[6] = {};
    for (int row = 0; row < n_own; ++row) {
        double own[6] = {}, of_row[3] = {};
        for (std::int64_t e = row_start_[row]; e < row_start_[row + 1]; ++e) {
            const T *d = &in.vectors[3 * e], *g = &in.slopes[3 * e];
            double* of_neighbour = &force_[3 * std::size_t(neighbour_[e])];
            for (int m = 0; m < 3; ++m) {
                of_row[m] += double(g[m]);
                of_neighbour[m] -= double(g[m]);
            }
            if (!vflag_either) continue;
            own[0] -= double(d[0]) * g[0];
            own[1] -= double(d[1]) * g[1];
            own[2] -= double(d[2]) * g[2];
            own[3] -= 0.5 * (double(d[0]) * g[1] + double(d[1]) * g[0]);
            own[4] -= 0.5 * (double(d[0]) * g[2] + double(d[2]) * g[0]);
            own[5] -= 0.5 * (double(d[1]) * g[2] + double(d[2]) * g[1]);
        }
        for (int m = 0; m < 3; ++m) force_[3 * std::size_t(row) + m] += of_row[m];
        for (int m = 0; m < 6; ++m) total[m] += own[m];
        if (vflag_atom)
            for (int m = 0; m < 6; ++m) vatom[list->ilist[row]][m] += own[m] * scale_ * unit_;
    }
    ghosts_->reverse_add(force_.data());
    check_sound();
    for (int row = 0; row < n_own; ++row) {
        const int i = list->ilist[row];
        const double energy = (reference_[species_[row]] + scale_ * energy_[row]) * unit_;
        if (eflag_global) eng_vdwl += energy;
        if (eflag_atom) eatom[i] += energy;
        for (int m = 0; m < 3; ++m) atom->f[i][m] += force_[3 * std::size_t(row) + m] * scale_ * unit_;
    }
    if (vflag_global)
        for (int m = 0; m < 6; ++m) virial[m] += total[m] * scale_ * unit_;
}

// what one process finds stops all of them with its reason: a process that stopped alone might take the words with it
void PairSciML::check_sound() const {
    enum { touching, infinite, kinds };
    bigint mine[kinds] = {0, 0}, worst[kinds];
    const auto name = [this](int row) { return bigint(atom->tag_enable ? atom->tag[list->ilist[row]] : list->ilist[row] + 1); };
    if (touching_ >= 0) mine[touching] = name(touching_);
    for (int row = 0; row < list->inum; ++row) {
        const double* f = &force_[3 * std::size_t(row)];
        if (!std::isfinite(energy_[row] + f[0] + f[1] + f[2])) mine[infinite] = name(row);
    }
    MPI_Allreduce(mine, worst, kinds, MPI_LMP_BIGINT, MPI_MAX, world);
    if (worst[touching])
        error->all(FLERR, "pair_style sciml: atom {} and a neighbour are on one point at step {}. Look at the structure, or at what was "
                          "done before this step", worst[touching], update->ntimestep);
    if (worst[infinite])
        error->all(FLERR, "pair_style sciml: the energy or force of atom {} is not finite at step {}. Atoms are far closer than in the "
                          "training data, or the time step is too long", worst[infinite], update->ntimestep);
}

double PairSciML::memory_usage() {
    const auto bytes = [](const auto& values) { return double(values.capacity() * sizeof(values[0])); };
    double total = Pair::memory_usage() + bytes(neighbour_) + bytes(row_start_) + bytes(row_of_atom_) + bytes(home_) + bytes(species_) + bytes(atom_of_row_) +
                   bytes(energy_) + bytes(force_);
    total += bytes(single_.vectors) + bytes(single_.slopes) + bytes(double_.vectors) + bytes(double_.slopes);
    if (single_.model) total += single_.model->bytes();
    if (double_.model) total += double_.model->bytes();
    return total;
}
