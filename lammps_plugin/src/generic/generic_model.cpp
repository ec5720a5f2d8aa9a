#include "generic_model.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "../halo.h"
#include "generic.h"

namespace sciml {

namespace {

// libsciml_generic.so, which stands beside this plugin and alone needs libtorch
class Library {
public:
    static const Library& get() {
        static const Library library;  // loaded once a process and never changed
        return library;
    }
    decltype(&sciml_generic_new) make;
    decltype(&sciml_generic_delete) destroy;
    decltype(&sciml_generic_evaluate) evaluate;

private:
    Library() {
        Dl_info here;
        dladdr(reinterpret_cast<const void*>(&has_native), &here);
        const std::string path = here.dli_fname, folder = path.substr(0, path.find_last_of('/') + 1);
        void* handle = dlopen((folder + "libsciml_generic.so").c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            throw std::runtime_error("needs libtorch, which this plugin was built without or cannot load (" + std::string(dlerror()) +
                                     "). Run `sciml lammps build` in an environment that has torch");
        find(handle, make, "sciml_generic_new");
        find(handle, destroy, "sciml_generic_delete");
        find(handle, evaluate, "sciml_generic_evaluate");
    }
    template <typename F>
    static void find(void* handle, F& function, const char* name) {
        function = reinterpret_cast<F>(dlsym(handle, name));
        if (!function) throw std::runtime_error("does not find its libsciml_generic.so whole. Run `sciml lammps build` again");
    }
};

// a file of this process alone that is gone when the package has been read
class TemporaryFile {
public:
    explicit TemporaryFile(const std::vector<char>& bytes) {
        const char* folder = std::getenv("TMPDIR");
        path_ = std::string(folder && *folder ? folder : "/tmp") + "/sciml-XXXXXX.pt2";
        const int file = mkstemps(path_.data(), 4);
        if (file < 0) throw std::runtime_error("cannot be unpacked to " + path_ + ". Set TMPDIR to a folder with room");
        FILE* stream = fdopen(file, "wb");
        const bool written = std::fwrite(bytes.data(), 1, bytes.size(), stream) == bytes.size();
        if (std::fclose(stream) != 0 || !written) {
            unlink(path_.c_str());
            throw std::runtime_error("cannot be unpacked to " + path_ + ". Set TMPDIR to a folder with room");
        }
    }
    ~TemporaryFile() { unlink(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

constexpr int message_size = 1024;

template <typename T>
class Generic final : public Model<T> {
public:
    Generic(const PotentialFile& file, int threads) : layers_(file.layers), scale_(file.energy_scale_ev) {
        const Library& library = Library::get();
        const TemporaryFile package(file.package);
        char message[message_size] = "";
        model_ = library.make(package.path().c_str(), threads, message, message_size);
        if (!model_) throw std::runtime_error("is refused: " + std::string(message));
    }
    ~Generic() override { Library::get().destroy(model_); }
    Generic(const Generic&) = delete;
    Generic& operator=(const Generic&) = delete;

    double bytes() const override { return double(slopes_.capacity() * sizeof(T)); }

    void evaluate(const Neighbourhood<T>& near, Exchange& exchange, double* energy, T* slope) override {
        const Halo<T> halo(near, exchange, layers_);
        find_pairs(halo);
        const std::size_t n_pairs = first_.size();
        species_.assign(halo.species.begin(), halo.species.end());
        own_.assign(halo.n_all, T(0));
        std::fill(own_.begin(), own_.begin() + halo.n_own, T(1));
        energies_.resize(halo.n_all);
        pair_slopes_.resize(3 * n_pairs);
        char message[message_size] = "";
        if (halo.n_own && Library::get().evaluate(model_, int(8 * sizeof(T)), halo.n_all, std::int64_t(n_pairs), species_.data(), own_.data(),
                                                  first_.data(), second_.data(), vectors_.data(), energies_.data(),
                                                  pair_slopes_.data(), message, message_size))
            throw std::runtime_error(message);
        // the package speaks of eV, a model of its own unit
        for (int i = 0; i < halo.n_own; ++i) energy[i] = energies_[i] / scale_;
        slopes_.assign(halo.vector.size(), T(0));
        for (std::size_t p = 0; halo.n_own && p < n_pairs; ++p)
            for (int m = 0; m < 3; ++m) {
                const T half = T(0.5 / scale_) * pair_slopes_[3 * p + m];
                slopes_[3 * forth_[p] + m] += half;
                slopes_[3 * back_[p] + m] -= half;
            }
        halo.give_back(near, exchange, slopes_.data());
        std::copy(slopes_.begin(), slopes_.begin() + 3 * near.row_start[near.n_own], slope);
    }

private:
    int layers_;
    double scale_;
    void* model_ = nullptr;
    std::vector<std::int64_t> species_, first_, second_;
    std::vector<std::int64_t> forth_, back_;  // the two edges of each pair
    std::vector<T> own_, vectors_, pair_slopes_, slopes_;
    std::vector<double> energies_;

    // each pair once, if one of its atoms is less than `layers_` bonds from an own atom, with both its edges
    void find_pairs(const Halo<T>& halo) {
        first_.clear(), second_.clear(), vectors_.clear(), forth_.clear(), back_.clear();
        for (int i = 0; i < halo.n_rows; ++i)
            for (std::int64_t e = halo.row_start[i]; e < halo.row_start[i + 1]; ++e) {
                const int j = halo.neighbour[e];
                const T* d = &halo.vector[3 * e];
                if (j < i || (j == i && !points_up(d)) || std::min(halo.depth[i], halo.depth[j]) >= layers_) continue;
                const std::int64_t reverse = opposite(halo, i, j, d);
                if (reverse < 0) continue;
                first_.push_back(i);
                second_.push_back(j);
                vectors_.insert(vectors_.end(), d, d + 3);
                forth_.push_back(e);
                back_.push_back(reverse);
            }
    }

    static bool points_up(const T* d) { return d[2] > 0 || (d[2] == 0 && (d[1] > 0 || (d[1] == 0 && d[0] > 0))); }

    // The edge from j to i that runs against d; the two differ by rounding alone. Rounding may also leave one of them out,
    // at the very cutoff, where a pair adds nothing: then -1.
    static std::int64_t opposite(const Halo<T>& halo, int i, int j, const T* d) {
        std::int64_t best = -1;
        T nearest = T(1e-4);  // angstrom: far above rounding, far below the distance of two images
        for (std::int64_t e = halo.row_start[j]; e < halo.row_start[j + 1]; ++e) {
            if (halo.neighbour[e] != i) continue;
            const T* o = &halo.vector[3 * e];
            const T distance = std::fabs(o[0] + d[0]) + std::fabs(o[1] + d[1]) + std::fabs(o[2] + d[2]);
            if (distance < nearest) best = e, nearest = distance;
        }
        return best;
    }
};

}  // namespace

template <typename T>
std::unique_ptr<Model<T>> make_generic(const PotentialFile& file, int threads) { return std::make_unique<Generic<T>>(file, threads); }

template std::unique_ptr<Model<float>> make_generic<float>(const PotentialFile&, int);
template std::unique_ptr<Model<double>> make_generic<double>(const PotentialFile&, int);

}  // namespace sciml
