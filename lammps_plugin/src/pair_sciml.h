// pair_style sciml: what LAMMPS asks of a pair style, by a potential from a .sciml file.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ghosts.h"
#include "pair.h"
#include "potential_file.h"

namespace LAMMPS_NS {

class PairSciML : public Pair {
public:
    explicit PairSciML(LAMMPS*);
    ~PairSciML() override;

    void settings(int, char**) override;
    void coeff(int, char**) override;
    void init_style() override;
    double init_one(int, int) override;
    void compute(int, int) override;

    void write_restart(FILE*) override;
    void read_restart(FILE*) override;
    void write_restart_settings(FILE*) override;
    void read_restart_settings(FILE*) override;

    int pack_forward_comm(int, int*, double*, int, int*) override;
    void unpack_forward_comm(int, int, double*) override;
    double memory_usage() override;

private:
    // the potential and the edges in its own precision; one of the two is there
    template <typename T>
    struct Precision {
        std::unique_ptr<sciml::Model<T>> model;
        std::vector<T> vectors, slopes;  // [e, 3]
    };
    Precision<float> single_;
    Precision<double> double_;

    std::string asked_dtype_;               // of pair_style; that of the file if empty
    std::string path_;                      // of the file, absolute
    std::vector<std::string> names_;        // element by atom type, or NULL
    std::vector<int> species_of_type_;      // [ntypes + 1], -1 for NULL
    std::vector<double> reference_;         // energy of a lone atom by species, eV
    double scale_ = 1, cutoff_ = 0;         // eV; angstrom
    double unit_ = 1;                       // one eV in the energy unit of LAMMPS

    // rows: own atoms of the neighbour list in its order, then wanted atoms of other processes
    std::unique_ptr<sciml::Ghosts> ghosts_;
    std::vector<int> row_of_atom_;          // [nlocal + nghost], -1 where there is none
    std::vector<std::int64_t> home_;        // [nlocal + nghost]: key of each atom's owner, -1 if it is in no list
    std::vector<int> atom_of_row_;          // one of its images, for an atom of another process
    std::vector<int> species_;              // by row
    std::vector<std::int64_t> row_start_;   // [own rows + 1]
    std::vector<int> neighbour_;            // [e], a row
    std::vector<double> energy_, force_;    // by row; [row, 3]
    int touching_ = -1;                     // a row with a neighbour on the same point
    bigint neighbour_builds_ = -1;          // when rows were numbered

    void load(std::string path, const std::vector<std::string>& names);
    std::string read_file(std::string& path);
    std::vector<int> species_of(const sciml::PotentialFile&, const std::string& path, const std::vector<std::string>& names);
    static void write_text(FILE*, const std::string&);
    std::string read_text(FILE*);
    void check_units();
    void number_rows();
    void check_lists() const;
    template <typename T>
    void compute_in(Precision<T>&);
    template <typename T>
    void find_edges(Precision<T>&);
    template <typename T>
    void add_forces(const Precision<T>&);
    void check_sound() const;
};

}  // namespace LAMMPS_NS
