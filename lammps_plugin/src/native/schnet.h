// SchNet (Schuett et al. 2018, arXiv:1712.06113) with its derivative by the edges, as sciml/gnn/schnet.py has it.
//
// Forward, a layer sums over neighbours the filter times f, a linear image of the neighbour's features. Backward, the
// slopes of the energy by these sums are gathered over neighbours in the same way. Kept are f and the sums of each
// layer, the latter overwritten by their slopes; all else is computed again in blocks of atoms.

#pragma once

#include <algorithm>

#include "atoms.h"
#include "radial_table.h"

namespace sciml::SCIML_ISA {

template <typename T>
struct SchNetWeights {
    struct Layer {
        Dense<T> before, after1, after2;
        RadialTable<T> filter;
    };
    int channels = 0, n_species = 0;  // the first padded
    double cutoff = 0;
    Array<T> embedding;  // [species, c]
    std::vector<Layer> layers;
    Readout<T> readout;
};

template <typename T>
class SchNet final : public Model<T> {
public:
    explicit SchNet(SchNetWeights<T> weights) : w_(std::move(weights)), c_(w_.channels) {
        first_.resize(std::size_t(w_.n_species) * c_);
        dense<false>(w_.n_species, w_.embedding.data(), c_, w_.layers[0].before.weight.data(), c_, c_, first_.data(), c_);
        // energies are counted from lone atoms
        lone_.assign(w_.n_species, 0.0);
        lone_ = lone_energies(*this, w_.n_species);
    }

    void evaluate(const Neighbourhood<T>& near, Exchange& exchange, double* energy, T* slope) override {
        const int n_layers = int(w_.layers.size()), n = near.n_own, c = c_;
        sums_.resize(n_layers);
        sent_.resize(n_layers);
        for (auto& rows : sums_) make_room(rows, std::size_t(near.n_all) * c);
        for (int layer = 1; layer < n_layers; ++layer) make_room(sent_[layer], std::size_t(near.n_all) * c);
        make_room(features_, std::size_t(n) * c);
        for (int i = 0; i < n; ++i)
            std::memcpy(&features_[std::size_t(i) * c], &w_.embedding[std::size_t(near.species[i]) * c], sizeof(T) * c);
        for (int layer = 0; layer < n_layers; ++layer) {
            if (layer) exchange.forward(sent_[layer].data(), sizeof(T) * c);
#pragma omp parallel for schedule(static)
            for (int i = 0; i < n; ++i) receive(near, layer, i);
            advance(near, layer);
        }
        finish(near, energy);
        for (int layer = n_layers - 1; layer >= 0; --layer) {
            exchange.forward(sums_[layer].data(), sizeof(T) * c);
            back(near, layer, slope);
        }
    }

    double bytes() const override {
        double count = features_.capacity();
        for (const auto& rows : sums_) count += rows.capacity();
        for (const auto& rows : sent_) count += rows.capacity();
        return count * sizeof(T);
    }

private:
    using Table = RadialTable<T>;
    static constexpr int block = 24;

    SchNetWeights<T> w_;
    int c_;
    Array<T> first_;                       // [species, c]: f of the first layer
    std::vector<double> lone_;             // [species]
    std::vector<Array<T>> sums_, sent_;    // by layer [n_all, c]: sums over neighbours, then their slopes; f
    Array<T> features_;                    // [n_own, c], on the way back the slopes by them

    // for a block of atoms
    struct Scratch {
        Array<T> hidden, slope, back;
        explicit Scratch(int c) : hidden(block * c), slope(block * c), back(block * c) {}
    };

    const T* sent_by(const Neighbourhood<T>& near, int layer, int j) const {
        return layer ? &sent_[layer][std::size_t(j) * c_] : &first_[std::size_t(near.species[j]) * c_];
    }

    void receive(const Neighbourhood<T>& near, int layer, int i) {
        const int c = c_;
        const Table& filter = w_.layers[layer].filter;
        T* to = &sums_[layer][std::size_t(i) * c];
        std::memset(to, 0, sizeof(T) * c);
        for (std::int64_t e = near.row_start[i]; e < near.row_start[i + 1]; ++e) {
            const T* d = near.vector + 3 * e;
            const T distance = length(d);
            T t;
            const T* row = filter.row(distance, t);
            const T* from = sent_by(near, layer, near.neighbour[e]);
            for (int k = 0; k < c; k += lanes<T>) at(to + k) += Table::value(Table::group(row, k), t) * at(from + k);
        }
    }

    // features += after(sums), and what is sent in the next layer
    void advance(const Neighbourhood<T>& near, int layer) {
        const int c = c_;
        const auto& w = w_.layers[layer];
#pragma omp parallel
        {
            Array<T> hidden(block * c);
#pragma omp for schedule(static)
            for (int begin = 0; begin < near.n_own; begin += block) {
                const int rows = std::min(block, near.n_own - begin);
                T* x = &features_[std::size_t(begin) * c];
                hidden_layer(w.after1, rows, &sums_[layer][std::size_t(begin) * c], c, hidden.data(), nullptr);
                add_rows(rows, w.after2.bias.data(), x);
                dense<true>(rows, hidden.data(), c, w.after2.weight.data(), c, c, x, c);
                if (layer + 1 < int(w_.layers.size()))
                    dense<false>(rows, x, c, w_.layers[layer + 1].before.weight.data(), c, c, &sent_[layer + 1][std::size_t(begin) * c], c);
            }
        }
    }

    void add_rows(int rows, const T* bias, T* x) const {
        for (int r = 0; r < rows; ++r)
            for (int i = 0; i < c_; ++i) x[r * c_ + i] += bias[i];
    }

    // padded columns get a constant of the activation too, but no weight takes it further
    static void hidden_layer(const Dense<T>& layer, int rows, const T* in, int inputs, T* hidden, T* slope) {
        fill_rows(rows, layer.bias.data(), layer.outputs, hidden, layer.outputs);
        dense<true>(rows, in, inputs, layer.weight.data(), layer.inputs, layer.outputs, hidden, layer.outputs);
        softplus(rows * layer.outputs, hidden, hidden, slope);
    }

    // the readout, and its slopes in place of the features
    void finish(const Neighbourhood<T>& near, double* energy) {
        const int c = c_, h = w_.readout.hidden.outputs;
#pragma omp parallel
        {
            Array<T> hidden(block * h), slope(block * h);
            Scratch scratch(c);
#pragma omp for schedule(static)
            for (int begin = 0; begin < near.n_own; begin += block) {
                const int rows = std::min(block, near.n_own - begin);
                T* x = &features_[std::size_t(begin) * c];
                hidden_layer(w_.readout.hidden, rows, x, c, hidden.data(), slope.data());
                for (int r = 0; r < rows; ++r) {
                    const double total = read_out(w_.readout, &hidden[r * h], &slope[r * h]);
                    energy[begin + r] = total - lone_[near.species[begin + r]];
                }
                dense<false>(rows, slope.data(), h, w_.readout.hidden.transposed.data(), h, c, x, c);
                slopes_of_sums(int(w_.layers.size()) - 1, begin, rows, scratch);
            }
        }
    }

    // slopes by the sums of a layer, in their place, from those by the features after it
    void slopes_of_sums(int layer, int begin, int rows, Scratch& x) {
        const int c = c_;
        const auto& w = w_.layers[layer];
        T* sums = &sums_[layer][std::size_t(begin) * c];
        hidden_layer(w.after1, rows, sums, c, x.hidden.data(), x.slope.data());
        dense<false>(rows, &features_[std::size_t(begin) * c], c, w.after2.transposed.data(), c, c, x.back.data(), c);
        for (int i = 0; i < rows * c; ++i) x.back[i] *= x.slope[i];
        dense<false>(rows, x.back.data(), c, w.after1.transposed.data(), c, c, sums, c);
    }

    void back(const Neighbourhood<T>& near, int layer, T* slope) {
        const int c = c_;
#pragma omp parallel
        {
            Array<T> gathered(block * c);
            Scratch scratch(c);
#pragma omp for schedule(static)
            for (int begin = 0; begin < near.n_own; begin += block) {
                const int rows = std::min(block, near.n_own - begin);
                std::fill(gathered.begin(), gathered.end(), T(0));
                for (int r = 0; r < rows; ++r) gather(near, layer, begin + r, &gathered[r * c], slope);
                if (!layer) continue;
                dense<true>(rows, gathered.data(), c, w_.layers[layer].before.transposed.data(), c, c, &features_[std::size_t(begin) * c], c);
                slopes_of_sums(layer - 1, begin, rows, scratch);
            }
        }
    }

    // over the neighbours of atom i: the slope by what it sent, and half the slope of each pair by its vector
    void gather(const Neighbourhood<T>& near, int layer, int i, T* to, T* slope) const {
        const int c = c_;
        const Table& filter = w_.layers[layer].filter;
        const T *gi = &sums_[layer][std::size_t(i) * c], *fi = sent_by(near, layer, i);
        for (std::int64_t e = near.row_start[i]; e < near.row_start[i + 1]; ++e) {
            const T* d = near.vector + 3 * e;
            const T distance = length(d);
            T* out = slope + 3 * e;
            if (layer == int(w_.layers.size()) - 1) out[0] = out[1] = out[2] = 0;
            T t;
            const T* row = filter.row(distance, t);
            const int j = near.neighbour[e];
            const T *gj = &sums_[layer][std::size_t(j) * c], *fj = sent_by(near, layer, j);
            Vector<T> radial{};
            for (int k = 0; k < c; k += lanes<T>) {
                Vector<T> f, f1;
                Table::value_and_slope(Table::group(row, k), t, f, f1);
                radial += f1 * (at(fj + k) * at(gi + k) + at(fi + k) * at(gj + k));
                at(to + k) += f * at(gj + k);
            }
            const double half = 0.5 * double(sum<T>(radial)) * filter.per_step() / distance;
            for (int m = 0; m < 3; ++m) out[m] += half * d[m];
        }
    }
};

}  // namespace sciml::SCIML_ISA
