// The native potentials for tests from Python: arrays in, arrays out.

#include <cstdio>
#include <exception>
#include <memory>

#include "painn_load.h"
#include "schnet_load.h"

using namespace sciml;
using namespace sciml::SCIML_ISA;

namespace {

template <typename T>
Model* make(const Tensors& tensors, bool painn, int n_species, int channels, int layers, int radial, double cutoff, int intervals) {
    if (painn) return new PaiNN<T>(load_painn<T>(tensors, n_species, channels, layers, radial, cutoff, intervals));
    return new SchNet<T>(load_schnet<T>(tensors, n_species, channels, layers, radial, cutoff, intervals));
}

}  // namespace

extern "C" Tensors* tensors_new() { return new Tensors; }
extern "C" void tensors_delete(Tensors* tensors) { delete tensors; }

extern "C" void tensors_add(Tensors* tensors, const char* name, int dimensions, const std::int64_t* shape, const double* values) {
    Tensor tensor;
    std::size_t count = 1;
    for (int k = 0; k < dimensions; ++k) {
        tensor.shape.push_back(shape[k]);
        count *= std::size_t(shape[k]);
    }
    tensor.values.assign(values, values + count);
    tensors->by_name[name] = std::move(tensor);
}

// null, with the reason in `message` [256], where the tensors do not fit the sizes
extern "C" Model* model_new(const Tensors* tensors, int painn, int bits, int n_species, int channels, int layers, int radial,
                            double cutoff, int intervals, char* message) {
    try {
        return bits == 64 ? make<double>(*tensors, painn, n_species, channels, layers, radial, cutoff, intervals)
                          : make<float>(*tensors, painn, n_species, channels, layers, radial, cutoff, intervals);
    } catch (const std::exception& error) {
        std::snprintf(message, 256, "%s", error.what());
        return nullptr;
    }
}
extern "C" void model_delete(Model* model) { delete model; }

extern "C" void model_evaluate(Model* model, int n, const int* species, const std::int64_t* row_start, const int* neighbour,
                               const double* vector, double* energy, double* slope) {
    Exchange alone;
    model->evaluate({n, n, species, row_start, neighbour, vector}, alone, energy, slope);
}
