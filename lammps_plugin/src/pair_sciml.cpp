#include "pair_sciml.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "generic/generic_model.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;

namespace {

// angstrom; atoms as near as that are on one point for all that a potential can say
constexpr double same_point = 1e-6;

std::string joined(int count, char** words) {
    std::string all;
    for (int k = 0; k < count; ++k) all += (k ? " " : "") + std::string(words[k]);
    return all;
}

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

void PairSciML::settings(int narg, char** arg) {
    asked_dtype_.clear();
    if (narg > 1 || (narg == 1 && std::strcmp(arg[0], "float32") && std::strcmp(arg[0], "float64")))
        error->all(FLERR, "pair_style sciml takes nothing, or float32 or float64 for the precision of its arithmetic, but got '{}'. "
                          "The file of the potential goes to pair_coeff", joined(narg, arg));
    if (narg == 1) asked_dtype_ = arg[0];
}

void PairSciML::coeff(int narg, char** arg) {
    const int types = atom->ntypes;
    if (narg != 3 + types || std::strcmp(arg[0], "*") || std::strcmp(arg[1], "*"))
        error->all(FLERR, "pair_coeff of pair_style sciml needs '* * FILE' and one element (or NULL) for each of the {} atom types, but got '{}'",
                   types, joined(narg, arg));
    path_ = arg[2];
    names_.assign(arg + 3, arg + narg);
    load();
}

// reads the file on the first process and says what every process does with it
void PairSciML::load() {
    const int types = atom->ntypes;
    sciml::PotentialFile file;
    std::string failure;
    try {
        const std::string bytes = read_file();
        file = sciml::parse_potential(path_, std::vector<char>(bytes.begin(), bytes.end()));
    } catch (const std::exception& what) {
        failure = what.what();
    }
    // every process has read the same bytes
    if (!failure.empty()) error->all(FLERR, "pair_style sciml: {}", failure);

    species_of_type_.assign(types + 1, -1);
    std::string known;
    for (const std::string& element : file.elements) known += (known.empty() ? "" : " ") + element;
    for (int type = 1; type <= types; ++type) {
        const std::string& name = names_[type - 1];
        if (name == "NULL" && std::strncmp(force->pair_style, "hybrid", 6))
            error->all(FLERR, "pair_style sciml has no element for atom type {}: NULL is for types that another style of "
                              "'pair_style hybrid' has. Name one of {}", type, known);
        if (name == "NULL") continue;
        const auto found = std::find(file.elements.begin(), file.elements.end(), name);
        if (found == file.elements.end())
            error->all(FLERR, "pair_style sciml: {} knows {}, but pair_coeff asks for {} as atom type {}. Name one that it knows, or "
                              "use a potential that was trained on {}", path_, known, name, type, name);
        species_of_type_[type] = int(found - file.elements.begin());
    }

    const std::string dtype = asked_dtype_.empty() ? file.dtype : asked_dtype_;
    const bool generic = file.backend == "generic";
    if (generic && dtype != file.dtype)
        error->all(FLERR, "pair_style sciml: {} is compiled for {}, so pair_style cannot ask for {}. Export it again with --precision {}",
                   path_, file.dtype, dtype, dtype);
    try {
        single_ = {};
        double_ = {};
        if (dtype == "float32")
            single_.model = generic ? sciml::make_generic<float>(file, comm->nthreads) : sciml::make_native<float>(file.sizes, file.tensors);
        else
            double_.model = generic ? sciml::make_generic<double>(file, comm->nthreads) : sciml::make_native<double>(file.sizes, file.tensors);
    } catch (const std::exception& what) {
        failure = what.what();
    }
    // one process may have less memory, or another processor, than the others
    const int failed = !failure.empty();
    int failures = 0;
    MPI_Allreduce(&failed, &failures, 1, MPI_INT, MPI_SUM, world);
    if (failures == comm->nprocs) error->all(FLERR, "pair_style sciml: {} {}", path_, failure);
    if (failed) error->one(FLERR, "pair_style sciml: {} {}", path_, failure);
    if (failures) MPI_Barrier(world);  // which the process that failed ends
    reference_ = file.reference_energies_ev;
    scale_ = file.energy_scale_ev;
    cutoff_ = file.cutoff_angstrom;

    if (!allocated) {
        memory->create(setflag, types + 1, types + 1, "pair:setflag");
        memory->create(cutsq, types + 1, types + 1, "pair:cutsq");
        allocated = 1;
    }
    for (int i = 1; i <= types; ++i)
        for (int j = 1; j <= types; ++j) setflag[i][j] = species_of_type_[i] >= 0 && species_of_type_[j] >= 0;
    if (comm->me == 0)
        utils::logmesg(lmp, "sciml: {} of {}, {} layers, cutoff {} angstrom, {}, {}{}\n", file.architecture, known, file.layers,
                       cutoff_, dtype, generic ? std::string("compiled by torch ") + file.torch_version
                                               : std::string("native code for ") + sciml::native_instructions(),
                       file.trained_on.empty() ? "" : ", trained on " + file.trained_on);
}

// the bytes of the file, on every process; path_ becomes the place where it was found
std::string PairSciML::read_file() {
    std::string bytes, failure;
    if (comm->me == 0) {
        const std::string found = utils::get_potential_file_path(path_);
        if (FILE* file = found.empty() ? nullptr : std::fopen(found.c_str(), "rb")) {
            char part[1 << 16];
            while (const std::size_t count = std::fread(part, 1, sizeof part, file)) bytes.append(part, count);
            if (std::ferror(file)) failure = "cannot read the potential file " + path_ + ": " + std::strerror(errno);
            std::fclose(file);
            if (char* absolute = realpath(found.c_str(), nullptr)) {
                path_ = absolute;
                std::free(absolute);
            }
        } else {
            failure = "cannot open the potential file " + path_ + ": " + std::strerror(found.empty() ? ENOENT : errno) +
                      ". Make one with `sciml export RUN -o FILE`";
        }
    }
    for (std::string* text : {&failure, &path_, &bytes}) {
        long long size = (long long)text->size();
        MPI_Bcast(&size, 1, MPI_LONG_LONG, 0, world);
        text->resize(std::size_t(size));
        // a message has less than 2^31 bytes
        for (long long begin = 0; begin < size; begin += 1 << 30)
            MPI_Bcast(text->data() + begin, int(std::min<long long>(1 << 30, size - begin)), MPI_CHAR, 0, world);
    }
    if (!failure.empty()) throw std::runtime_error(failure);
    return bytes;
}

void PairSciML::init_style() {
    const std::string units = update->unit_style;
    if (units == "metal")
        unit_ = 1;
    else if (units == "real")
        unit_ = utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL);
    else
        error->all(FLERR, "pair_style sciml needs 'units metal' or 'units real', but the input has 'units {}'. The potential {} is in "
                          "eV and angstrom", units, path_);
    check_lists();
    neighbor->add_request(this, NeighConst::REQ_FULL);
    ghosts_ = std::make_unique<sciml::Ghosts>(world);
    neighbour_builds_ = -1;
}

// bonded neighbours that special_bonds takes out of the list would be missing from the potential's sums
void PairSciML::check_lists() const {
    if (atom->molecular != Atom::MOLECULAR || !std::strncmp(force->pair_style, "hybrid", 6)) return;
    int mine = 0, missing = 0;
    for (int i = 0; i < atom->nlocal; ++i)
        for (int k = 1; k <= 3; ++k) {
            const int count = atom->nspecial[i][k - 1] - (k > 1 ? atom->nspecial[i][k - 2] : 0);
            if (count > 0 && force->special_lj[k] == 0 && force->special_coul[k] == 0) mine = 1;
        }
    MPI_Allreduce(&mine, &missing, 1, MPI_INT, MPI_MAX, world);
    if (missing)
        error->all(FLERR, "pair_style sciml sees bonded neighbours like all others, but special_bonds takes them out of the neighbour list. "
                          "Give 'special_bonds lj/coul 1.0 1.0 1.0'");
}

// the reach of one layer: what more it needs of other processes, the potential asks for itself
double PairSciML::init_one(int i, int j) {
    if (!setflag[i][j]) error->all(FLERR, "pair_style sciml has no element for atom types {} and {}. Name both in pair_coeff", i, j);
    return cutoff_;
}

void PairSciML::compute(int eflag, int vflag) {
    ev_init(eflag, vflag);
    omp_set_num_threads(comm->nthreads);
    if (neighbor->ago == 0 || neighbour_builds_ != neighbor->ncalls) number_rows();
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
    for (int row = 0; row < n_own; ++row) species_[row] = species_of_type_[atom->type[list->ilist[row]]];
    for (int j = n_local; j < n_all; ++j) {
        if (row_of_atom_[j] != -2) continue;
        row_of_atom_[j] = n_own + int(std::lower_bound(wanted.begin(), wanted.end(), home_[j]) - wanted.begin());
        species_[row_of_atom_[j]] = species_of_type_[atom->type[j]];
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

// The file is not in the restart file, only its path, the elements and the precision.

void PairSciML::write_restart(FILE* file) {
    std::string all = asked_dtype_ + '\n' + path_;
    for (const std::string& name : names_) all += '\n' + name;
    const int size = int(all.size());
    std::fwrite(&size, sizeof size, 1, file);
    std::fwrite(all.data(), 1, all.size(), file);
}

void PairSciML::read_restart(FILE* file) {
    int size = 0;
    std::string all;
    if (comm->me == 0) {
        utils::sfread(FLERR, &size, sizeof size, 1, file, nullptr, error);
        if (size < 0 || size > 1 << 20) error->one(FLERR, "pair_style sciml: the restart file is damaged");
        all.resize(std::size_t(size));
        utils::sfread(FLERR, all.data(), 1, std::size_t(size), file, nullptr, error);
    }
    MPI_Bcast(&size, 1, MPI_INT, 0, world);
    all.resize(std::size_t(size));
    MPI_Bcast(all.data(), size, MPI_CHAR, 0, world);
    std::vector<std::string> parts(1);
    for (const char letter : all) {
        if (letter == '\n')
            parts.emplace_back();
        else
            parts.back() += letter;
    }
    if (int(parts.size()) != 2 + atom->ntypes) error->all(FLERR, "pair_style sciml: the restart file is damaged");
    asked_dtype_ = parts[0];
    path_ = parts[1];
    names_.assign(parts.begin() + 2, parts.end());
    load();
}

double PairSciML::memory_usage() {
    const auto bytes = [](const auto& values) { return double(values.capacity() * sizeof(values[0])); };
    double total = Pair::memory_usage() + bytes(neighbour_) + bytes(row_start_) + bytes(row_of_atom_) + bytes(home_) + bytes(species_) +
                   bytes(energy_) + bytes(force_);
    total += bytes(single_.vectors) + bytes(single_.slopes) + bytes(double_.vectors) + bytes(double_.slopes);
    if (single_.model) total += single_.model->bytes();
    if (double_.model) total += double_.model->bytes();
    return total;
}
