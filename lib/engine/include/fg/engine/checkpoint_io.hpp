#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fg/checkpoint/reader.hpp>
#include <fg/checkpoint/slice.hpp>
#include <fg/comm/communicator.hpp>
#include <fg/optim/optimizer_set.hpp>
#include <fg/params/parameters.hpp>
#include <fg/session/session.hpp>

namespace fg::engine {

// What of a process goes into a checkpoint and comes back: logical tensors, whatever their storage.

/// Views of the weights that are this rank's own (by logical tensor), which must not change until
/// the save is done.
std::vector<checkpoint::Slice> weight_slices(const params::Parameters& parameters,
                                             const std::vector<bool>& owned);
/// Views of the state of the same parameters, "<parameter>.<state>". The optimizers have them in
/// the parameters' order.
std::vector<checkpoint::Slice> optimizer_slices(optim::OptimizerSet& optimizers,
                                                const std::vector<bool>& owned);

/// Fills every weight. Error(cannot_load) where a tensor is missing or has another shape or type
/// than here: both are named.
void read_weights(checkpoint::Reader& reader, const params::Parameters& parameters);
/// The same for the optimizers' state.
void read_optimizer(checkpoint::Reader& reader, optim::OptimizerSet& optimizers);

/// Collective. The same two for a checkpoint whose files lie on several nodes: what is not here
/// comes from the ranks that have it, over `ranks`, all of the job and of host memory. Tensors on a
/// GPU pass through host memory all at once.
void read_from_nodes(session::Session& session, comm::Communicator& ranks,
                     checkpoint::Reader& reader, const params::Parameters& parameters,
                     optim::OptimizerSet& optimizers);

/// Takes the optimizer state that a model folder brings along (fg-finalize --keep-optimizer), for
/// every parameter whose tensors all have the names, shapes and types of this run; the others begin
/// afresh. A sentence says how many of each; empty where the folder has none. Error(cannot_load).
std::string read_warm_start(const std::filesystem::path& folder, optim::OptimizerSet& optimizers);

}  // namespace fg::engine
