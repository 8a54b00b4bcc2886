#include <map>
#include <utility>

#include <fg/base/error.hpp>

#include "describe.hpp"
#include "transport.hpp"

namespace fg::comm {
namespace {

/// What this rank has sent to itself and not yet received, by tag and order.
struct Box {
  using Place = std::pair<int, std::uint64_t>;
  std::map<Place, at::Tensor> sent;
  std::map<int, std::uint64_t> sends;
  std::map<int, std::uint64_t> receives;
};

class Complete final : public Transfer {
public:
  explicit Complete(int world_rank) : world_rank_(world_rank) {}
  bool advance() override { return true; }
  std::size_t moved() const noexcept override { return 1; }
  int world_peer() const noexcept override { return world_rank_; }

private:
  int world_rank_;
};

class Received final : public Transfer {
public:
  Received(std::shared_ptr<Box> box, Box::Place place, at::Tensor values, int world_rank)
      : box_(std::move(box)), place_(place), values_(std::move(values)), world_rank_(world_rank) {}

  bool advance() override {
    if (is_done_) return true;
    const auto found = box_->sent.find(place_);
    if (found == box_->sent.end()) return false;
    const at::Tensor& sent = found->second;
    if (sent.scalar_type() != values_.scalar_type() || sent.sizes() != values_.sizes())
      fail(ExitCode::ranks_disagree, "rank " + std::to_string(world_rank_) + " sent itself " +
                                         describe(sent.scalar_type(), sent.sizes()) +
                                         " where it expects " +
                                         describe(values_.scalar_type(), values_.sizes()));
    values_.copy_(sent);
    box_->sent.erase(found);
    is_done_ = true;
    return true;
  }
  std::size_t moved() const noexcept override { return is_done_ ? 1 : 0; }
  int world_peer() const noexcept override { return world_rank_; }

private:
  std::shared_ptr<Box> box_;
  Box::Place place_;
  at::Tensor values_;
  int world_rank_;
  bool is_done_ = false;
};

class LocalTransport final : public Transport {
public:
  explicit LocalTransport(int world_rank) : world_rank_(world_rank) {}

  std::unique_ptr<Transfer> send(const at::Tensor& values, int, int tag, const Waiting&) override {
    box_->sent[{tag, box_->sends[tag]++}] = values.clone();
    return std::make_unique<Complete>(world_rank_);
  }
  std::unique_ptr<Transfer> recv(const at::Tensor& values, int, int tag, const Waiting&) override {
    return std::make_unique<Received>(box_, Box::Place(tag, box_->receives[tag]++), values,
                                      world_rank_);
  }
  std::unique_ptr<Transfer> begin_all_reduce_sum(const at::Tensor&, const Waiting&) override {
    return std::make_unique<Complete>(world_rank_);
  }
  void barrier(const Waiting&) override {}
  void broadcast(const at::Tensor&, int, const Waiting&) override {}
  void all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum, const Waiting&) override {
    sum.copy_(mine);
  }
  void all_gather(const at::Tensor& mine, std::span<const at::Tensor> all,
                  const Waiting&) override {
    all[0].copy_(mine);
  }
  std::unique_ptr<Transport> group(const std::vector<int>&, Traffic, const Waiting&) override {
    return local_transport(world_rank_);
  }

private:
  int world_rank_;
  std::shared_ptr<Box> box_ = std::make_shared<Box>();
};

}  // namespace

std::unique_ptr<Transport> local_transport(int world_rank) {
  return std::make_unique<LocalTransport>(world_rank);
}

}  // namespace fg::comm
