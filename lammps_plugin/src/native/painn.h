// PaiNN (Schuett et al. 2021, arXiv:2102.03150) with its derivative by the edges, as sciml/gnn/painn.py has it.
//
// An atom's row holds c scalars and 3 c vector components, [s | vx | vy | vz]. Forward, a layer's messages are sums over
// neighbours of filters times what the neighbour sends, x = [a | g | b vx | b vy | b vz]. Backward, the slopes G of the
// energy by the rows after the messages are gathered over neighbours in the same way, for each pair stands in both
// directions. Only the rows after the messages are kept, later overwritten by G; all else is computed again in blocks.
// With three layers or more those after the first messages, the cheapest, are gathered again on the way back, to where the
// last layer's have been.

#pragma once

#include <algorithm>

#include "atoms.h"
#include "radial_table.h"

namespace sciml::SCIML_ISA {

// as in sciml/gnn/painn.py
template <typename T>
constexpr T length_floor = T(0.1);

template <typename T>
struct PaiNNWeights {
    struct Layer {
        Dense<T> context1, context2, mix, update1, update2;
        RadialTable<T> filter;  // of each whole vector of channels: scalar, edge, vector
    };
    int channels = 0;  // padded
    double cutoff = 0;
    Array<T> embedding;  // [species, c]
    int n_species = 0;
    std::vector<Layer> layers;
    Readout<T> readout;
};

template <typename T>
class PaiNN final : public Model<T> {
public:
    explicit PaiNN(PaiNNWeights<T> weights) : w_(std::move(weights)), c_(w_.channels) {
        // what an atom sends first depends on its species alone
        first_.resize(std::size_t(w_.n_species) * 2 * c_);
        Array<T> hidden(c_), sent(3 * c_);
        for (int k = 0; k < w_.n_species; ++k) {
            context(w_.layers[0], 1, embedding(k), c_, hidden.data(), nullptr, sent.data());
            std::memcpy(&first_[std::size_t(k) * 2 * c_], sent.data(), sizeof(T) * c_);
            std::memcpy(&first_[std::size_t(k) * 2 * c_ + c_], &sent[2 * c_], sizeof(T) * c_);
        }
        // energies are counted from lone atoms
        lone_.assign(w_.n_species, 0.0);
        lone_ = lone_energies(*this, w_.n_species);
    }

    void evaluate(const Neighbourhood<T>& near, Exchange& exchange, double* energy, T* slope) override {
        const int n_layers = int(w_.layers.size()), n = near.n_own;
        rows_.resize(n_layers);
        for (int layer = lean() ? 1 : 0; layer < n_layers; ++layer) make_room(rows_[layer], std::size_t(near.n_all) * 4 * c_);
        if (n_layers > 1) make_room(sent_, std::size_t(near.n_all) * 5 * c_);

        for (int layer = 0; layer < n_layers; ++layer) {
            if (layer) {
                send(near, layer, true);
                exchange.forward(sent_.data(), sizeof(T) * 5 * c_);
            }
            if (!layer && lean()) continue;
#pragma omp parallel for schedule(static)
            for (int i = 0; i < n; ++i) {
                T* to = &rows(layer)[std::size_t(i) * 4 * c_];
                layer ? receive<false>(near, layer, i, to) : receive<true>(near, layer, i, to);
            }
        }
        finish(near, energy);
        for (int layer = n_layers - 1; layer >= 0; --layer) {
            exchange.forward(rows(layer).data(), sizeof(T) * 4 * c_);
            if (layer && layer < n_layers - 1) {
                send(near, layer, false);
                exchange.forward(sent_.data(), sizeof(T) * 5 * c_);
            }
            if (layer)
                back<false>(near, layer, slope);
            else
                back<true>(near, layer, slope);
        }
    }

    double bytes() const override {
        double count = sent_.capacity();
        for (const auto& rows : rows_) count += rows.capacity();
        return count * sizeof(T);
    }

private:
    using Table = RadialTable<T>;
    static constexpr int block = 24;

    PaiNNWeights<T> w_;
    int c_;
    Array<T> first_;               // [species, 2 c]: a and g of the first layer
    std::vector<double> lone_;     // [species]
    std::vector<Array<T>> rows_;   // by layer [n_all, 4 c]: rows after the messages, on the way back their slopes
    Array<T> sent_;                // [n_all, 5 c]

    bool lean() const { return w_.layers.size() >= 3; }
    Array<T>& rows(int layer) { return rows_[lean() && !layer ? w_.layers.size() - 1 : layer]; }
    const Array<T>& rows(int layer) const { return rows_[lean() && !layer ? w_.layers.size() - 1 : layer]; }

    const T* embedding(int species) const { return &w_.embedding[std::size_t(species) * c_]; }
    const T* first(int species) const { return &first_[std::size_t(species) * 2 * c_]; }

    // [a | b | g] of scalars; the activation's slope is kept where asked for
    static void context(const typename PaiNNWeights<T>::Layer& layer, int rows, const T* s, int lds, T* hidden,
                        T* slope, T* out) {
        const int c = layer.context1.outputs;
        fill_rows(rows, layer.context1.bias.data(), c, hidden, c);
        dense<true>(rows, s, lds, layer.context1.weight.data(), c, c, hidden, c);
        silu(rows * c, hidden, hidden, slope);
        fill_rows(rows, layer.context2.bias.data(), 3 * c, out, 3 * c);
        dense<true>(rows, hidden, c, layer.context2.weight.data(), c, 3 * c, out, 3 * c);
    }

    // what an update needs, for a block of atoms
    struct Scratch {
        Array<T> first, state, uv, inputs, hidden, slope, gates, turn, hidden2, slope2, sent, g_gates, g_hidden, g_inputs, g_uv, g_state;
        explicit Scratch(int c)
            : first(block * 4 * c), state(block * 4 * c), uv(block * 6 * c), inputs(block * 2 * c), hidden(block * c), slope(block * c),
              gates(block * 3 * c), turn(block * c), hidden2(block * c), slope2(block * c), sent(block * 3 * c),
              g_gates(block * 3 * c), g_hidden(block * c), g_inputs(block * 2 * c), g_uv(block * 6 * c), g_state(block * 4 * c) {}
    };

    // scratch.state = rows after the update; the other members are what `update_back` needs
    void update(const typename PaiNNWeights<T>::Layer& layer, int rows, const T* in, Scratch& x) const {
        const int c = c_;
        for (int k = 0; k < 3; ++k)
            dense<false>(rows, in + (1 + k) * c, 4 * c, layer.mix.weight.data(), c, 2 * c, x.uv.data() + 2 * k * c, 6 * c);
        for (int r = 0; r < rows; ++r) {
            const T* uv = &x.uv[std::size_t(r) * 6 * c];
            T* inputs = &x.inputs[std::size_t(r) * 2 * c];
            T* turn = &x.turn[std::size_t(r) * c];
            const T* s = in + std::size_t(r) * 4 * c;
#pragma omp simd
            for (int i = 0; i < c; ++i) {
                const T w0 = uv[c + i], w1 = uv[3 * c + i], w2 = uv[5 * c + i];
                inputs[i] = s[i];
                inputs[c + i] = std::sqrt(w0 * w0 + w1 * w1 + w2 * w2 + length_floor<T>);
                turn[i] = uv[i] * w0 + uv[2 * c + i] * w1 + uv[4 * c + i] * w2;
            }
        }
        fill_rows(rows, layer.update1.bias.data(), c, x.hidden.data(), c);
        dense<true>(rows, x.inputs.data(), 2 * c, layer.update1.weight.data(), 2 * c, c, x.hidden.data(), c);
        silu(rows * c, x.hidden.data(), x.hidden.data(), x.slope.data());
        fill_rows(rows, layer.update2.bias.data(), 3 * c, x.gates.data(), 3 * c);
        dense<true>(rows, x.hidden.data(), c, layer.update2.weight.data(), c, 3 * c, x.gates.data(), 3 * c);
        for (int r = 0; r < rows; ++r) {
            const T *uv = &x.uv[std::size_t(r) * 6 * c], *turn = &x.turn[std::size_t(r) * c];
            const T *gates = &x.gates[std::size_t(r) * 3 * c], *from = in + std::size_t(r) * 4 * c;
            T* to = &x.state[std::size_t(r) * 4 * c];
#pragma omp simd
            for (int i = 0; i < c; ++i) {
                to[i] = from[i] + gates[i] + gates[c + i] * turn[i];
                for (int k = 0; k < 3; ++k) to[(1 + k) * c + i] = from[(1 + k) * c + i] + gates[2 * c + i] * uv[2 * k * c + i];
            }
        }
    }

    // slopes by the rows before the update from those after it (g_state), written to `out`
    void update_back(const typename PaiNNWeights<T>::Layer& layer, int rows, Scratch& x, T* out) const {
        const int c = c_;
        for (int r = 0; r < rows; ++r) {
            const T *uv = &x.uv[std::size_t(r) * 6 * c], *turn = &x.turn[std::size_t(r) * c], *g = &x.g_state[std::size_t(r) * 4 * c];
            T* gates = &x.g_gates[std::size_t(r) * 3 * c];
#pragma omp simd
            for (int i = 0; i < c; ++i) {
                gates[i] = g[i];
                gates[c + i] = g[i] * turn[i];
                gates[2 * c + i] = g[c + i] * uv[i] + g[2 * c + i] * uv[2 * c + i] + g[3 * c + i] * uv[4 * c + i];
            }
        }
        dense<false>(rows, x.g_gates.data(), 3 * c, layer.update2.transposed.data(), 3 * c, c, x.g_hidden.data(), c);
        for (int i = 0; i < rows * c; ++i) x.g_hidden[i] *= x.slope[i];
        dense<false>(rows, x.g_hidden.data(), c, layer.update1.transposed.data(), c, 2 * c, x.g_inputs.data(), 2 * c);
        for (int r = 0; r < rows; ++r) {
            const T *uv = &x.uv[std::size_t(r) * 6 * c], *g = &x.g_state[std::size_t(r) * 4 * c];
            const T *gates = &x.gates[std::size_t(r) * 3 * c], *inputs = &x.inputs[std::size_t(r) * 2 * c];
            const T* g_inputs = &x.g_inputs[std::size_t(r) * 2 * c];
            T *g_uv = &x.g_uv[std::size_t(r) * 6 * c], *to = out + std::size_t(r) * 4 * c;
#pragma omp simd
            for (int i = 0; i < c; ++i) {
                const T of_turn = g[i] * gates[c + i], of_length = g_inputs[c + i] / inputs[c + i];
                to[i] = g[i] + g_inputs[i];
                for (int k = 0; k < 3; ++k) {
                    g_uv[2 * k * c + i] = gates[2 * c + i] * g[(1 + k) * c + i] + of_turn * uv[(2 * k + 1) * c + i];
                    g_uv[(2 * k + 1) * c + i] = of_turn * uv[2 * k * c + i] + of_length * uv[(2 * k + 1) * c + i];
                    to[(1 + k) * c + i] = g[(1 + k) * c + i];
                }
            }
        }
        for (int k = 0; k < 3; ++k)
            dense<true>(rows, x.g_uv.data() + 2 * k * c, 6 * c, layer.mix.transposed.data(), 2 * c, c, out + (1 + k) * c, 4 * c);
    }

    // what each own atom sends in `layer`; forwards, its row after the update is where the messages are added
    void send(const Neighbourhood<T>& near, int layer, bool forwards) {
        const int c = c_;
#pragma omp parallel
        {
            Scratch x(c);
#pragma omp for schedule(static)
            for (int begin = 0; begin < near.n_own; begin += block) {
                const int rows = std::min(block, near.n_own - begin);
                const T* before = &this->rows(layer - 1)[std::size_t(begin) * 4 * c];
                if (layer == 1 && lean()) {
                    // on the way back they are kept for `back`: the last layer's slopes have served
                    T* first = forwards ? x.first.data() : &this->rows(0)[std::size_t(begin) * 4 * c];
                    for (int r = 0; r < rows; ++r) receive<true>(near, 0, begin + r, first + std::size_t(r) * 4 * c);
                    before = first;
                }
                update(w_.layers[layer - 1], rows, before, x);
                context(w_.layers[layer], rows, x.state.data(), 4 * c, x.hidden2.data(), nullptr, x.sent.data());
                for (int r = 0; r < rows; ++r) {
                    const T *state = &x.state[std::size_t(r) * 4 * c], *abg = &x.sent[std::size_t(r) * 3 * c];
                    T* sent = &sent_[std::size_t(begin + r) * 5 * c];
#pragma omp simd
                    for (int i = 0; i < c; ++i) {
                        sent[i] = abg[i];
                        sent[c + i] = abg[2 * c + i];
                        for (int k = 0; k < 3; ++k) sent[(2 + k) * c + i] = abg[c + i] * state[(1 + k) * c + i];
                    }
                }
                if (forwards) std::memcpy(&this->rows(layer)[std::size_t(begin) * 4 * c], x.state.data(), sizeof(T) * rows * 4 * c);
            }
        }
    }

    template <bool is_first>
    const T* sent_by(const Neighbourhood<T>& near, int j) const {
        return is_first ? first(near.species[j]) : &sent_[std::size_t(j) * 5 * c_];
    }

    template <bool is_first>
    void receive(const Neighbourhood<T>& near, int layer, int i, T* to) const {
        const int c = c_;
        const Table& filter = w_.layers[layer].filter;
        if (is_first) {
            std::memcpy(to, embedding(near.species[i]), sizeof(T) * c);
            std::memset(to + c, 0, sizeof(T) * 3 * c);
        }
        constexpr int wide = lanes<T>;
        for (std::int64_t e = near.row_start[i]; e < near.row_start[i + 1]; ++e) {
            const T* d = near.vector + 3 * e;
            const T distance = length(d);
            const T x = d[0] / distance, y = d[1] / distance, z = d[2] / distance;
            T t;
            const T* row = filter.row(distance, t);
            const T* from = sent_by<is_first>(near, near.neighbour[e]);
            for (int k = 0; k < c; k += wide) {
                const auto fs = Table::value(Table::group(row, 3 * k), t);
                const auto pull = Table::value(Table::group(row, 3 * k + wide), t) * at(from + c + k);
                at(to + k) += fs * at(from + k);
                if (is_first) {
                    at(to + c + k) += pull * x;
                    at(to + 2 * c + k) += pull * y;
                    at(to + 3 * c + k) += pull * z;
                } else {
                    const auto fv = Table::value(Table::group(row, 3 * k + 2 * wide), t);
                    at(to + c + k) += pull * x + fv * at(from + 2 * c + k);
                    at(to + 2 * c + k) += pull * y + fv * at(from + 3 * c + k);
                    at(to + 3 * c + k) += pull * z + fv * at(from + 4 * c + k);
                }
            }
        }
    }

    // the last update and the readout, and back through both: energies, and slopes in place of the last rows
    void finish(const Neighbourhood<T>& near, double* energy) {
        const int c = c_, h = w_.readout.hidden.outputs;
        auto& last = rows_.back();
#pragma omp parallel
        {
            Scratch x(c);
            Array<T> hidden(block * h), slope(block * h);
#pragma omp for schedule(static)
            for (int begin = 0; begin < near.n_own; begin += block) {
                const int rows = std::min(block, near.n_own - begin);
                T* in = &last[std::size_t(begin) * 4 * c];
                update(w_.layers.back(), rows, in, x);
                fill_rows(rows, w_.readout.hidden.bias.data(), h, hidden.data(), h);
                dense<true>(rows, x.state.data(), 4 * c, w_.readout.hidden.weight.data(), c, h, hidden.data(), h);
                silu(rows * h, hidden.data(), hidden.data(), slope.data());
                for (int r = 0; r < rows; ++r) {
                    const double total = read_out(w_.readout, &hidden[r * h], &slope[r * h]);
                    energy[begin + r] = total - lone_[near.species[begin + r]];
                }
                std::fill(x.g_state.begin(), x.g_state.end(), T(0));
                dense<false>(rows, slope.data(), h, w_.readout.hidden.transposed.data(), h, c, x.g_state.data(), 4 * c);
                update_back(w_.layers.back(), rows, x, in);
            }
        }
    }

    // slopes by the edges of `layer`, and by the rows after the messages of the layer before
    template <bool is_first>
    void back(const Neighbourhood<T>& near, int layer, T* slope) {
        const int c = c_;
#pragma omp parallel
        {
            Scratch x(c);
            Array<T> gathered(block * 5 * c);
#pragma omp for schedule(static)
            for (int begin = 0; begin < near.n_own; begin += block) {
                const int rows = std::min(block, near.n_own - begin);
                if (!is_first) std::fill(gathered.begin(), gathered.end(), T(0));
                for (int r = 0; r < rows; ++r) gather<is_first>(near, layer, begin + r, &gathered[std::size_t(r) * 5 * c], slope);
                if (is_first) continue;
                const auto& w = w_.layers[layer];
                T* before = &this->rows(layer - 1)[std::size_t(begin) * 4 * c];
                update(w_.layers[layer - 1], rows, before, x);
                context(w, rows, x.state.data(), 4 * c, x.hidden2.data(), x.slope2.data(), x.sent.data());
                for (int r = 0; r < rows; ++r) {
                    const T *from = &gathered[std::size_t(r) * 5 * c], *state = &x.state[std::size_t(r) * 4 * c];
                    const T *b = &x.sent[std::size_t(r) * 3 * c + c], *g = &this->rows(layer)[std::size_t(begin + r) * 4 * c];
                    T *of_abg = &x.g_gates[std::size_t(r) * 3 * c], *to = &x.g_state[std::size_t(r) * 4 * c];
#pragma omp simd
                    for (int i = 0; i < c; ++i) {
                        of_abg[i] = from[i];
                        of_abg[2 * c + i] = from[c + i];
                        T of_b = 0;
                        for (int k = 0; k < 3; ++k) {
                            of_b += from[(2 + k) * c + i] * state[(1 + k) * c + i];
                            to[(1 + k) * c + i] = g[(1 + k) * c + i] + b[i] * from[(2 + k) * c + i];
                        }
                        of_abg[c + i] = of_b;
                        to[i] = g[i];
                    }
                }
                dense<false>(rows, x.g_gates.data(), 3 * c, w.context2.transposed.data(), 3 * c, c, x.g_hidden.data(), c);
                for (int i = 0; i < rows * c; ++i) x.g_hidden[i] *= x.slope2[i];
                dense<true>(rows, x.g_hidden.data(), c, w.context1.transposed.data(), c, c, x.g_state.data(), 4 * c);
                update_back(w_.layers[layer - 1], rows, x, before);
            }
        }
    }

    // over the neighbours of atom i: slopes by what it sent, [a | g | bv], and half the slope of each pair by its vector
    template <bool is_first>
    void gather(const Neighbourhood<T>& near, int layer, int i, T* to, T* slope) const {
        const int c = c_;
        const Table& filter = w_.layers[layer].filter;
        const T *gi = &rows(layer)[std::size_t(i) * 4 * c], *si = sent_by<is_first>(near, i);
        constexpr int wide = lanes<T>;
        for (std::int64_t e = near.row_start[i]; e < near.row_start[i + 1]; ++e) {
            const T* d = near.vector + 3 * e;
            const T distance = length(d);
            T* out = slope + 3 * e;
            if (layer == int(w_.layers.size()) - 1) out[0] = out[1] = out[2] = 0;
            const T x = d[0] / distance, y = d[1] / distance, z = d[2] / distance;
            T t;
            const T* row = filter.row(distance, t);
            const int j = near.neighbour[e];
            const T *gj = &rows(layer)[std::size_t(j) * 4 * c], *sj = sent_by<is_first>(near, j);
            Vector<T> radial{}, dx{}, dy{}, dz{};
            for (int k = 0; k < c; k += wide) {
                Vector<T> fs, fs1, fe, fe1;
                Table::value_and_slope(Table::group(row, 3 * k), t, fs, fs1);
                Table::value_and_slope(Table::group(row, 3 * k + wide), t, fe, fe1);
                const auto along_j = x * at(gj + c + k) + y * at(gj + 2 * c + k) + z * at(gj + 3 * c + k);
                const auto along_i = x * at(gi + c + k) + y * at(gi + 2 * c + k) + z * at(gi + 3 * c + k);
                radial += fs1 * (at(sj + k) * at(gi + k) + at(si + k) * at(gj + k));
                radial += fe1 * (at(sj + c + k) * along_i - at(si + c + k) * along_j);
                const auto from_j = fe * at(sj + c + k), from_i = fe * at(si + c + k);
                dx += from_j * at(gi + c + k) - from_i * at(gj + c + k);
                dy += from_j * at(gi + 2 * c + k) - from_i * at(gj + 2 * c + k);
                dz += from_j * at(gi + 3 * c + k) - from_i * at(gj + 3 * c + k);
                if (!is_first) {
                    Vector<T> fv, fv1;
                    Table::value_and_slope(Table::group(row, 3 * k + 2 * wide), t, fv, fv1);
                    at(to + k) += fs * at(gj + k);
                    at(to + c + k) -= fe * along_j;
                    Vector<T> both{};
                    for (int m = 0; m < 3; ++m) {
                        both += at(sj + (2 + m) * c + k) * at(gi + (1 + m) * c + k) + at(si + (2 + m) * c + k) * at(gj + (1 + m) * c + k);
                        at(to + (2 + m) * c + k) += fv * at(gj + (1 + m) * c + k);
                    }
                    radial += fv1 * both;
                }
            }
            const double r = double(sum<T>(radial)) * filter.per_step();
            const double p[3] = {double(sum<T>(dx)), double(sum<T>(dy)), double(sum<T>(dz))};
            const double u[3] = {d[0] / distance, d[1] / distance, d[2] / distance};
            const double along = p[0] * u[0] + p[1] * u[1] + p[2] * u[2];
            for (int m = 0; m < 3; ++m) out[m] += 0.5 * (r * u[m] + (p[m] - along * u[m]) / distance);
        }
    }
};

}  // namespace sciml::SCIML_ISA
