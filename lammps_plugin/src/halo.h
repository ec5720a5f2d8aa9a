// The neighbourhood of own atoms several layers deep, as a potential needs it that runs all its layers at once.
//
// Atoms of other processes are found by their owners' lists, one layer of neighbours after the other, so no process
// needs more ghost atoms than those within one cutoff, and an atom is here once, whatever the number of its images.

#pragma once

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "native/model.h"

namespace sciml {

template <typename T>
class Halo {
public:
    // own atoms, then others; those up to `n_rows` have their edges here, as deep as `depth` bonds away
    Halo(const Neighbourhood<T>& near, Exchange& exchange, int depth);

    int n_own, n_all, n_rows;
    std::vector<int> species, depth;      // [n_all]
    std::vector<std::int64_t> row_start;  // [n_rows + 1]
    std::vector<int> neighbour;           // [e], -1 for atoms that are too deep to matter
    std::vector<T> vector;                // [e, 3]

    // adds the slopes of the edges of other processes' atoms to their owners' edges; slope [e, 3]
    void give_back(const Neighbourhood<T>& near, Exchange& exchange, T* slope) const;

private:
    // one layer of rows: who asked which own rows, and where the rows asked of each process begin here
    struct Layer {
        std::vector<std::vector<int>> asked_by;           // [rank] own rows
        std::vector<std::pair<int, int>> rows_from;       // [rank] first and last row here
    };
    std::vector<Layer> layers_;

    struct Sent {
        std::int64_t key;
        int species;
        T vector[3];
    };
};

namespace parcel {

template <typename V>
void append(std::vector<char>& parcel, const V* values, std::size_t count) {
    const auto* bytes = reinterpret_cast<const char*>(values);
    parcel.insert(parcel.end(), bytes, bytes + count * sizeof(V));
}

// the next values of a parcel, which moves on
template <typename V>
std::vector<V> take(const std::vector<char>& parcel, std::size_t& at, std::size_t count) {
    std::vector<V> values(count);
    if (count) std::memcpy(values.data(), parcel.data() + at, count * sizeof(V));
    at += count * sizeof(V);
    return values;
}

}  // namespace parcel

template <typename T>
Halo<T>::Halo(const Neighbourhood<T>& near, Exchange& exchange, int deepest)
    : n_own(near.n_own), n_all(near.n_all), n_rows(near.n_own), species(near.species, near.species + near.n_all),
      depth(near.n_all, 1), row_start(near.row_start, near.row_start + near.n_own + 1),
      neighbour(near.neighbour, near.neighbour + near.row_start[near.n_own]),
      vector(near.vector, near.vector + 3 * near.row_start[near.n_own]) {
    std::fill(depth.begin(), depth.begin() + n_own, 0);
    const int ranks = exchange.ranks();
    if (ranks == 1) return;
    std::unordered_map<std::int64_t, int> atom_of_key;
    std::vector<std::int64_t> keys;  // of the atoms whose rows are asked for next, sorted
    for (int i = n_own; i < n_all; ++i) {
        atom_of_key[exchange.home(i)] = i;
        keys.push_back(exchange.home(i));
    }
    for (int layer = 1; layer <= deepest; ++layer) {
        Layer known;
        Exchange::Parcels questions(ranks), answers(ranks);
        for (const std::int64_t key : keys) {
            const int row = Exchange::row_of(key);
            parcel::append(questions[Exchange::rank_of(key)], &row, 1);
        }
        const Exchange::Parcels asked = exchange.swap(questions);
        for (int r = 0; r < ranks; ++r) {
            std::size_t at = 0;
            known.asked_by.push_back(parcel::take<int>(asked[r], at, asked[r].size() / sizeof(int)));
            for (const int row : known.asked_by[r]) {
                const std::int64_t count = near.row_start[row + 1] - near.row_start[row];
                parcel::append(answers[r], &count, 1);
                for (std::int64_t e = near.row_start[row]; e < near.row_start[row + 1]; ++e) {
                    const int j = near.neighbour[e];
                    const T* d = near.vector + 3 * e;
                    const Sent sent = {j < near.n_own ? Exchange::key(exchange.rank(), j) : exchange.home(j), near.species[j], {d[0], d[1], d[2]}};
                    parcel::append(answers[r], &sent, 1);
                }
            }
        }
        const Exchange::Parcels rows = exchange.swap(answers);
        // neighbours by key first: their numbers follow when all of this layer are known
        std::vector<std::int64_t> ends;
        std::unordered_map<std::int64_t, int> new_species;
        for (int r = 0; r < ranks; ++r) {
            const int first = n_rows;
            for (std::size_t at = 0; at < rows[r].size();) {
                const std::int64_t count = parcel::take<std::int64_t>(rows[r], at, 1)[0];
                for (const Sent& sent : parcel::take<Sent>(rows[r], at, std::size_t(count))) {
                    ends.push_back(sent.key);
                    vector.insert(vector.end(), sent.vector, sent.vector + 3);
                    const bool own = Exchange::rank_of(sent.key) == exchange.rank();
                    if (!own && !atom_of_key.count(sent.key)) new_species[sent.key] = sent.species;
                }
                row_start.push_back(row_start.back() + count);
                ++n_rows;
            }
            known.rows_from.emplace_back(first, n_rows);
        }
        layers_.push_back(std::move(known));
        keys.clear();
        if (layer < deepest) {
            for (const auto& [key, kind] : new_species) keys.push_back(key);
            std::sort(keys.begin(), keys.end());
            for (const std::int64_t key : keys) {
                atom_of_key[key] = n_all++;
                species.push_back(new_species[key]);
                depth.push_back(layer + 1);
            }
        }
        for (const std::int64_t key : ends) {
            const auto found = atom_of_key.find(key);
            const bool own = Exchange::rank_of(key) == exchange.rank();
            neighbour.push_back(own ? Exchange::row_of(key) : found == atom_of_key.end() ? -1 : found->second);
        }
    }
}

template <typename T>
void Halo<T>::give_back(const Neighbourhood<T>& near, Exchange& exchange, T* slope) const {
    for (const Layer& layer : layers_) {
        Exchange::Parcels parcels(exchange.ranks());
        for (int r = 0; r < exchange.ranks(); ++r) {
            const std::int64_t begin = row_start[layer.rows_from[r].first], end = row_start[layer.rows_from[r].second];
            parcel::append(parcels[r], slope + 3 * begin, std::size_t(3 * (end - begin)));
        }
        const Exchange::Parcels back = exchange.swap(parcels);
        for (int r = 0; r < exchange.ranks(); ++r) {
            std::size_t at = 0;
            for (const int row : layer.asked_by[r]) {
                const std::int64_t begin = 3 * near.row_start[row], count = 3 * near.row_start[row + 1] - begin;
                const std::vector<T> part = parcel::take<T>(back[r], at, std::size_t(count));
                for (std::int64_t k = 0; k < count; ++k) slope[begin + k] += part[k];
            }
        }
    }
}

}  // namespace sciml
