// Forward and backward pass of a block of samples: its logits, their loss, and the gradients.
#include "trainer.hpp"

void Trainer::compute_gradients(int64_t thread, const int64_t* users, const int64_t* items, const float* labels,
                                const float* weights, uint64_t seed) {
    const int64_t per_block = std::max<int64_t>(1, BLOCK / config_.group_size),
                  blocks = (config_.positives + per_block - 1) / per_block;
    for (int64_t block = shard_start(thread, blocks); block < shard_start(thread + 1, blocks); block++) {
        const int64_t first = block * per_block, count = std::min(per_block, config_.positives - first);
        block_gradients(*workers_[thread], count, users + first, items + first * config_.group_size,
                        labels + first * config_.group_size, weights ? weights + first : nullptr,
                        first * config_.group_size, seed);
    }
}

void Trainer::block_gradients(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items,
                              const float* labels, const float* weights, int64_t first, uint64_t seed) {
    const int64_t samples = positives * config_.group_size;
    std::fill_n(worker.logits, samples, config_.gmf_dim ? *config_.gmf_bias.value : 0.0f);
    for (int64_t positive = 0; positive < positives; positive++)
        worker.user_slots[positive] = users_.slot_of_row[users[positive]];
    for (int64_t sample = 0; sample < samples; sample++) worker.item_slots[sample] = items_.slot_of_row[items[sample]];
    prefetch_rows(worker, positives, users_.gmf.rows, items_.gmf.rows, user_first_, item_first_);
    if (config_.gmf_dim) gmf_forward(worker, positives);
    if (config_.num_layers) mlp_forward(worker, positives, first, seed);
    worker.record(FORWARD);
    prefetch_rows(worker, positives, worker.user_gmf_grads, worker.item_gmf_grads, worker.user_first_grads,
                  worker.item_first_grads);
    loss_gradient(worker, positives, labels, weights);
    for (int64_t sample = 0; config_.loss != BPR && sample < samples; sample++)
        worker.bias_grad += worker.logit_grads[sample];
    worker.record(LOSS);
    if (config_.gmf_dim) gmf_backward(worker, positives);
    if (config_.num_layers) mlp_backward(worker, positives);
    worker.record(BACKWARD);
}

void Trainer::prefetch_rows(const Worker& worker, int64_t positives, const float* user_gmf, const float* item_gmf,
                            const float* user_first, const float* item_first) const {
    const int64_t gmf = padded(config_.gmf_dim), first = config_.num_layers ? padded(widths_[1]) : 0;
    for (int64_t positive = 0; positive < positives; positive++) {
        prefetch(user_gmf + worker.user_slots[positive] * gmf, gmf);
        prefetch(user_first + worker.user_slots[positive] * first, first);
    }
    for (int64_t sample = 0; sample < positives * config_.group_size; sample++) {
        prefetch(item_gmf + worker.item_slots[sample] * gmf, gmf);
        prefetch(item_first + worker.item_slots[sample] * first, first);
    }
}

void Trainer::gmf_forward(Worker& worker, int64_t positives) {
    const int64_t stride = users_.gmf.stride;
    for (int64_t positive = 0; positive < positives; positive++) {
        const float* user = users_.gmf.rows + worker.user_slots[positive] * stride;
        for (int64_t sample = positive * config_.group_size; sample < (positive + 1) * config_.group_size; sample++) {
            const float* item = items_.gmf.rows + worker.item_slots[sample] * stride;
            Lanes total{};
            for (int64_t i = 0; i < stride; i += LANES)
                total += lanes(user + i) * lanes(item + i) * lanes(gmf_head_ + i);
            worker.logits[sample] += sum(total);
        }
    }
}

void Trainer::mlp_forward(Worker& worker, int64_t positives, int64_t first, uint64_t seed) {
    const int64_t samples = positives * config_.group_size, width = padded(widths_[1]);
    float* hidden = worker.hidden[0];
    for (int64_t positive = 0; positive < positives; positive++) {
        const float* user = user_first_ + worker.user_slots[positive] * width;
        for (int64_t sample = positive * config_.group_size; sample < (positive + 1) * config_.group_size; sample++) {
            const float* item = item_first_ + worker.item_slots[sample] * width;
            for (int64_t i = 0; i < width; i += LANES)
                lanes(hidden + sample * width + i) = lanes(user + i) + lanes(item + i);
        }
    }
    relu_dropout(hidden, samples, width, first, mixed(seed));
    for (int64_t layer = 1; layer < config_.num_layers; layer++) {
        const int64_t in = padded(widths_[layer]), out = padded(widths_[layer + 1]);
        matmul(samples, out, widths_[layer], LeftMatrix{worker.hidden[layer - 1], in, 1}, matrices_[layer].forward, out,
               worker.hidden[layer], out, biases_[layer], false);
        relu_dropout(worker.hidden[layer], samples, out, first, mixed(seed + layer * GAMMA));
    }
    const int64_t last = padded(widths_.back());
    const float* outputs = worker.hidden.back();
    for (int64_t sample = 0; sample < samples; sample++) {
        Lanes total{};
        for (int64_t i = 0; i < last; i += LANES) total += lanes(outputs + sample * last + i) * lanes(mlp_head_ + i);
        worker.logits[sample] += sum(total) + *config_.mlp_bias.value;
    }
}

void Trainer::relu_dropout(float* hidden, int64_t samples, int64_t width, int64_t first, uint64_t seed) {
    const int64_t count = samples * width;
    if (config_.dropout <= 0) {
        for (int64_t i = 0; i < count; i += LANES)
            lanes(hidden + i) = lanes(hidden + i) < 0 ? Lanes{} : lanes(hidden + i);
        return;
    }
    const Lanes scale = broadcast(1 / (1 - config_.dropout));
    const Bits dropped = Bits{} + static_cast<uint32_t>(config_.dropout * 4294967296.0);
    Bits counter = Bits{} + static_cast<uint32_t>(first * width);
    for (int64_t lane = 0; lane < LANES; lane++) counter[lane] += lane;
    const Bits low = Bits{} + static_cast<uint32_t>(seed), high = Bits{} + static_cast<uint32_t>(seed >> 32);
    for (int64_t i = 0; i < count; i += LANES, counter += LANES) {
        const Mask drops = mixed((counter ^ low) * 0x9e3779b9u + high) < dropped;
        const Lanes sum = lanes(hidden + i);
        lanes(hidden + i) = (drops | (sum < 0)) ? Lanes{} : sum * scale;
    }
}

void Trainer::loss_gradient(Worker& worker, int64_t positives, const float* labels, const float* weights) {
    const int64_t group_size = config_.group_size, samples = positives * group_size;
    float *logits = worker.logits, *logit_grads = worker.logit_grads, *probabilities = worker.probabilities,
          *softplus = worker.softplus;
    if (config_.loss == BPR)
        for (int64_t first = 0; first < samples; first += group_size)
            for (int64_t sample = first + 1; sample < first + group_size; sample++) logits[sample] -= logits[first];
    if (config_.loss != LEAST_SQUARES)
        for (int64_t i = 0; i < samples; i += LANES) logistic(lanes(logits + i), probabilities + i, softplus + i);
    const float share = 1.0f / (config_.positives * (config_.loss == BPR ? group_size - 1 : group_size));
    float total = 0, sum = 0;  // of a positive and its negatives; of all, by their weights
    for (int64_t sample = 0; sample < samples; sample++) {
        const float logit = logits[sample], probability = probabilities[sample];
        if (config_.loss == BCE) {
            logit_grads[sample] = (probability - labels[sample]) * share;
            total += softplus[sample] - logit * labels[sample];
        } else if (config_.loss == MSE) {
            const float error = probability - labels[sample];
            logit_grads[sample] = 2 * error * probability * (1 - probability) * share;
            total += error * error;
        } else if (config_.loss == LEAST_SQUARES) {
            const float error = logit - labels[sample];
            logit_grads[sample] = 2 * error * share;
            total += error * error;
        } else if (sample % group_size == 0) {
            logit_grads[sample] = 0;
        } else {
            logit_grads[sample] = probability * share;
            logit_grads[sample - sample % group_size] -= logit_grads[sample];
            total += softplus[sample];
        }
        if (weights && (sample + 1) % group_size == 0) {
            const float weight = weights[sample / group_size];
            for (int64_t i = sample + 1 - group_size; i <= sample; i++) logit_grads[i] *= weight;
            sum += total * weight;
            total = 0;
        }
    }
    worker.loss += (weights ? sum : total) * share;
}

void Trainer::gmf_backward(Worker& worker, int64_t positives) {
    const int64_t stride = users_.gmf.stride;
    for (int64_t positive = 0; positive < positives; positive++) {
        const int64_t user_offset = worker.user_slots[positive] * stride;
        const float* user = users_.gmf.rows + user_offset;
        float* item_sum = worker.output_grads;  // of the logits' gradients * items
        std::fill_n(item_sum, stride, 0.0f);
        for (int64_t sample = positive * config_.group_size; sample < (positive + 1) * config_.group_size; sample++) {
            const int64_t item_offset = worker.item_slots[sample] * stride;
            const float* item = items_.gmf.rows + item_offset;
            float* item_grads = worker.item_gmf_grads + item_offset;
            const Lanes grad = broadcast(worker.logit_grads[sample]);
            for (int64_t i = 0; i < stride; i += LANES) {
                lanes(item_sum + i) += grad * lanes(item + i);
                lanes(item_grads + i) += grad * lanes(gmf_head_ + i) * lanes(user + i);
            }
        }
        float* user_grads = worker.user_gmf_grads + user_offset;
        for (int64_t i = 0; i < stride; i += LANES) {
            lanes(user_grads + i) += lanes(item_sum + i) * lanes(gmf_head_ + i);
            lanes(worker.gmf_head_grads + i) += lanes(item_sum + i) * lanes(user + i);
        }
    }
}

void Trainer::mlp_backward(Worker& worker, int64_t positives) {
    const int64_t samples = positives * config_.group_size;
    const int64_t last = padded(widths_.back());
    float *output_grads = worker.output_grads, *input_grads = worker.input_grads;
    const float* outputs = worker.hidden.back();
    for (int64_t i = 0; i < last; i += LANES) {
        const Lanes head = lanes(mlp_head_ + i);
        Lanes head_grad{};
        for (int64_t sample = 0; sample < samples; sample++) {
            const Lanes grad = broadcast(worker.logit_grads[sample]);
            head_grad += grad * lanes(outputs + sample * last + i);
            lanes(output_grads + sample * last + i) = grad * head;
        }
        lanes(worker.mlp_head_grads + i) += head_grad;
    }
    for (int64_t layer = config_.num_layers - 1; layer > 0; layer--) {
        const int64_t in = padded(widths_[layer]), out = padded(widths_[layer + 1]);
        relu_dropout_backward(output_grads, worker.hidden[layer], samples, out, worker.bias_grads[layer]);
        matmul(widths_[layer + 1], in, samples, LeftMatrix{output_grads, 1, out}, worker.hidden[layer - 1], in,
               worker.weight_grads[layer], in, nullptr, true);
        matmul(samples, in, widths_[layer + 1], LeftMatrix{output_grads, out, 1}, matrices_[layer].backward, in,
               input_grads, in, nullptr, false);
        std::swap(output_grads, input_grads);
    }
    const int64_t width = padded(widths_[1]);
    relu_dropout_backward(output_grads, worker.hidden[0], samples, width, worker.bias_grads[0]);
    for (int64_t positive = 0; positive < positives; positive++) {
        float* user = worker.user_first_grads + worker.user_slots[positive] * width;
        for (int64_t sample = positive * config_.group_size; sample < (positive + 1) * config_.group_size; sample++) {
            float* item = worker.item_first_grads + worker.item_slots[sample] * width;
            accumulate(item, output_grads + sample * width, width);
            accumulate(user, output_grads + sample * width, width);
        }
    }
}

void Trainer::relu_dropout_backward(float* gradient, const float* hidden, int64_t samples, int64_t width,
                                    float* total) {
    const Lanes scale = broadcast(1 / (1 - config_.dropout));
    for (int64_t i = 0; i < width; i += LANES) {
        Lanes sum{};
        for (int64_t k = i; k < samples * width; k += width) {
            const Lanes grad = lanes(hidden + k) <= 0 ? Lanes{} : lanes(gradient + k) * scale;
            lanes(gradient + k) = grad;
            sum += grad;
        }
        lanes(total + i) += sum;
    }
}
