// Adam for the rows of a batch alone (Kingma and Ba, 2015); the steps that the other rows miss are made up for later.
//
// A step without a gradient still moves a row, by what its moments have left:
//
//     mean_k = mean_0 beta1^k        square_k = square_0 beta2^k
//     row   -= rate_k mean_k / (sqrt(square_k) correction_k + eps)
//
// Apart from eps, the factor of mean_0 / sqrt(square_0) is the same for every element of a row. So its sum over the
// missed steps is kept, and the row is moved once, when a batch has it again. That sum is exact but for eps, which is
// taken at the steps' mean weight. Early in a training the corrections change fast, and the steps are made one by one.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "interface.hpp"
#include "vectors.hpp"

constexpr int64_t PREFETCH_AHEAD = 12;  // slots between the one in work and the one whose row is prefetched
constexpr int64_t MOST_MISSED = 256;    // steps, after which beta1^k has left nothing
constexpr int64_t EARLY = 1000;         // steps during which the corrections change fast

// What the missed steps add up to, by the last step that a row made.
class History {
  public:
    explicit History(const Optimizer& optimizer) : optimizer_(optimizer) {
        for (int64_t k = 0; k <= MOST_MISSED; k++) {
            mean_left_.push_back(std::pow(optimizer.beta1, k));
            root_left_.push_back(std::pow(optimizer.beta2, 0.5 * k));
        }
    }

    // Start from a step that all rows have made.
    void restart(int64_t step) {
        first_ = step;
        rates_.assign(1, Rates{});
        weights_.assign(1, 0.0);
        nodes_.assign(1, 0.0);
    }

    void add(const Rates& rates) {
        rates_.push_back(rates);
        const int64_t steps = rates_.size() - 1;
        for (int64_t k = 1; k <= std::min(steps, MOST_MISSED); k++) {
            const double inverse = 1 / (root_left_[k] * rates.correction);
            const double weight = rates.rate * mean_left_[k] * inverse;
            weights_[steps - k] += weight;
            nodes_[steps - k] += weight * inverse;
        }
        weights_.push_back(0.0);
        nodes_.push_back(0.0);
    }

    // A row after the steps that it missed: `missed` of them since its step `last`.
    void catch_up(const float* __restrict row, const float* __restrict mean, const float* __restrict square,
                  int64_t width, int64_t last, int64_t missed, float* __restrict result) const {
        const float eps = optimizer_.eps;
        const int64_t index = last - first_;
        if (last < EARLY) {
            std::copy_n(row, width, result);
            for (int64_t k = 1; k <= std::min(missed, MOST_MISSED); k++) {
                const Rates& rates = rates_[index + k];
                move(mean, square, width, rates.rate * mean_left_[k], root_left_[k] * rates.correction, eps, result);
            }
            return;
        }
        std::copy_n(row, width, result);
        move(mean, square, width, weights_[index], 1, eps * nodes_[index] / weights_[index], result);
    }

    float mean_left(int64_t missed) const {
        return missed <= MOST_MISSED ? mean_left_[missed] : std::pow(optimizer_.beta1, missed);
    }

    float square_left(int64_t missed) const {
        return missed <= MOST_MISSED ? root_left_[missed] * root_left_[missed] : std::pow(optimizer_.beta2, missed);
    }

  private:
    static void move(const float* mean, const float* square, int64_t width, float weight, float scale, float eps,
                     float* result) {
        for (int64_t i = 0; i < width; i += LANES) {
            const int64_t count = width - i;
            const Lanes by = load(mean + i, count) / (square_root(load(square + i, count)) * scale + eps);
            store(result + i, load(result + i, count) - weight * by, count);
        }
    }

    Optimizer optimizer_;
    int64_t first_ = 0;
    std::vector<Rates> rates_;  // of step first + index; the ones of step `first` are not row_of_slot
    std::vector<double> weights_, nodes_;
    std::vector<double> mean_left_, root_left_;  // beta1^k, beta2^(k/2)
};

// One optimizer step of some elements; `start` has them after the steps that they missed.
inline void update(const Parameter& parameter, int64_t offset, int64_t width, const float* start, const float* gradient,
                   const Optimizer& optimizer, const Rates& rates, float mean_left = 1, float square_left = 1) {
    float *value = parameter.value + offset, *mean = parameter.mean + offset, *square = parameter.square + offset;
    const float new1 = 1 - optimizer.beta1, beta2 = optimizer.beta2, new2 = 1 - optimizer.beta2;
    const float eps = optimizer.eps, correction = rates.correction, rate = rates.rate, decay = rates.decay;
    for (int64_t i = 0; i < width; i += LANES) {
        const int64_t count = width - i;
        const Lanes grad = load(gradient + i, count);
        if (!optimizer.adam) {
            store(value + i, load(value + i, count) - rate * grad, count);
            continue;
        }
        const Lanes old = load(mean + i, count) * mean_left, first = old + (grad - old) * new1;
        const Lanes second = load(square + i, count) * (square_left * beta2) + grad * grad * new2;
        store(mean + i, first, count);
        store(square + i, second, count);
        store(value + i, load(start + i, count) * decay - rate * first / (square_root(second) * correction + eps),
              count);
    }
}

// An embedding table, and the rows that a batch has of it: each distinct one once, in its slot.
struct Table {
    Parameter parameter{};
    int64_t width = 0;   // 0: the model has none
    int64_t stride = 0;  // of a slot
    Buffer rows;         // [slots, stride], after the missed steps

    Table() = default;
    Table(Parameter parameter, int64_t width, int64_t slots)
        : parameter(parameter), width(width), stride(padded(width)), rows(slots * padded(width)) {}
};

// The users or the items: their two tables, and which of their rows a batch has.
struct Side {
    int64_t num_rows = 0;              // of a table
    bool dense = false;                // every row changes at every step, and has a slot
    std::vector<int64_t> last_step;    // by row: the last step that it steps
    std::vector<int32_t> slot_of_row;  // by row: its slot in this batch, or -1
    std::vector<int64_t> row_of_slot;  // by slot
    std::vector<int32_t> counts;       // by slot: how often the batch has its row
    Table gmf, mlp;

    // Assign slots to the distinct rows of a batch.
    void begin(const int64_t* rows, int64_t count) {
        if (!dense) row_of_slot.clear();
        std::fill(counts.begin(), counts.end(), 0);
        for (int64_t i = 0; i < count; i++) {
            int32_t& slot = slot_of_row[rows[i]];
            if (slot < 0) {
                slot = row_of_slot.size();
                row_of_slot.push_back(rows[i]);
            }
            counts[slot]++;
        }
    }

    // Take the slots back.
    void end() {
        if (dense) return;
        for (int64_t row : row_of_slot) slot_of_row[row] = -1;
    }

    int64_t size() const { return row_of_slot.size(); }

    // The row of a slot, and its moments.
    void prefetch_row(const Table& table, int64_t slot) const {
        const int64_t offset = row_of_slot[slot] * table.width;
        for (const float* start : {table.parameter.value, table.parameter.mean, table.parameter.square})
            if (start) prefetch(start + offset, table.width);
    }

    // Copy the rows of some slots, as they are after `now` steps.
    void gather(int64_t start, int64_t stop, int64_t now, const History& history) {
        for (Table* table : {&gmf, &mlp})
            for (int64_t slot = start; table->width && slot < stop; slot++) {
                if (slot + PREFETCH_AHEAD < stop) prefetch_row(*table, slot + PREFETCH_AHEAD);
                const int64_t row = row_of_slot[slot], offset = row * table->width, missed = now - last_step[row];
                const Parameter& parameter = table->parameter;
                float* result = table->rows + slot * table->stride;
                if (missed == 0 || !parameter.mean)
                    std::copy_n(parameter.value + offset, table->width, result);
                else
                    history.catch_up(parameter.value + offset, parameter.mean + offset, parameter.square + offset,
                                     table->width, last_step[row], missed, result);
            }
    }

    // Bring all rows to step `now`.
    void catch_up(int64_t now, const History& history) {
        for (int64_t row = 0; row < num_rows; row++) {
            const int64_t missed = now - last_step[row];
            if (missed == 0) continue;
            for (Table* table : {&gmf, &mlp}) {
                if (!table->width || !table->parameter.mean) continue;
                const Parameter& parameter = table->parameter;
                const int64_t offset = row * table->width;
                float *value = parameter.value + offset, *mean = parameter.mean + offset,
                      *square = parameter.square + offset;
                history.catch_up(value, mean, square, table->width, last_step[row], missed, table->rows);
                const float mean_left = history.mean_left(missed), square_left = history.square_left(missed);
                for (int64_t i = 0; i < table->width; i++) {
                    value[i] = table->rows[i];
                    mean[i] *= mean_left;
                    square[i] *= square_left;
                }
            }
            last_step[row] = now;
        }
    }
};
