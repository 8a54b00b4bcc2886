#pragma once

#include <string>

#include "sample.hpp"

namespace fg::checkpoint {

/// A run whose nodes have a folder each, `root`/NODE; which rank is on which node may change.
class NodeRun : public SharedRun {
public:
  /// This rank's node from now on. Its folder is made.
  void stay_on(const std::string& node) {
    node_ = node;
    std::filesystem::create_directories(checkpoints_in(home()));
    meet();
  }
  const std::string& node() const { return node_; }
  std::filesystem::path home() const { return home(node_); }
  std::filesystem::path home(const std::string& node) const { return root() / node; }
  std::filesystem::path piece(std::uint64_t step, const std::string& node) const {
    return checkpoints_in(home(node)) / name_of_step(step);
  }
  std::filesystem::path piece(std::uint64_t step) const { return piece(step, node_); }

  SaveRequest request(std::uint64_t step) const { return request(step, State(unsigned(step))); }
  SaveRequest request(std::uint64_t step, const State& state) const {
    SaveRequest request = SharedRun::request(step, state);
    request.folder = checkpoints_in(home());
    request.each_node = true;
    request.node = node_;
    return request;
  }
  void save_step(std::uint64_t step) const {
    const State state(static_cast<unsigned>(step));
    save(session(), request(step, state));
  }
  std::optional<Choice> choose() const {
    return checkpoint::choose(session(), home(), {}, true, node_);
  }
  /// Renames, on the first rank.
  void move(const std::filesystem::path& from, const std::filesystem::path& to) const {
    meet();
    if (session().is_first()) std::filesystem::rename(from, to);
    meet();
  }

private:
  std::string node_;
};

/// "a" for the first half of the ranks, "b" for the others.
inline std::string half_of(std::uint64_t rank, std::uint64_t ranks) {
  return rank < (ranks + 1) / 2 ? "a" : "b";
}

}  // namespace fg::checkpoint
