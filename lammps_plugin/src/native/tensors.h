// Named arrays of numbers, as a file has them.

#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace sciml {

struct Tensor {
    std::vector<std::int64_t> shape;
    std::vector<double> values;
};

class Tensors {
public:
    std::map<std::string, Tensor> by_name;

    // throws std::runtime_error where it is missing or of another shape
    const double* get(const std::string& name, const std::vector<std::int64_t>& shape) const {
        const auto found = by_name.find(name);
        if (found == by_name.end()) throw std::runtime_error("lacks the tensor `" + name + "`");
        if (found->second.shape != shape) throw std::runtime_error("has a tensor `" + name + "` of another shape than its architecture needs");
        return found->second.values.data();
    }
};

}  // namespace sciml
