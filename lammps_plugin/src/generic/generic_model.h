// Any potential, as a package that torch compiled ahead of time; libtorch is loaded when the first of them is.

#pragma once

#include <memory>

#include "../native/model.h"
#include "../potential_file.h"

namespace sciml {

// throws std::runtime_error with the reason and the remedy
template <typename T>
std::unique_ptr<Model<T>> make_generic(const PotentialFile&, int threads);

}  // namespace sciml
