// From the gradients to the weights.
#include "trainer.hpp"

void Trainer::pass_on(int64_t number, const Rates& rates) {
    pass_on(number, users_, given_.positives, first_user_, &Worker::by_user_first, &Worker::by_user_factors,
            workers_[number]->user_half, rates);
    pass_on(number, items_, given_.positives * given_.each, first_item_, &Worker::by_item_first,
            &Worker::by_item_factors, workers_[number]->item_half, rates);
}

void Trainer::pass_on(int64_t number, Side& side, int64_t occurring, const Matrix& matrix, Buffer Worker::* by_first,
                      Buffer Worker::* by_factors, Buffer& of_matrix, const Rates& rates) {
    Worker& worker = *workers_[number];
    const int64_t stop = from(number + 1, side.size());
    for (int64_t start = from(number, side.size()); start < stop; start += BLOCK) {
        const int64_t count = std::min(BLOCK, stop - start);
        if (given_.depth) {
            const int64_t out = padded(matrix.out), in = side.inputs.stride;
            const float* first = together(by_first, start * out, count * out);
            const float* rows = side.inputs.rows + start * in;
            product(matrix.out, in, count, Left{first, 1, out}, rows, in, of_matrix, in, nullptr, true);
            product(count, in, matrix.out, Left{first, out, 1}, matrix.backward, in, worker.below, in, nullptr, false);
            update_rows(side, side.inputs, start, count, worker.below, occurring, rates, worker.loss);
        }
        if (given_.factors) {
            const int64_t width = side.factors.stride;
            update_rows(side, side.factors, start, count, together(by_factors, start * width, count * width), occurring,
                        rates, worker.loss);
        }
        for (int64_t slot = start; slot < start + count; slot++) side.last[side.used[slot]] = made_ + 1;
    }
}

float* Trainer::together(Buffer Worker::* sums, int64_t place, int64_t count) {
    float* total = workers_[0].get()->*sums + place;
    for (int64_t number = 1; number < given_.threads; number++)
        accumulate(total, workers_[number].get()->*sums + place, count);
    return total;
}

void Trainer::update_rows(Side& side, Table& table, int64_t start, int64_t count, float* gradients, int64_t occurring,
                          const Rates& rates, double& loss) {
    for (int64_t slot = start; slot < start + count; slot++, gradients += table.stride) {
        if (slot + AHEAD < side.size()) side.call_for(table, slot + AHEAD);
        const float* found = table.rows + slot * table.stride;
        const double l2 = given_.l2_tables + given_.l2_samples * side.counts[slot] / occurring;
        if (l2 > 0) {
            float length = 0;
            const float twice = 2 * l2;
            for (int64_t i = 0; i < table.width; i++) {
                gradients[i] += twice * found[i];
                length += found[i] * found[i];
            }
            loss += l2 * length;
        }
        const int64_t row = side.used[slot], missed = made_ - side.last[row];
        update(table.parameter, row * table.width, table.width, found, gradients, given_.optimizer, rates,
               history_.mean_left(missed), history_.square_left(missed));
    }
}

double Trainer::update_rest(const Rates& rates) {
    Worker& total = *workers_[0];
    for (int64_t number = 1; number < given_.threads; number++) {
        Worker& worker = *workers_[number];
        for (int64_t layer = 0; layer < given_.depth; layer++) {
            accumulate(total.weights[layer], worker.weights[layer], total.weights[layer].size());
            accumulate(total.biases[layer], worker.biases[layer], total.biases[layer].size());
        }
        accumulate(total.user_half, worker.user_half, total.user_half.size());
        accumulate(total.item_half, worker.item_half, total.item_half.size());
        accumulate(total.tower_head, worker.tower_head, total.tower_head.size());
        accumulate(total.factors_head, worker.factors_head, total.factors_head.size());
        total.bias += worker.bias;
        total.loss += worker.loss;
    }
    for (int64_t layer = 0; layer < given_.depth; layer++) {
        const Parameter& weight = layers_[layer].weight;
        if (layer == 0) {
            update_matrix(weight, 0, total.user_half, inputs(), widths_[1], widths_[0], rates);
            update_matrix(weight, inputs(), total.item_half, inputs(), widths_[1], widths_[0], rates);
        } else {
            update_matrix(weight, 0, total.weights[layer], widths_[layer], widths_[layer + 1], widths_[layer], rates);
        }
        update_whole(layers_[layer].bias, total.biases[layer], rates);
    }
    const float bias = total.bias;
    if (given_.depth)
        update_whole(given_.tower_head, total.tower_head, rates), update_whole(given_.tower_bias, &bias, rates);
    if (given_.factors)
        update_whole(given_.factors_head, total.factors_head, rates), update_whole(given_.factors_bias, &bias, rates);
    made_++;
    if (given_.optimizer.adam && !given_.every_row) history_.add(rates);
    pack();
    return total.loss;
}

void Trainer::update_matrix(const Parameter& weight, int64_t column, const float* gradient, int64_t in, int64_t out,
                            int64_t stride, const Rates& rates) {
    for (int64_t row = 0; weight.trained && row < out; row++) {
        const int64_t place = row * stride + column;
        update(weight, place, in, weight.value + place, gradient + row * padded(in), given_.optimizer, rates);
    }
}

void Trainer::update_whole(const Parameter& parameter, const float* gradient, const Rates& rates) {
    if (parameter.trained) update(parameter, 0, parameter.size, parameter.value, gradient, given_.optimizer, rates);
}
