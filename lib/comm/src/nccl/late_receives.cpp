#include "late_receives.hpp"

#include <utility>

#include <fg/base/error.hpp>

namespace fg::comm {

struct LateReceives::Late {
  at::Tensor values;
  int from = 0;
  std::shared_ptr<Shared> shared;
  Operation operation;
  std::uint64_t number = 0;
  std::unique_ptr<OnStream> begun;
};

class LateReceives::Transferred final : public Transfer {
public:
  Transferred(std::shared_ptr<LateReceives> all, std::shared_ptr<Late> late)
      : all_(std::move(all)), late_(std::move(late)) {}

  bool advance() override { return begun().advance(); }
  void finish(const Waiting& waiting) override { begun().finish(waiting); }
  std::size_t moved() const noexcept override { return 0; }
  int world_peer() const noexcept override { return late_->operation.peers.front(); }

private:
  OnStream& begun() {
    all_->begin_through(*late_);
    return *late_->begun;
  }

  std::shared_ptr<LateReceives> all_;
  std::shared_ptr<Late> late_;
};

std::unique_ptr<Transfer> LateReceives::add(const at::Tensor& values, int from,
                                            const Waiting& waiting) {
  auto late = std::make_shared<Late>();
  late->values = values;
  late->from = from;
  late->shared = waiting.shared().shared_from_this();
  late->operation = waiting.operation();
  late->number = waiting.number();
  late_.push_back(late);
  return std::make_unique<Transferred>(shared_from_this(), std::move(late));
}

void LateReceives::begin_all() {
  while (!late_.empty()) begin_first();
}

void LateReceives::begin_through(const Late& last) {
  while (!last.begun) {
    if (late_.empty())
      fail(ExitCode::bug, "a receive is waited for after the end of its communicator");
    begin_first();
  }
}

void LateReceives::begin_first() {
  const std::shared_ptr<Late> late = late_.front();
  late->begun =
      begin_(late->values, late->from, Waiting(*late->shared, late->operation, late->number));
  late->values = at::Tensor();
  late_.pop_front();
}

}  // namespace fg::comm
