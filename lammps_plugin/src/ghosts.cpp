#include "ghosts.h"

#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace sciml {

namespace {

constexpr int tag = 5717;

// a message has at most so many bytes
int message_size(std::size_t bytes) {
    if (bytes > std::size_t(std::numeric_limits<int>::max()))
        throw std::runtime_error("two processes share too many atoms for one message of MPI: use more processes");
    return int(bytes);
}

}  // namespace

Ghosts::Ghosts(MPI_Comm world) : world_(world) {
    MPI_Comm_rank(world_, &rank_);
    MPI_Comm_size(world_, &ranks_);
    set(0, {});
}

void Ghosts::set(int n_own, std::vector<std::int64_t> homes) {
    n_own_ = n_own;
    homes_ = std::move(homes);
    std::vector<int> wanted(ranks_, 0), asked(ranks_, 0), rows(homes_.size());
    for (std::size_t i = 0; i < homes_.size(); ++i) {
        ++wanted[rank_of(homes_[i])];
        rows[i] = row_of(homes_[i]);
    }
    received_from_.assign(ranks_ + 1, 0);
    sent_to_.assign(ranks_ + 1, 0);
    MPI_Alltoall(wanted.data(), 1, MPI_INT, asked.data(), 1, MPI_INT, world_);
    std::partial_sum(wanted.begin(), wanted.end(), received_from_.begin() + 1);
    std::partial_sum(asked.begin(), asked.end(), sent_to_.begin() + 1);
    sent_rows_.resize(sent_to_[ranks_]);
    MPI_Alltoallv(rows.data(), wanted.data(), received_from_.data(), MPI_INT, sent_rows_.data(), asked.data(), sent_to_.data(),
                  MPI_INT, world_);
}

void Ghosts::transfer(char* incoming, const std::vector<int>& in_start, const char* outgoing, const std::vector<int>& out_start,
                      std::size_t bytes) {
    requests_.clear();
    for (int r = 0; r < ranks_; ++r)
        if (const std::size_t count = in_start[r + 1] - in_start[r])
            MPI_Irecv(incoming + bytes * in_start[r], message_size(bytes * count), MPI_BYTE, r, tag, world_, &requests_.emplace_back());
    for (int r = 0; r < ranks_; ++r)
        if (const std::size_t count = out_start[r + 1] - out_start[r])
            MPI_Isend(outgoing + bytes * out_start[r], message_size(bytes * count), MPI_BYTE, r, tag, world_, &requests_.emplace_back());
    wait();
}

void Ghosts::wait() {
    std::vector<MPI_Status> statuses(requests_.size());
    MPI_Waitall(int(requests_.size()), requests_.data(), statuses.data());
}

void Ghosts::forward(void* rows, std::size_t bytes) {
    auto* data = static_cast<char*>(rows);
    buffer_.resize(bytes * sent_rows_.size());
    for (std::size_t i = 0; i < sent_rows_.size(); ++i) std::memcpy(&buffer_[bytes * i], data + bytes * sent_rows_[i], bytes);
    transfer(data + bytes * n_own_, received_from_, buffer_.data(), sent_to_, bytes);
}

void Ghosts::reverse_add(double* rows) {
    constexpr std::size_t bytes = 3 * sizeof(double);
    std::vector<double> incoming(3 * sent_rows_.size());
    transfer(reinterpret_cast<char*>(incoming.data()), sent_to_, reinterpret_cast<const char*>(rows + 3 * std::size_t(n_own_)),
             received_from_, bytes);
    for (std::size_t i = 0; i < sent_rows_.size(); ++i)
        for (int k = 0; k < 3; ++k) rows[3 * std::size_t(sent_rows_[i]) + k] += incoming[3 * i + k];
}

Exchange::Parcels Ghosts::swap(const Parcels& parcels) {
    std::vector<long long> out(ranks_), in(ranks_);
    for (int r = 0; r < ranks_; ++r) out[r] = (long long)parcels[r].size();
    MPI_Alltoall(out.data(), 1, MPI_LONG_LONG, in.data(), 1, MPI_LONG_LONG, world_);
    Parcels received(ranks_);
    requests_.clear();
    for (int r = 0; r < ranks_; ++r) {
        received[r].resize(in[r]);
        if (in[r]) MPI_Irecv(received[r].data(), message_size(in[r]), MPI_BYTE, r, tag, world_, &requests_.emplace_back());
    }
    for (int r = 0; r < ranks_; ++r)
        if (out[r]) MPI_Isend(parcels[r].data(), message_size(out[r]), MPI_BYTE, r, tag, world_, &requests_.emplace_back());
    wait();
    return received;
}

}  // namespace sciml
