// From the gradients to the weights.
#include "trainer.hpp"

void Trainer::update_embeddings(int64_t thread, const Rates& rates) {
    update_embeddings(thread, users_, config_.positives, first_user_, &Worker::user_first_grads,
                      &Worker::user_gmf_grads, workers_[thread]->user_weight_grads, rates);
    update_embeddings(thread, items_, config_.positives * config_.group_size, first_item_, &Worker::item_first_grads,
                      &Worker::item_gmf_grads, workers_[thread]->item_weight_grads, rates);
}

void Trainer::update_embeddings(int64_t thread, Side& side, int64_t occurrences, const Matrix& matrix,
                                Buffer Worker::* first_grads, Buffer Worker::* gmf_grads, Buffer& weight_grads,
                                const Rates& rates) {
    Worker& worker = *workers_[thread];
    const int64_t stop = shard_start(thread + 1, side.size());
    for (int64_t start = shard_start(thread, side.size()); start < stop; start += BLOCK) {
        const int64_t count = std::min(BLOCK, stop - start);
        if (config_.num_layers) {
            const int64_t out = padded(matrix.out), in = side.mlp.stride;
            const float* grads = sum_over_workers(first_grads, start * out, count * out);
            const float* rows = side.mlp.rows + start * in;
            matmul(matrix.out, in, count, LeftMatrix{grads, 1, out}, rows, in, weight_grads, in, nullptr, true);
            matmul(count, in, matrix.out, LeftMatrix{grads, out, 1}, matrix.backward, in, worker.input_grads, in,
                   nullptr, false);
            update_rows(side, side.mlp, start, count, worker.input_grads, occurrences, rates, worker.loss);
        }
        if (config_.gmf_dim) {
            const int64_t width = side.gmf.stride;
            update_rows(side, side.gmf, start, count, sum_over_workers(gmf_grads, start * width, count * width),
                        occurrences, rates, worker.loss);
        }
        for (int64_t slot = start; slot < start + count; slot++) side.last_step[side.row_of_slot[slot]] = step_ + 1;
    }
}

float* Trainer::sum_over_workers(Buffer Worker::* sums, int64_t offset, int64_t count) {
    float* total = workers_[0].get()->*sums + offset;
    for (int64_t thread = 1; thread < config_.threads; thread++)
        accumulate(total, workers_[thread].get()->*sums + offset, count);
    return total;
}

void Trainer::update_rows(Side& side, Table& table, int64_t start, int64_t count, float* grads, int64_t occurrences,
                          const Rates& rates, double& loss) {
    for (int64_t slot = start; slot < start + count; slot++, grads += table.stride) {
        if (slot + PREFETCH_AHEAD < side.size()) side.prefetch_row(table, slot + PREFETCH_AHEAD);
        const float* row_values = table.rows + slot * table.stride;
        const double l2 = config_.l2_tables + config_.l2_samples * side.counts[slot] / occurrences;
        if (l2 > 0) {
            float length = 0;
            const float twice = 2 * l2;
            for (int64_t i = 0; i < table.width; i++) {
                grads[i] += twice * row_values[i];
                length += row_values[i] * row_values[i];
            }
            loss += l2 * length;
        }
        const int64_t row = side.row_of_slot[slot], missed = step_ - side.last_step[row];
        update(table.parameter, row * table.width, table.width, row_values, grads, config_.optimizer, rates,
               history_.mean_left(missed), history_.square_left(missed));
    }
}

double Trainer::update_dense(const Rates& rates) {
    Worker& total = *workers_[0];
    for (int64_t thread = 1; thread < config_.threads; thread++) {
        Worker& worker = *workers_[thread];
        for (size_t i = 0; i < total.dense_grads.size(); i++)
            accumulate(*total.dense_grads[i], *worker.dense_grads[i], total.dense_grads[i]->size());
        total.bias_grad += worker.bias_grad;
        total.loss += worker.loss;
    }
    for (int64_t layer = 0; layer < config_.num_layers; layer++) {
        const Parameter& weight = layers_[layer].weight;
        if (layer == 0) {
            update_matrix(weight, 0, total.user_weight_grads, mlp_dim(), widths_[1], widths_[0], rates);
            update_matrix(weight, mlp_dim(), total.item_weight_grads, mlp_dim(), widths_[1], widths_[0], rates);
        } else {
            update_matrix(weight, 0, total.weight_grads[layer], widths_[layer], widths_[layer + 1], widths_[layer],
                          rates);
        }
        update_parameter(layers_[layer].bias, total.bias_grads[layer], rates);
    }
    const float bias = total.bias_grad;
    if (config_.num_layers)
        update_parameter(config_.mlp_head, total.mlp_head_grads, rates),
            update_parameter(config_.mlp_bias, &bias, rates);
    if (config_.gmf_dim)
        update_parameter(config_.gmf_head, total.gmf_head_grads, rates),
            update_parameter(config_.gmf_bias, &bias, rates);
    step_++;
    if (config_.optimizer.adam && !config_.dense) history_.add(rates);
    pack_weights();
    return total.loss;
}

void Trainer::update_matrix(const Parameter& weight, int64_t column, const float* grads, int64_t in, int64_t out,
                            int64_t stride, const Rates& rates) {
    for (int64_t row = 0; weight.trained && row < out; row++) {
        const int64_t offset = row * stride + column;
        update(weight, offset, in, weight.value + offset, grads + row * padded(in), config_.optimizer, rates);
    }
}

void Trainer::update_parameter(const Parameter& parameter, const float* grads, const Rates& rates) {
    if (parameter.trained) update(parameter, 0, parameter.size, parameter.value, grads, config_.optimizer, rates);
}
