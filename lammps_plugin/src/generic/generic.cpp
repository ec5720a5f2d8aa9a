// Runs potentials compiled by sciml.gnn.compiled. See generic.h for the interface.
//
// Their graphs call the package's own sums over neighbours (sciml/gnn/kernels.cpp, linked in) through the operator
// sciml::kernel, which is registered with libtorch here.

#include "generic.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/library.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

using Index = std::int64_t;

// The sums of kernels.cpp: sizes, then arrays, then the result and the number of threads.
#define SCIML_DECLARE(T, suffix)                                                                                       \
    extern "C" void filtered_sum_##suffix(Index, Index, Index, const Index*, const Index*, const Index*, const T*,     \
                                          const T*, T*, int);                                                          \
    extern "C" void pair_product_##suffix(Index, Index, Index, const Index*, const Index*, const T*, const T*, T*,     \
                                          int);                                                                        \
    extern "C" void expanded_sum_##suffix(Index, Index, Index, const Index*, const Index*, const Index*, const T*,     \
                                          const Index*, const T*, const T*, const T*, T*, int);                        \
    extern "C" void contracted_sum_##suffix(Index, Index, Index, const Index*, const Index*, const Index*, const T*,   \
                                            const Index*, const T*, const T*, const T*, T*, int);                      \
    extern "C" void weight_slope_##suffix(Index, Index, Index, const Index*, const Index*, const Index*, const T*,     \
                                          const T*, const T*, T*, int);                                                \
    extern "C" void harmonic_slope_##suffix(Index, Index, Index, const Index*, const Index*, const Index*, const T*,   \
                                            const T*, const T*, T*, int);                                              \
    extern "C" void bond_sum_##suffix(Index, Index, Index, const Index*, const Index*, const Index*, const T*,         \
                                      const Index*, const T*, const T*, const T*, const T*, T*, int);                  \
    extern "C" void bond_weight_slope_##suffix(Index, Index, Index, const Index*, const Index*, const Index*,          \
                                               const T*, const T*, const T*, const T*, T*, int);                       \
    extern "C" void bond_harmonic_slope_##suffix(Index, Index, Index, const Index*, const Index*, const Index*,        \
                                                 const T*, const T*, const T*, const T*, T*, int);                     \
    extern "C" void sparse_product_##suffix(Index, Index, Index, Index, const Index*, const T*, const T*, const T*,    \
                                            T*, int);

SCIML_DECLARE(float, f32)
SCIML_DECLARE(double, f64)

namespace {

// Hands sizes, tensors, result and threads to a kernel, in the order of its arguments.
class Arguments {
public:
    Arguments(at::IntArrayRef sizes, const std::vector<at::Tensor>& inputs, const at::Tensor& out)
        : sizes_(sizes), inputs_(inputs), out_(out) {}

    template <typename... A>
    void call(void (*kernel)(A...)) {
        // braces, unlike a call's parentheses, promise the order
        std::apply(kernel, std::tuple<A...>{next(static_cast<A*>(nullptr))...});
        TORCH_CHECK(size_ == sizes_.size() && input_ == inputs_.size(), "sciml::kernel has arguments left over");
    }

private:
    Index next(Index*) {
        TORCH_CHECK(size_ < sizes_.size(), "sciml::kernel lacks a size");
        return sizes_[size_++];
    }
    int next(int*) { return at::get_num_threads(); }
    template <typename T>
    const T* next(const T**) {
        TORCH_CHECK(input_ < inputs_.size(), "sciml::kernel lacks an array");
        const at::Tensor& tensor = inputs_[input_++];
        TORCH_CHECK(tensor.is_contiguous(), "sciml::kernel needs contiguous arrays");
        return tensor.const_data_ptr<T>();
    }
    template <typename T>
    T* next(T**) {
        return out_.mutable_data_ptr<T>();
    }

    at::IntArrayRef sizes_;
    const std::vector<at::Tensor>& inputs_;
    const at::Tensor& out_;
    std::size_t size_ = 0, input_ = 0;
};

at::Tensor kernel(c10::string_view name, at::IntArrayRef sizes, std::vector<at::Tensor> inputs, at::IntArrayRef shape) {
    TORCH_CHECK(!inputs.empty(), "sciml::kernel needs arrays");
    const at::Tensor out = at::empty(shape, inputs.back().options());
    Arguments arguments(sizes, inputs, out);
    const bool single = out.scalar_type() == at::kFloat;
#define SCIML_KERNEL(kernel)                                                          \
    if (name == #kernel) {                                                            \
        single ? arguments.call(kernel##_f32) : arguments.call(kernel##_f64);         \
        return out;                                                                   \
    }
    SCIML_KERNEL(filtered_sum)
    SCIML_KERNEL(pair_product)
    SCIML_KERNEL(expanded_sum)
    SCIML_KERNEL(contracted_sum)
    SCIML_KERNEL(weight_slope)
    SCIML_KERNEL(harmonic_slope)
    SCIML_KERNEL(bond_sum)
    SCIML_KERNEL(bond_weight_slope)
    SCIML_KERNEL(bond_harmonic_slope)
    SCIML_KERNEL(sparse_product)
    TORCH_CHECK(false, "no kernel is called ", name, "; the package was compiled by another version of sciml");
}

// Registers the operator once a process, and takes it back when the library is closed. Python, when this library is
// loaded into it, may have defined the operator already for tracing.
void register_kernel() {
    static const auto registered = [] {
        auto& dispatcher = c10::Dispatcher::singleton();
        const auto kind = torch::Library::FRAGMENT;
        auto library = std::make_unique<torch::Library>(kind, "sciml", std::nullopt, "generic.cpp", 0);
        if (!dispatcher.findSchema({"sciml::kernel", ""}))
            library->def("kernel(str name, SymInt[] sizes, Tensor[] inputs, SymInt[] shape) -> Tensor");
        if (!dispatcher.findSchema({"sciml::kernel", ""})->hasKernelForDispatchKey(c10::DispatchKey::CPU))
            library->impl("kernel", torch::dispatch(c10::DispatchKey::CPU, TORCH_FN(kernel)));
        return library;
    }();
}

struct Model {
    std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader;
    int threads, bits;
};

// The words by which /proc/cpuinfo names the processor's instruction sets, in alphabetical order.
std::string instruction_sets() {
    // as in sciml.gnn.compiled
    static const char* const PREFIXES[] = {"sse",  "ssse", "avx",  "fma",  "bmi", "f16c", "abm",       "movbe", "adx",
                                           "gfni", "aes",  "vaes", "sha_", "amx", "xop",  "vpclmulqdq", "asimd", "sve"};
    std::ifstream file("/proc/cpuinfo");
    std::set<std::string> words;
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("flags", 0) != 0 && line.rfind("Features", 0) != 0) continue;
        std::istringstream stream(line.substr(line.find(':') + 1));
        for (std::string word; stream >> word;)
            for (const char* prefix : PREFIXES)
                if (word.rfind(prefix, 0) == 0) words.insert(word);
        break;
    }
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

const std::string& isa() {
    static const std::string text = instruction_sets();
    return text;
}

// First word of `needed` that `present` has not, or nothing.
std::string missing_word(const std::string& needed, const std::string& present) {
    std::istringstream stream(needed);
    for (std::string word; stream >> word;)
        if ((" " + present + " ").find(" " + word + " ") == std::string::npos) return word;
    return "";
}

std::unique_ptr<Model> load(const std::string& package, int threads) {
    if (!std::ifstream(package)) throw std::runtime_error("there is no such file, or it may not be read");
    const auto metadata = torch::inductor::AOTIModelPackageLoader::load_metadata_from_package(package, "model");
    const auto stored = [&](const char* key) {
        const auto found = metadata.find(key);
        if (found == metadata.end()) throw std::runtime_error("it was not compiled by sciml");
        return found->second;
    };
    if (stored("sciml_torch") != sciml_generic_torch_version())
        throw std::runtime_error("it was compiled with torch " + stored("sciml_torch") + ", the plugin with " +
                                 sciml_generic_torch_version() + ". Export the potential again with that version");
    if (const std::string word = missing_word(stored("sciml_isa"), isa()); !word.empty())
        throw std::runtime_error("it was compiled on a processor with instructions (" + word +
                                 ") that this one has not. Export the potential again on this machine");
    register_kernel();
    auto model = std::make_unique<Model>();
    model->threads = threads;
    model->bits = std::stoi(stored("sciml_bits"));
    // one thread at a time calls it, so that it needs no locks
    model->loader = std::make_unique<torch::inductor::AOTIModelPackageLoader>(package, "model", true);
    return model;
}

template <typename T>
at::Tensor view(const void* data, at::IntArrayRef shape) {
    // libtorch has no tensors of constants; the graph does not write to its inputs
    return at::from_blob(const_cast<void*>(data), shape, c10::CppTypeToScalarType<T>::value);
}

// The number of threads belongs to the whole process, so it is given back: LAMMPS' other styles have their own.
class Threads {
public:
    explicit Threads(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
    ~Threads() { at::set_num_threads(before_); }
    Threads(const Threads&) = delete;

private:
    int before_;
};

// The graph needs two atoms and two pairs at least: smaller inputs get two atoms that are too far apart to interact.
constexpr Index SMALLEST = 2;
constexpr double FAR_ANGSTROM = 100.0;

template <typename T>
void evaluate(Model& model, Index n, Index p, const Index* species, const void* own, const Index* first,
              const Index* second, const void* vectors, double* energy, void* slope) {
    if (n == 0) return;
    const c10::InferenceMode guard;
    const Threads threads(model.threads);
    std::vector<at::Tensor> inputs = {view<Index>(species, {n}), view<T>(own, {n}), view<Index>(first, {p}),
                                      view<Index>(second, {p}), view<T>(vectors, {p, 3})};
    if (n < SMALLEST || p < SMALLEST) {
        const auto pairs = [&](Index atom) { return at::full({SMALLEST}, atom, at::kLong); };
        const std::vector<at::Tensor> extra = {at::zeros({SMALLEST}, at::kLong),
                                               at::zeros({SMALLEST}, inputs[1].options()), pairs(n), pairs(n + 1),
                                               at::full({SMALLEST, 3}, FAR_ANGSTROM, inputs[4].options())};
        for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = at::cat({inputs[i], extra[i]});
    }
    const std::vector<at::Tensor> outputs = model.loader->run(inputs);
    const at::Tensor energies = outputs.at(0).contiguous(), slopes = outputs.at(1).contiguous();
    std::copy_n(energies.const_data_ptr<double>(), n, energy);
    std::copy_n(slopes.const_data_ptr<T>(), 3 * p, static_cast<T*>(slope));
}

void say(const std::string& text, char* message, int size) {
    if (message && size > 0) std::snprintf(message, static_cast<std::size_t>(size), "%s", text.c_str());
}

// What the user needs to know of an error: libtorch's own go on with a trace of its calls.
std::string reason(const std::exception& error) {
    const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
    return of_torch ? of_torch->what_without_backtrace() : error.what();
}

}  // namespace

extern "C" {

void* sciml_generic_new(const char* package, int threads, char* message, int size) {
    try {
        return load(package, threads).release();
    } catch (const std::exception& error) {
        say("the compiled potential cannot be loaded: " + reason(error) + ".", message, size);
    } catch (...) {
        say("the compiled potential cannot be loaded.", message, size);
    }
    return nullptr;
}

void sciml_generic_delete(void* model) { delete static_cast<Model*>(model); }

int sciml_generic_evaluate(void* model, int bits, std::int64_t n, std::int64_t p, const std::int64_t* species,
                           const void* own, const std::int64_t* first, const std::int64_t* second,
                           const void* vectors, double* energy, void* slope, char* message, int size) {
    try {
        Model& compiled = *static_cast<Model*>(model);
        if (bits != compiled.bits)
            throw std::runtime_error("it is in " + std::to_string(compiled.bits) + " bits, but was called with " +
                                     std::to_string(bits));
        (bits == 32 ? evaluate<float> : evaluate<double>)(compiled, n, p, species, own, first, second, vectors, energy,
                                                          slope);
        return 0;
    } catch (const std::exception& error) {
        say("the compiled potential failed: " + reason(error), message, size);
    } catch (...) {
        say("the compiled potential failed", message, size);
    }
    return 1;
}

const char* sciml_generic_torch_version(void) { return TORCH_VERSION; }

const char* sciml_generic_isa(void) {
    try {
        return isa().c_str();
    } catch (...) {
        return "";
    }
}
}
