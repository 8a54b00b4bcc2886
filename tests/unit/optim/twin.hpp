#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <fg/optim/options.hpp>

namespace fg::optim {

/// The optimizers as a textbook has them: one loop an equation, everything in double.
class Twin {
public:
  Twin(const OptimizerOptions& options, std::vector<double> start, std::int64_t rows,
       std::int64_t columns, bool is_matrix)
      : weights(std::move(start)),
        o_(options),
        rows_(rows),
        columns_(columns),
        matrix_(is_matrix) {}

  void step(const std::vector<double>& g) {
    ++t_;
    switch (o_.type) {
      case OptimizerType::adafactor:
        return adafactor(g);
      case OptimizerType::sgd:
        return sgd(g);
      default:
        return adamw(g);
    }
  }

  std::vector<double> weights;

private:
  using Numbers = std::vector<double>;

  Numbers& kept(const std::string& name, std::size_t size) {
    Numbers& numbers = state_[name];
    numbers.resize(size);
    return numbers;
  }

  static double rms(const Numbers& x) {
    double sum = 0;
    for (const double value : x) sum += value * value;
    return std::sqrt(sum / static_cast<double>(x.size()));
  }

  void adafactor(const Numbers& g) {
    const double beta2 = std::min(1 - std::pow(t_, o_.decay_rate), o_.beta2);
    Numbers v(g.size());
    if (matrix_) {
      const auto m = static_cast<std::size_t>(rows_), n = static_cast<std::size_t>(columns_);
      Numbers row(m), column(n);
      for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          row[i] += g[i * n + j] * g[i * n + j] + o_.eps_square;
          column[j] += g[i * n + j] * g[i * n + j] + o_.eps_square;
        }
      Numbers& r = kept("row", m);
      Numbers& c = kept("col", n);
      double total = 0;
      for (std::size_t i = 0; i < m; ++i) total += r[i] = beta2 * r[i] + (1 - beta2) * row[i];
      for (std::size_t j = 0; j < n; ++j) c[j] = beta2 * c[j] + (1 - beta2) * column[j];
      for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j) v[i * n + j] = r[i] * c[j] / total;
    } else {
      Numbers& r = kept("row", g.size());
      for (std::size_t i = 0; i < g.size(); ++i)
        v[i] = r[i] = beta2 * r[i] + (1 - beta2) * (g[i] * g[i] + o_.eps_square);
    }
    Numbers u(g.size());
    for (std::size_t i = 0; i < g.size(); ++i) u[i] = g[i] / std::sqrt(v[i]);
    const double shrink = std::max(1.0, rms(u) / o_.clip_threshold);
    const double size = o_.relative_step ? o_.lr * std::max(o_.eps_scale, rms(weights)) : o_.lr;
    for (std::size_t i = 0; i < g.size(); ++i)
      weights[i] = weights[i] * (1 - o_.lr * o_.weight_decay) - size * u[i] / shrink;
  }

  void adamw(const Numbers& g) {
    Numbers& m = kept("m", g.size());
    Numbers& v = kept("v", g.size());
    for (std::size_t i = 0; i < g.size(); ++i) {
      m[i] = o_.beta1 * m[i] + (1 - o_.beta1) * g[i];
      v[i] = o_.beta2 * v[i] + (1 - o_.beta2) * g[i] * g[i];
      const double m_hat = m[i] / (1 - std::pow(o_.beta1, t_));
      const double v_hat = v[i] / (1 - std::pow(o_.beta2, t_));
      weights[i] -= o_.lr * o_.weight_decay * weights[i];
      weights[i] -= o_.lr * m_hat / (std::sqrt(v_hat) + o_.eps);
    }
  }

  void sgd(const Numbers& g) {
    Numbers& b = kept("b", g.size());
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double slope = g[i] + o_.weight_decay * weights[i];
      b[i] = o_.momentum * b[i] + slope;
      weights[i] -= o_.lr * (o_.nesterov ? slope + o_.momentum * b[i] : b[i]);
    }
  }

  OptimizerOptions o_;
  std::int64_t rows_;
  std::int64_t columns_;
  bool matrix_;
  double t_ = 0;
  std::map<std::string, Numbers> state_;
};

}  // namespace fg::optim
