#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/params/parameters.hpp>

namespace fg::params {

/// The gradients of one process's parameters. A backward pass brings each fused tensor's gradient
/// by `begin`, writing, `finish`, once a microbatch (a tied embedding twice: its head's part
/// first). Each microbatch's gradient is formed alone in the parameters' type and then added to
/// those before it, in the order of the microbatches: ranks that hold one microbatch each and add
/// in rank order get the same bits. On a GPU products may be added to those before without that
/// rounding and that walk over the memory (`begin_total`).
///
/// With `kept` there is a buffer of that type for all gradients, which stay until the next step.
/// Without, a gradient lives until its hook returns, in memory that the next tensor uses; a step
/// then has one microbatch. A step of no microbatch (of a rank that has none of the last, smaller
/// one) needs `kept` and leaves zeros. On the parameters' device. `parameters` must outlive this.
class Gradients {
public:
  /// Called with a logical tensor's index in the layout and its gradient, a contiguous view, as
  /// soon as that is complete: the tensors of one fused tensor together, in the order of the
  /// backward pass. The parameter may be changed by then.
  using Complete = std::function<void(std::size_t logical, const at::Tensor& gradient)>;

  Gradients(const Parameters& parameters, std::optional<at::ScalarType> kept);

  void on_complete(Complete hook) { hook_ = std::move(hook); }

  /// Begins a step of so many microbatches; the last step must be complete. With none, everything
  /// is complete at once, and no hook is called.
  void start_step(std::int64_t microbatches);

  /// Where to write the gradient of this microbatch: a tensor of the fused shape and the
  /// parameters' type. Its content is the parts before this one where `has_part`, else undefined;
  /// padding rows must be written too.
  at::Tensor begin(std::size_t fused);
  bool has_part(std::size_t fused) const;
  /// Instead of `begin` where it gives something: on a GPU the kept buffer of a tensor whose
  /// gradient comes in one part, for a product to be added to, or to be written to by the first.
  struct Total {
    at::Tensor values;
    bool is_first = false;
  };
  std::optional<Total> begin_total(std::size_t fused);
  void finish(std::size_t fused);

  bool is_complete(std::size_t fused) const;
  /// Once a step's backward passes are done, where a tied head has a gradient of its own: adds it
  /// to the embedding's.
  void join_tied();
  /// The kept gradient of a logical tensor; only with `kept`.
  at::Tensor logical(std::size_t index) const;
  /// Bytes of the kept buffer.
  std::int64_t kept_bytes() const;

private:
  struct Slot {
    at::Tensor kept;
    at::Tensor own_scratch;  // a tied tensor's, which is held for a whole backward pass
    at::Tensor current;      // being written
    std::int64_t parts = 0;  // finished this step
  };

  at::Tensor scratch_for(std::size_t fused);
  void hand_over(std::size_t fused, const at::Tensor& gradient);

  const Parameters& parameters_;
  std::optional<at::ScalarType> kept_;
  Complete hook_;
  std::int64_t microbatches_ = 0;
  std::vector<Slot> slots_;
  at::Tensor scratch_;
  std::optional<std::size_t> scratch_user_;
};

/// What a Gradients of so many microbatches a step holds at its peak, for plans made before
/// anything is allocated.
std::int64_t gradient_bytes(const Layout& layout, at::ScalarType type,
                            std::optional<at::ScalarType> kept, std::int64_t microbatches);

}  // namespace fg::params
