#include "native.h"

#include <cstdlib>
#include <cstring>

#define DECLARE(isa)                                            \
    namespace sciml::isa {                                      \
    template <typename T>                                       \
    Model<T>* make(const NativeSizes&, const Tensors&);         \
    extern template Model<float>* make<float>(const NativeSizes&, const Tensors&);   \
    extern template Model<double>* make<double>(const NativeSizes&, const Tensors&); \
    }

DECLARE(base)
#ifdef SCIML_X86
DECLARE(v3)
DECLARE(v4)
#endif

namespace sciml {

namespace {

enum class Instructions { base, v3, v4 };

// SCIML_ISA=base|v3|v4 asks for less than the processor has
Instructions chosen() {
#ifdef SCIML_X86
    const char* asked = std::getenv("SCIML_ISA");
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
    if (v4 && !(asked && (!std::strcmp(asked, "v3") || !std::strcmp(asked, "base")))) return Instructions::v4;
    if (v3 && !(asked && !std::strcmp(asked, "base"))) return Instructions::v3;
#endif
    return Instructions::base;
}

}  // namespace

template <typename T>
std::unique_ptr<Model<T>> make_native(const NativeSizes& sizes, const Tensors& tensors) {
    switch (chosen()) {
#ifdef SCIML_X86
        case Instructions::v4: return std::unique_ptr<Model<T>>(v4::make<T>(sizes, tensors));
        case Instructions::v3: return std::unique_ptr<Model<T>>(v3::make<T>(sizes, tensors));
#endif
        default: return std::unique_ptr<Model<T>>(base::make<T>(sizes, tensors));
    }
}

template std::unique_ptr<Model<float>> make_native<float>(const NativeSizes&, const Tensors&);
template std::unique_ptr<Model<double>> make_native<double>(const NativeSizes&, const Tensors&);

bool has_native(const std::string& architecture) { return architecture == "painn" || architecture == "schnet"; }

const char* native_instructions() {
    switch (chosen()) {
        case Instructions::v4: return "AVX-512";
        case Instructions::v3: return "AVX2";
        default: return "baseline";
    }
}

}  // namespace sciml
