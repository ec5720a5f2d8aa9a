// Memory of the kernels. What the system hands out it maps and zeroes page by page, which for a field of some megabytes
// takes as long as filling it, so large pieces are kept for the next who asks, up to a bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

using Index = std::int64_t;

class Pool {
   public:
    // Memory that begins at a cache line; what is in it is not set. Throws std::bad_alloc.
    void* take(std::size_t bytes) {
        const std::size_t size = rounded(bytes);
        if (size < kLeast) return allocate(size);
        {
            const std::lock_guard<std::mutex> guard(lock_);
            auto best = kept_.end();
            for (auto each = kept_.begin(); each != kept_.end(); ++each)
                if (each->size == size) best = each;  // the one that came last, which caches may still hold
            if (best != kept_.end()) {
                void* const at = best->at;
                kept_.erase(best);
                total_ -= size;
                return at;
            }
        }
        return allocate(size);
    }
    // Back, with the number of bytes that it was asked with.
    void give(void* at, std::size_t bytes) noexcept {
        const std::size_t size = rounded(bytes);
        if (!at || size < kLeast) return std::free(at);
        const std::lock_guard<std::mutex> guard(lock_);
        try {
            kept_.push_back({at, size});
        } catch (const std::bad_alloc&) {
            return std::free(at);
        }
        total_ += size;
        while (total_ > kMost) drop();
    }

   private:
    struct Piece {
        void* at;
        std::size_t size;
    };
    static constexpr std::size_t kLeast = std::size_t(1) << 17, kMost = std::size_t(1) << 29, kHuge = std::size_t(1) << 21;
    std::mutex lock_;
    std::vector<Piece> kept_;  // the longest unused first
    std::size_t total_ = 0;

    // of a size in steps of an eighth, so that what is a little larger or smaller fits too
    static std::size_t rounded(std::size_t bytes) {
        if (bytes < kLeast) return bytes / 64 * 64 + 64;
        std::size_t step = kLeast / 8;
        while (step * 16 < bytes) step *= 2;
        return (bytes + step - 1) / step * step;
    }
    void drop() noexcept {
        std::free(kept_.front().at);
        total_ -= kept_.front().size;
        kept_.erase(kept_.begin());
    }
    void* allocate(std::size_t size) {
        const std::size_t unit = size < kHuge ? 64 : kHuge;
        void* at = std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
        if (!at) {
            const std::lock_guard<std::mutex> guard(lock_);
            while (!kept_.empty()) drop();
            at = std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
        }
        if (!at) throw std::bad_alloc();
#if defined(__linux__)
        if (unit == kHuge) madvise(at, size, MADV_HUGEPAGE);
#endif
        return at;
    }
};

inline Pool& pool() {
    static Pool* const one = new Pool;  // for good: tensors may outlive whatever would tear it down
    return *one;
}

template <typename T>
class Array {
   public:
    explicit Array(Index size) : bytes_(sizeof(T) * static_cast<std::size_t>(size)), data_(static_cast<T*>(pool().take(bytes_))) {}
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    ~Array() { pool().give(data_, bytes_); }
    operator T*() { return data_; }
    operator const T*() const { return data_; }

   private:
    const std::size_t bytes_;
    T* const data_;
};

// Runs a function, which may throw std::bad_alloc, for callers who know no exceptions: 0, or 1 if there was no memory left.
template <typename Function>
int guarded(Function function) noexcept {
    try {
        function();
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

}  // namespace
