#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <set>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/run_folder.hpp>
#include <fg/session/placement.hpp>
#include <fg/store/shards.hpp>
#include <fg/store/slices.hpp>

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_name = ".fg-lock";
constexpr const char* latest_name = "latest";
constexpr std::uint64_t max_small_file = std::uint64_t{256} << 20;

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  fail(ExitCode::cannot_save, path.string() + ": " + why);
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) refuse(folder, "cannot make the folder: " + error.message());
}

std::string make_name() {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%08x", std::random_device()());
  return text.data();
}

std::string holder_text() {
  std::array<char, 32> started{};
  const std::time_t now = std::time(nullptr);
  struct tm parts {};
  ::gmtime_r(&now, &parts);
  std::strftime(started.data(), started.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  Json holder = {{"host", session::host_name()}, {"pid", ::getpid()}, {"started", started.data()}};
  if (const char* job = std::getenv("SLURM_JOB_ID")) holder["job"] = job;
  return holder.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// "another run (process 12 on host a since 2026-…, job 7)", as the lock file tells it.
std::string describe_holder(const fs::path& lock) {
  std::string text = "another run";
  try {
    const Json holder = read_json(lock);
    text += " (process " + std::to_string(holder.at("pid").get<long>()) + " on host " +
            holder.at("host").get<std::string>() + " since " +
            holder.at("started").get<std::string>();
    if (holder.contains("job")) text += ", job " + holder.at("job").get<std::string>();
    return text + ")";
  } catch (const std::exception&) {
    return "another run (its file " + lock.string() + " does not tell which)";
  }
}

bool is_weights_name(const std::string& name) {
  for (const char* ending : {".safetensors", ".bin", ".h5", ".hdf5", ".index.json"})
    if (name.ends_with(ending)) return true;
  return name == store::manifest_name;
}

bool is_own_link(const fs::path& path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  return !error && target.parent_path() == fs::path("checkpoints") / latest_name;
}

/// The root's files with names of weights, by whether they are links that we made.
struct RootFiles {
  std::set<std::string> own_links;
  bool others = false;
};

RootFiles look_at_root(const fs::path& root) {
  RootFiles files;
  std::error_code error;
  for (fs::directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!is_weights_name(name)) continue;
    if (is_own_link(entry->path()))
      files.own_links.insert(name);
    else
      files.others = true;
  }
  if (error) refuse(root, "cannot list the folder: " + error.message());
  return files;
}

/// Puts a link in place of whatever link has the name, in one step.
void put_link(const fs::path& target, const fs::path& link) {
  const fs::path beside = link.parent_path() / (".link-" + link.filename().string());
  std::error_code error;
  fs::remove(beside, error);
  fs::create_symlink(target, beside, error);
  if (error) refuse(link, "cannot make a link: " + error.message());
  fs::rename(beside, link, error);
  if (error) refuse(link, "cannot put a link in place: " + error.message());
}

/// What the root needs to load as a model.
std::set<std::string> names_to_link(const fs::path& checkpoint) {
  std::set<std::string> names = {std::string(store::manifest_name)};
  try {
    const store::Manifest manifest = store::read_manifest(checkpoint);
    for (const store::SlicedTensor& tensor :
         store::slices_of(manifest, checkpoint.string()).weights)
      for (const store::Slice& slice : tensor.slices) names.insert(slice.file);
    const std::string index = store::index_file_name(store::WeightFormat::torch_bin);
    if (manifest.files.contains(index)) names.insert(index);
  } catch (const Error& error) {
    fail(ExitCode::cannot_save, error.what());  // it was to be linked, not loaded
  }
  return names;
}

/// A file that goes when this does; what a kill leaves the next run removes.
struct Removed {
  fs::path path;
  ~Removed() {
    std::error_code ignored;
    if (!path.empty()) fs::remove(path, ignored);
  }
};

void remove_left_overs(const fs::path& folder, std::span<const std::string_view> starts,
                       std::vector<std::string>& notes) {
  std::vector<fs::path> left;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    for (const std::string_view start : starts)
      if (entry->path().filename().string().starts_with(start)) left.push_back(entry->path());
  if (error) refuse(folder, "cannot list the folder: " + error.message());
  for (const fs::path& path : left) {
    fs::remove_all(path, error);
    notes.push_back(error ? path.string() +
                                ": cannot remove what an earlier run left: " + error.message()
                          : path.string() + ": left by an earlier run, removed");
  }
}

}  // namespace

std::vector<fs::path> model_files(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const char* name :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer.model",
        "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "merges.txt", "chat_template.jinja", "chat_template.json"}) {
    std::error_code error;
    if (fs::is_regular_file(folder / name, error)) found.push_back(folder / name);
  }
  return found;
}

fs::path checkpoints_in(const fs::path& run) {
  return run / "checkpoints";
}

RunFolder::RunFolder(const fs::path& root) : run_name_(make_name()) {
  make_folder(root);
  std::error_code error;
  root_ = fs::canonical(root, error);
  if (error) refuse(root, "cannot resolve the path: " + error.message());
  take_lock();
  make_folder(checkpoints());
  if (locked_) clean_up();
}

void require_shared(session::Session& session, const RunFolder* leads, const fs::path& root) {
  const std::string mark = ".tmp-shared-" + session.broadcast(leads ? leads->run_name() : "");
  Removed made;
  session.together([&] {
    if (!leads) return;
    made.path = leads->checkpoints() / mark;
    write_synced(made.path, "");
  });
  session.together([&] {
    const auto begin = std::chrono::steady_clock::now();
    while (!fs::exists(checkpoints_in(root) / mark)) {
      if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(5))
        fail(ExitCode::usage,
             root.string() + " is not the run folder of rank 0 (" + session.hosts()[0] +
                 "): put train.output_dir on a disk that all machines share, or let each "
                 "keep its part (--save-on-each-node)");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
}

RunFolder::~RunFolder() {
  if (locked_ && !lock_.empty()) [[maybe_unused]]
    const int ignored = ::ftruncate(lock_.get(), 0);
}

void RunFolder::close_descriptor(int descriptor) {
  ::close(descriptor);
}

/// A lock of the open file (not of the process): closing another descriptor of the file does not
/// lose it, and network file systems know it.
void RunFolder::take_lock() {
  const fs::path path = root_ / lock_name;
  lock_ = Owned<int, close_descriptor, -1>(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (lock_.empty()) refuse(path, "cannot open the lock file: " + errno_text(errno));
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(lock_.get(), F_OFD_SETLK, &whole) != 0) {
    const int reason = errno;
    if (reason == EAGAIN || reason == EACCES)
      fail(ExitCode::usage, root_.string() + ": is in use by " + describe_holder(path) +
                                "; end that one first, or choose another output directory");
    if (reason != ENOLCK && reason != EINVAL && reason != EOPNOTSUPP && reason != ENOSYS)
      refuse(path, "cannot take the lock: " + errno_text(reason));
    notes_.push_back(root_.string() + ": the file system has no locks (" + errno_text(reason) +
                     "): make sure yourself that only one run uses this folder");
    return;
  }
  locked_ = true;
  const std::string text = holder_text();
  if (::ftruncate(lock_.get(), 0) != 0 ||
      ::pwrite(lock_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    notes_.push_back(path.string() + ": cannot note who holds it: " + errno_text(errno));
}

void RunFolder::clean_up() {
  constexpr std::array<std::string_view, 4> ours = {".tmp-", ".trash-", ".link-", ".checkpoint-"};
  constexpr std::array<std::string_view, 1> links = {".link-"};
  remove_left_overs(checkpoints(), ours, notes_);
  remove_left_overs(root_, links, notes_);
}

void RunFolder::copy_model_files(const fs::path& model, const fs::path& tokenizer) const {
  const auto copy = [&](const fs::path& folder, bool is_model) {
    std::error_code error;
    if (fs::equivalent(folder, root_, error)) return;
    for (const fs::path& file : model_files(folder))
      if (is_model ==
          (file.filename() == "config.json" || file.filename() == "generation_config.json"))
        replace_text(root_ / file.filename(), read_text(file, max_small_file));
  };
  copy(model, true);
  copy(tokenizer, false);
}

void RunFolder::link_latest(const fs::path& checkpoint) const {
  const std::set<std::string> wanted = names_to_link(checkpoint);
  const RootFiles there = look_at_root(root_);
  const fs::path latest = checkpoints() / latest_name;
  // New names lead nowhere for a moment, then all change together.
  if (!there.others)
    for (const std::string& name : wanted)
      if (!there.own_links.contains(name))
        put_link(fs::path("checkpoints") / latest_name / name, root_ / name);
  put_link(checkpoint.filename(), latest);
  for (const std::string& name : there.own_links) {
    std::error_code error;
    if (there.others || !wanted.contains(name)) fs::remove(root_ / name, error);
  }
  sync_path(checkpoints());
}

void replace_text(const fs::path& path, const std::string& text) {
  const fs::path beside = path.parent_path() / ("." + path.filename().string() + ".new");
  std::error_code error;
  fs::remove(beside, error);
  write_synced(beside, text);
  fail_point("replace.before_rename");
  fs::rename(beside, path, error);
  if (error) refuse(path, "cannot rename: " + error.message());
  sync_path(path.parent_path());
}

}  // namespace fg::checkpoint
