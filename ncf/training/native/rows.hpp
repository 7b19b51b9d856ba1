// Adam for the rows of a batch alone (Kingma and Ba, 2015), and the steps that the other rows have missed made up for.
//
// A step without a gradient still moves a row, by what its moments have left:
//
//     mean_k = mean_0 beta1^k        square_k = square_0 beta2^k
//     row   -= rate_k mean_k / (sqrt(square_k) correction_k + eps)
//
// Each is the same for every number of a row but for eps, so that a sum over the missed steps needs the row once, when
// it comes next. Beside eps the sum is exact; eps is taken with the steps' mean weight, except early in a training,
// where the corrections change fast and the steps are added one by one.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "products.hpp"

struct Parameter {
    float *value, *mean, *square;  // mean and square are null where the optimizer is SGD
    int64_t size;
    int32_t trained;
};

struct Optimizer {
    double beta1, beta2, eps;
    int32_t adam;
};

struct Rates {
    double rate;        // Adam: learning rate / (1 - beta1^t); SGD: the learning rate
    double correction;  // 1 / sqrt(1 - beta2^t)
    double kept;        // 1 - learning rate * decay
};

constexpr int64_t AHEAD = 12;        // slots, whose rows are called for
constexpr int64_t REMEMBERED = 256;  // steps, after which beta1^k has left nothing
constexpr int64_t EARLY = 1000;      // steps, whose corrections change fast

// What the missed steps add up to, by the last step that a row has made.
class History {
  public:
    explicit History(const Optimizer& optimizer) : optimizer_(optimizer) {
        for (int64_t k = 0; k <= REMEMBERED; k++) {
            mean_left_.push_back(std::pow(optimizer.beta1, k));
            root_left_.push_back(std::pow(optimizer.beta2, 0.5 * k));
        }
    }

    // Begin at a step, which all rows have made.
    void restart(int64_t step) {
        first_ = step;
        rates_.assign(1, Rates{});
        weights_.assign(1, 0.0);
        nodes_.assign(1, 0.0);
    }

    int64_t first() const { return first_; }

    void add(const Rates& rates) {
        rates_.push_back(rates);
        const int64_t made = rates_.size() - 1;
        for (int64_t k = 1; k <= std::min(made, REMEMBERED); k++) {
            const double inverse = 1 / (root_left_[k] * rates.correction);
            const double weight = rates.rate * mean_left_[k] * inverse;
            weights_[made - k] += weight;
            nodes_[made - k] += weight * inverse;
        }
        weights_.push_back(0.0);
        nodes_.push_back(0.0);
    }

    // A row as it is after the steps it has missed; `missed` of them since its step `last`.
    void catch_up(const float* __restrict row, const float* __restrict mean, const float* __restrict square,
                  int64_t width, int64_t last, int64_t missed, float* __restrict found) const {
        const float eps = optimizer_.eps;
        const int64_t place = last - first_;
        if (last < EARLY) {
            std::copy_n(row, width, found);
            for (int64_t k = 1; k <= std::min(missed, REMEMBERED); k++) {
                const Rates& rates = rates_[place + k];
                move(mean, square, width, rates.rate * mean_left_[k], root_left_[k] * rates.correction, eps, found);
            }
            return;
        }
        std::copy_n(row, width, found);
        move(mean, square, width, weights_[place], 1, eps * nodes_[place] / weights_[place], found);
    }

    float mean_left(int64_t missed) const {
        return missed <= REMEMBERED ? mean_left_[missed] : std::pow(optimizer_.beta1, missed);
    }

    float square_left(int64_t missed) const {
        return missed <= REMEMBERED ? root_left_[missed] * root_left_[missed] : std::pow(optimizer_.beta2, missed);
    }

  private:
    static void move(const float* mean, const float* square, int64_t width, float weight, float scale, float eps,
                     float* found) {
        for (int64_t i = 0; i < width; i += LANES) {
            const int64_t count = width - i;
            const Lanes by = load(mean + i, count) / (root(load(square + i, count)) * scale + eps);
            store(found + i, load(found + i, count) - weight * by, count);
        }
    }

    Optimizer optimizer_;
    int64_t first_ = 0;
    std::vector<Rates> rates_;  // of step first + place; those of `first` itself are never asked for
    std::vector<double> weights_, nodes_;
    std::vector<double> mean_left_, root_left_;  // beta1^k, beta2^(k/2)
};

// One step of some numbers; `start` is where they are after the steps they have missed.
inline void update(const Parameter& parameter, int64_t place, int64_t width, const float* start, const float* gradient,
                   const Optimizer& optimizer, const Rates& rates, float mean_left = 1, float square_left = 1) {
    float *value = parameter.value + place, *mean = parameter.mean + place, *square = parameter.square + place;
    const float new1 = 1 - optimizer.beta1, beta2 = optimizer.beta2, new2 = 1 - optimizer.beta2;
    const float eps = optimizer.eps, correction = rates.correction, rate = rates.rate, kept = rates.kept;
    for (int64_t i = 0; i < width; i += LANES) {
        const int64_t count = width - i;
        const Lanes slope = load(gradient + i, count);
        if (!optimizer.adam) {
            store(value + i, load(value + i, count) - rate * slope, count);
            continue;
        }
        const Lanes old = load(mean + i, count) * mean_left, first = old + (slope - old) * new1;
        const Lanes second = load(square + i, count) * (square_left * beta2) + slope * slope * new2;
        store(mean + i, first, count);
        store(square + i, second, count);
        store(value + i, load(start + i, count) * kept - rate * first / (root(second) * correction + eps), count);
    }
}

// An embedding table, and its rows of a batch: each distinct one once, at its slot.
struct Table {
    Parameter parameter{};
    int64_t width = 0;   // 0: the model has none
    int64_t stride = 0;  // of the slots
    Buffer rows;         // [slots, stride], caught up

    Table() = default;
    Table(Parameter whole, int64_t width, int64_t slots)
        : parameter(whole), width(width), stride(padded(width)), rows(slots * padded(width)) {}
};

// The users or the items: their two tables, and which of their rows a batch has.
struct Side {
    int64_t total = 0;           // rows of a table
    bool every_row = false;      // whether every row is in every batch
    std::vector<int64_t> last;   // the step that a row has made last
    std::vector<int32_t> slots;  // slot of a row in the present batch, or -1
    std::vector<int64_t> used;   // row of a slot
    std::vector<int32_t> counts;
    Table factors, inputs;  // GMF's, and of MLP's tower

    void begin(const int64_t* rows, int64_t count) {
        if (!every_row) used.clear();
        std::fill(counts.begin(), counts.end(), 0);
        for (int64_t i = 0; i < count; i++) {
            int32_t& slot = slots[rows[i]];
            if (slot < 0) {
                slot = used.size();
                used.push_back(rows[i]);
            }
            counts[slot]++;
        }
    }

    void end() {
        if (every_row) return;
        for (int64_t row : used) slots[row] = -1;
    }

    int64_t size() const { return used.size(); }

    // Call for the row of a slot, and its moments.
    void call_for(const Table& table, int64_t slot) const {
        const int64_t place = used[slot] * table.width;
        for (const float* start : {table.parameter.value, table.parameter.mean, table.parameter.square})
            if (start) prefetch(start + place, table.width);
    }

    // Copy the slots' rows, as they are after `now` steps.
    void gather(int64_t from, int64_t to, int64_t now, const History& history) {
        for (Table* table : {&factors, &inputs})
            for (int64_t slot = from; table->width && slot < to; slot++) {
                if (slot + AHEAD < to) call_for(*table, slot + AHEAD);
                const int64_t row = used[slot], place = row * table->width, missed = now - last[row];
                const Parameter& whole = table->parameter;
                float* found = table->rows + slot * table->stride;
                if (missed == 0 || !whole.mean)
                    std::copy_n(whole.value + place, table->width, found);
                else
                    history.catch_up(whole.value + place, whole.mean + place, whole.square + place, table->width,
                                     last[row], missed, found);
            }
    }

    // Bring all rows to step `now`.
    void catch_up(int64_t now, const History& history) {
        for (int64_t row = 0; row < total; row++) {
            const int64_t missed = now - last[row];
            if (missed == 0) continue;
            for (Table* table : {&factors, &inputs}) {
                if (!table->width || !table->parameter.mean) continue;
                const Parameter& whole = table->parameter;
                const int64_t place = row * table->width;
                float *value = whole.value + place, *mean = whole.mean + place, *square = whole.square + place;
                history.catch_up(value, mean, square, table->width, last[row], missed, table->rows);
                const float mean_left = history.mean_left(missed), square_left = history.square_left(missed);
                for (int64_t i = 0; i < table->width; i++) {
                    value[i] = table->rows[i];
                    mean[i] *= mean_left;
                    square[i] *= square_left;
                }
            }
            last[row] = now;
        }
    }
};
