// What `pair_style sciml` reads: its arguments, the file of the potential, restart files.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "generic/generic_model.h"
#include "memory.h"
#include "pair_sciml.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;

namespace {

const char* const export_again = "Export it again with `sciml export RUN -o FILE`";

std::string words(const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& word : all) text += (text.empty() ? "" : " ") + word;
    return text;
}

std::string joined(int count, char** words) {
    std::string all;
    for (int k = 0; k < count; ++k) all += (k ? " " : "") + std::string(words[k]);
    return all;
}

}  // namespace

void PairSciML::settings(int narg, char** arg) {
    if (narg > 1 || (narg == 1 && std::strcmp(arg[0], "float32") && std::strcmp(arg[0], "float64")))
        error->all(FLERR, "pair_style sciml takes nothing, or float32 or float64 for the precision of its arithmetic, but got '{}'. "
                          "The file of the potential goes to pair_coeff", joined(narg, arg));
    asked_dtype_ = narg ? arg[0] : "";
    // LAMMPS keeps the coefficients of a style that is asked for again
    if (!path_.empty()) load(path_, names_);
}

void PairSciML::coeff(int narg, char** arg) {
    const int types = atom->ntypes;
    if (narg != 3 + types || std::strcmp(arg[0], "*") || std::strcmp(arg[1], "*"))
        error->all(FLERR, "pair_coeff of pair_style sciml needs '* * FILE' and one element (or NULL) for each of the {} atom types, but got '{}'",
                   types, joined(narg, arg));
    load(arg[2], std::vector<std::string>(arg + 3, arg + narg));
    check_units();
}

void PairSciML::check_units() {
    const std::string units = update->unit_style;
    if (units == "metal")
        unit_ = 1;
    else if (units == "real")
        unit_ = utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL);
    else
        error->all(FLERR, "pair_style sciml needs 'units metal' or 'units real', but the input has 'units {}'. The potential {} is in "
                          "eV and angstrom", units, path_);
}

// reads the file on the first process and says what every process does with it; until all is well nothing changes
void PairSciML::load(std::string path, const std::vector<std::string>& names) {
    sciml::PotentialFile file;
    std::string failure;
    try {
        const std::string bytes = read_file(path);
        file = sciml::parse_potential(path, std::vector<char>(bytes.begin(), bytes.end()));
    } catch (const std::exception& what) {
        failure = what.what();
    }
    // every process has read the same bytes
    if (!failure.empty()) error->all(FLERR, "pair_style sciml: {}", failure);
    const std::vector<int> species = species_of(file, path, names);

    const std::string dtype = asked_dtype_.empty() ? file.dtype : asked_dtype_;
    const bool generic = file.backend == "generic";
    if (generic && dtype != file.dtype)
        error->all(FLERR, "pair_style sciml: {} is compiled for {}, so pair_style cannot ask for {}. Export it again with --precision {}",
                   path, file.dtype, dtype, dtype);
    Precision<float> single;
    Precision<double> twice;
    try {
        if (dtype == "float32")
            single.model = generic ? sciml::make_generic<float>(file, comm->nthreads) : sciml::make_native<float>(file.sizes, file.tensors);
        else
            twice.model = generic ? sciml::make_generic<double>(file, comm->nthreads) : sciml::make_native<double>(file.sizes, file.tensors);
    } catch (const std::bad_alloc&) {
        failure = "needs more memory than there is";
    } catch (const std::exception& what) {
        failure = what.what();
        if (!generic) failure += std::string(". ") + export_again;
    }
    // one process may have less memory, or another processor, than the others
    const int failed = !failure.empty();
    int failures = 0;
    MPI_Allreduce(&failed, &failures, 1, MPI_INT, MPI_SUM, world);
    if (failures == comm->nprocs) error->all(FLERR, "pair_style sciml: {} {}", path, failure);
    if (failed) error->one(FLERR, "pair_style sciml: {} {}", path, failure);
    if (failures) MPI_Barrier(world);  // which the process that failed ends

    single_ = std::move(single);
    double_ = std::move(twice);
    path_ = path;
    names_ = names;
    species_of_type_ = species;
    reference_ = file.reference_energies_ev;
    scale_ = file.energy_scale_ev;
    cutoff_ = file.cutoff_angstrom;
    const int types = atom->ntypes;
    if (!allocated) {
        memory->create(setflag, types + 1, types + 1, "pair:setflag");
        memory->create(cutsq, types + 1, types + 1, "pair:cutsq");
        allocated = 1;
    }
    for (int i = 1; i <= types; ++i)
        for (int j = 1; j <= types; ++j) setflag[i][j] = species[i] >= 0 && species[j] >= 0;
    if (comm->me == 0)
        utils::logmesg(lmp, "sciml: {} of {}, {} layers, cutoff {} angstrom, {}, {}{}\n", file.architecture, words(file.elements), file.layers,
                       cutoff_, dtype, generic ? std::string("compiled by torch ") + file.torch_version
                                               : std::string("native code for ") + sciml::native_instructions(),
                       file.trained_on.empty() ? "" : ", trained on " + file.trained_on);
}

// by atom type, the number of its element in the file, or -1 for NULL
std::vector<int> PairSciML::species_of(const sciml::PotentialFile& file, const std::string& path, const std::vector<std::string>& names) {
    std::vector<int> species(names.size() + 1, -1);
    for (std::size_t type = 1; type <= names.size(); ++type) {
        const std::string& name = names[type - 1];
        if (name == "NULL" && std::strncmp(force->pair_style, "hybrid", 6))
            error->all(FLERR, "pair_style sciml has no element for atom type {}: NULL is for types that another style of "
                              "'pair_style hybrid' has. Name one of {}", type, words(file.elements));
        if (name == "NULL") continue;
        const auto found = std::find(file.elements.begin(), file.elements.end(), name);
        if (found == file.elements.end())
            error->all(FLERR, "pair_style sciml: {} knows {}, but pair_coeff asks for {} as atom type {}. Name one that it knows, or "
                              "use a potential that was trained on {}", path, words(file.elements), name, type, name);
        species[type] = int(found - file.elements.begin());
    }
    return species;
}

// the bytes of the file, on every process; the path becomes the place where it was found
std::string PairSciML::read_file(std::string& path) {
    std::string bytes, failure;
    if (comm->me == 0) {
        const std::string found = utils::get_potential_file_path(path);
        if (FILE* file = found.empty() ? nullptr : std::fopen(found.c_str(), "rb")) {
            char part[1 << 16];
            while (const std::size_t count = std::fread(part, 1, sizeof part, file)) bytes.append(part, count);
            if (std::ferror(file)) failure = "cannot read the potential file " + path + ": " + std::strerror(errno) + ". Give the file itself";
            std::fclose(file);
            if (char* absolute = realpath(found.c_str(), nullptr)) {
                path = absolute;
                std::free(absolute);
            }
        } else {
            failure = "cannot open the potential file " + path + ": " + std::strerror(found.empty() ? ENOENT : errno) +
                      ". Make one with `sciml export RUN -o FILE`, or say where it is, also in LAMMPS_POTENTIALS";
        }
    }
    for (std::string* text : {&failure, &path, &bytes}) {
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

// The file is not in the restart file, only its path, the elements and the precision.

void PairSciML::write_restart_settings(FILE* file) { write_text(file, asked_dtype_); }

void PairSciML::read_restart_settings(FILE* file) {
    asked_dtype_ = read_text(file);
    if (!asked_dtype_.empty() && asked_dtype_ != "float32" && asked_dtype_ != "float64")
        error->all(FLERR, "pair_style sciml: the restart file is damaged");
}

void PairSciML::write_restart(FILE* file) {
    write_restart_settings(file);
    write_text(file, path_);
    for (const std::string& name : names_) write_text(file, name);
}

void PairSciML::read_restart(FILE* file) {
    read_restart_settings(file);
    const std::string path = read_text(file);
    std::vector<std::string> names;
    for (int type = 1; type <= atom->ntypes; ++type) names.push_back(read_text(file));
    load(path, names);
}

void PairSciML::write_text(FILE* file, const std::string& text) {
    const int size = int(text.size());
    std::fwrite(&size, sizeof size, 1, file);
    std::fwrite(text.data(), 1, text.size(), file);
}

std::string PairSciML::read_text(FILE* file) {
    constexpr int longest = 1 << 16;
    int size = 0;
    if (comm->me == 0) utils::sfread(FLERR, &size, sizeof size, 1, file, nullptr, error);
    MPI_Bcast(&size, 1, MPI_INT, 0, world);
    if (size < 0 || size > longest) error->all(FLERR, "pair_style sciml: the restart file is damaged");
    std::string text(std::size_t(size), ' ');
    if (comm->me == 0 && size) utils::sfread(FLERR, text.data(), 1, text.size(), file, nullptr, error);
    MPI_Bcast(text.data(), size, MPI_CHAR, 0, world);
    return text;
}
