/// Drives lib/checkpoint for the tests in Python:
///   checkpoint_tool save RUN STEP [hdf5|bin]   saves a tiny state that STEP decides, as fg-train
///       does: folder locked, saved, linked, thinned out
///   checkpoint_tool save-many RUN FIRST LAST   the same for each step
///   checkpoint_tool serve    for each line "RUN STEP" a child, which prints its process id, waits
///       for a line, and saves; then its exit code, or the negative signal, is printed
///   checkpoint_tool verify CHECKPOINT…
///   checkpoint_tool latest RUN                 prints the step of the highest that verifies
///   checkpoint_tool choose RUN WORD            prints the step resumed from, or "fresh"
///   checkpoint_tool weights FOLDER             one JSON line a tensor with its bytes in
///   hexadecimal
#include <array>
#include <iostream>
#include <optional>
#include <vector>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/retention.hpp>
#include <fg/checkpoint/run_folder.hpp>
#include <fg/checkpoint/save.hpp>
#include <fg/store/model_weights.hpp>

namespace {

using namespace fg;
using namespace fg::checkpoint;
using Words = std::vector<std::string>;

/// float32 tensors whose values are STEP + place, bfloat16 weights as their upper halves.
struct State {
  std::vector<float> values;
  std::vector<std::uint16_t> halves;

  explicit State(std::uint64_t step) {
    for (std::uint64_t i = 0; i < 600; ++i) {
      values.push_back(static_cast<float>(step + i));
      halves.push_back(static_cast<std::uint16_t>(0x3f80 + (step + i) % 64));
    }
  }
};

void save_step(session::Session& session, const RunFolder& folder, std::uint64_t step,
               Format format) {
  const State state(step);
  SaveRequest request;
  request.folder = folder.checkpoints();
  request.step = step;
  request.run = folder.run_name();
  request.weights = {whole({"model.norm.weight", store::Dtype::bfloat16, {20, 30}},
                           std::as_bytes(std::span(state.halves)))};
  request.optimizer = {whole({"model.norm.weight.exp_avg", store::Dtype::float32, {20, 30}},
                             std::as_bytes(std::span(state.values)))};
  request.trainer = {{"tokens", step * 10}};
  request.copies = model_files(folder.root());
  request.format = format;
  request.metric = 1.0 / static_cast<double>(step);
  const std::filesystem::path made = save(session, request);
  folder.link_latest(made);
  for (const std::string& note : retain(folder.checkpoints(), step, {2, 1}).notes)
    std::cerr << note << '\n';
}

void save_one(session::Session& session, const Words& words) {
  const bool bin = words.size() > 2 && words[2] == "bin";
  const RunFolder folder(words.at(0));
  save_step(session, folder, std::stoull(words.at(1)), bin ? Format::bin : Format::hdf5);
}

/// The child: says who it is, and begins once it is told to, so that strace can be attached and
/// counts its own calls only.
[[noreturn]] void serve_one(session::Session& session, const Words& words) {
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  std::cout << ::getpid() << std::endl;
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
  }
  try {
    save_one(session, words);
  } catch (const Error& error) {
    std::cerr << error.what() << std::endl;
    ::_exit(static_cast<int>(error.code()));
  }
  ::_exit(0);
}

/// One process a save, without starting MPI anew: with one rank it needs no messages.
void serve(session::Session& session) {
  for (std::string run, step; std::cin >> run >> step;) {
    std::cin.ignore();
    const pid_t child = ::fork();
    if (child == 0) serve_one(session, {run, step});
    int status = 0;
    ::waitpid(child, &status, 0);
    std::cout << (WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)) << std::endl;
  }
}

void save_many(session::Session& session, const Words& words) {
  const RunFolder folder(words.at(0));
  for (std::uint64_t step = std::stoull(words.at(1)); step <= std::stoull(words.at(2)); ++step)
    save_step(session, folder, step, Format::hdf5);
}

void print_weights(const Words& words) {
  store::ModelWeights weights(words.at(0));
  for (std::size_t i = 0; i < weights.tensors().size(); ++i) {
    const store::TensorInfo& tensor = weights.tensors()[i];
    std::vector<std::byte> bytes(store::byte_count(tensor));
    weights.read(i, 0, bytes);
    std::string hex;
    for (const std::byte byte : bytes)
      for (const unsigned half :
           {static_cast<unsigned>(byte) >> 4, static_cast<unsigned>(byte) & 15u})
        hex += "0123456789abcdef"[half];
    std::cout << Json{{"name", tensor.name},
                      {"dtype", store::name_of(tensor.dtype)},
                      {"shape", tensor.shape},
                      {"bytes", hex}}
                     .dump()
              << '\n';
  }
}

void act(session::Session& session, const std::string& command, const Words& words) {
  if (command == "save") return save_one(session, words);
  if (command == "serve") return serve(session);
  if (command == "save-many") return save_many(session, words);
  if (command == "verify") {
    for (const std::string& checkpoint : words) verify(checkpoint);
    return;
  }
  if (command == "weights") return print_weights(words);
  if (command == "latest") {
    std::vector<std::string> notes;
    std::cout << latest_of_run(words.at(0), notes).step << '\n';
    for (const std::string& note : notes) std::cerr << note << '\n';
    return;
  }
  if (command == "choose") {
    const auto choice = choose(session, words.at(0), ResumeRequest::parse(words.at(1)));
    std::cout << (choice ? std::to_string(choice->step) : "fresh") << '\n';
    return;
  }
  fail(ExitCode::usage, "no such command: " + command);
}

}  // namespace

int main(int count, char** arguments) {
  session::Session session(count, arguments);
  try {
    const Words words(arguments + 1, arguments + count);
    act(session, words.at(0), {words.begin() + 1, words.end()});
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  }
}
