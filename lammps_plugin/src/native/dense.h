// Dense layers with the weights of a torch.nn.Linear.

#pragma once

#include <string>

#include "simd.h"
#include "tensors.h"

namespace sciml::SCIML_ISA {

// a dense layer of padded weights, and its transpose for the way back
template <typename T>
struct Dense {
    int inputs = 0, outputs = 0;  // padded
    Array<T> weight, transposed, bias;
};

template <typename T>
int padded(int count) {
    return (count + lanes<T> - 1) / lanes<T> * lanes<T>;
}

// a torch.nn.Linear [out, in] whose inputs and outputs are chunks of `in_chunk` and `out_chunk` numbers, each padded
template <typename T>
Dense<T> load_dense(const Tensors& tensors, const std::string& name, int in_chunk, int in_chunks, int out_chunk,
                    int out_chunks, bool has_bias) {
    const int inputs = in_chunk * in_chunks, outputs = out_chunk * out_chunks;
    const double* weight = tensors.get(name + ".weight", {outputs, inputs});
    const double* bias = has_bias ? tensors.get(name + ".bias", {outputs}) : nullptr;
    const int wide_in = padded<T>(in_chunk), wide_out = padded<T>(out_chunk);
    Dense<T> dense;
    dense.inputs = wide_in * in_chunks;
    dense.outputs = wide_out * out_chunks;
    dense.weight.assign(std::size_t(dense.inputs) * dense.outputs, T(0));
    dense.transposed = dense.weight;
    dense.bias.assign(dense.outputs, T(0));
    for (int o = 0; o < outputs; ++o) {
        const int to = o / out_chunk * wide_out + o % out_chunk;
        if (bias) dense.bias[to] = T(bias[o]);
        for (int i = 0; i < inputs; ++i) {
            const int from = i / in_chunk * wide_in + i % in_chunk;
            const T value = T(weight[std::size_t(o) * inputs + i]);
            dense.weight[std::size_t(from) * dense.outputs + to] = value;
            dense.transposed[std::size_t(to) * dense.inputs + from] = value;
        }
    }
    return dense;
}

}  // namespace sciml::SCIML_ISA
