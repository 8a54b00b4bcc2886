// Reads and writes weight files for the tests in Python.
//   weights_tool list PATH               one line a tensor: name, dtype, shape, bytes (JSON)
//   weights_tool dump PATH NAME PIECE    the bytes of one tensor, read PIECE bytes at a time
//   weights_tool copy PATH TARGET PIECE  into a new file, its format by the name; pieces backwards
//   weights_tool shard PATH TARGET FORMAT MAX_BYTES   into a new folder with an index
//   weights_tool convert FROM TO         floats from standard input to standard output
// PATH is a file or a model folder. Exit code and message are those of the error; the last line on
// standard error is the peak of resident memory.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/store/convert_dtype.hpp>
#include <fg/store/hdf5.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/store/safetensors.hpp>
#include <fg/store/shards.hpp>
#include <fg/store/torch_bin.hpp>

namespace {

using namespace fg;
using namespace fg::store;

WeightFormat format_of(const std::string& path) {
  if (path.ends_with(".safetensors")) return WeightFormat::safetensors;
  return path.ends_with(".h5") ? WeightFormat::hdf5 : WeightFormat::torch_bin;
}

/// A file or a folder as one source of tensors.
class Source {
public:
  explicit Source(const std::string& path) {
    if (std::filesystem::is_directory(path)) {
      folder_ = std::make_unique<ModelWeights>(path);
      for (const std::string& note : folder_->notes()) std::cerr << "note: " << note << "\n";
    } else {
      file_ = open_weight_file(format_of(path), path);
    }
  }
  std::span<const TensorInfo> tensors() const {
    return folder_ ? folder_->tensors() : file_->tensors();
  }
  void read(std::size_t index, std::uint64_t offset, std::span<std::byte> out) {
    folder_ ? folder_->read(index, offset, out) : file_->read(index, offset, out);
  }
  std::string file_of(std::size_t index) const { return folder_ ? folder_->file_of(index) : ""; }

private:
  std::unique_ptr<ModelWeights> folder_;
  std::unique_ptr<TensorFileReader> file_;
};

void list(const std::string& path) {
  const Source source(path);
  for (std::size_t index = 0; index < source.tensors().size(); ++index) {
    const TensorInfo& tensor = source.tensors()[index];
    Json line = {{"name", tensor.name},
                 {"dtype", name_of(tensor.dtype)},
                 {"shape", tensor.shape},
                 {"bytes", byte_count(tensor)}};
    if (!source.file_of(index).empty()) line["file"] = source.file_of(index);
    std::cout << line.dump() << "\n";
  }
}

void dump(const std::string& path, const std::string& name, std::uint64_t piece) {
  Source source(path);
  for (std::size_t index = 0; index < source.tensors().size(); ++index) {
    if (source.tensors()[index].name != name) continue;
    const std::uint64_t bytes = byte_count(source.tensors()[index]);
    std::vector<std::byte> buffer(std::min(piece, bytes));
    for (std::uint64_t offset = 0; offset < bytes; offset += piece) {
      const auto out = std::span(buffer).first(std::min(piece, bytes - offset));
      source.read(index, offset, out);
      std::cout.write(reinterpret_cast<const char*>(out.data()),
                      static_cast<std::streamsize>(out.size()));
    }
    return;
  }
  fail(ExitCode::usage, path + ": no tensor " + name);
}

void copy_tensor(Source& source, std::size_t from, TensorFileWriter& writer, std::size_t to,
                 std::uint64_t piece) {
  const std::uint64_t bytes = byte_count(source.tensors()[from]);
  std::vector<std::byte> buffer(std::min(piece, bytes));
  for (std::uint64_t left = (bytes + piece - 1) / piece; left-- > 0;) {
    const auto part = std::span(buffer).first(std::min(piece, bytes - left * piece));
    source.read(from, left * piece, part);
    writer.write(to, left * piece, part);
  }
}

void copy_all(const std::string& path, const std::string& target, std::uint64_t piece) {
  Source source(path);
  const std::vector<TensorInfo> tensors(source.tensors().begin(), source.tensors().end());
  const auto writer = create_weight_file(format_of(target), target, tensors);
  for (std::size_t index = tensors.size(); index-- > 0;)
    copy_tensor(source, index, *writer, index, piece);
  writer->finish();
}

void shard(const std::string& path, const std::filesystem::path& target, const std::string& option,
           std::uint64_t max_bytes) {
  Source source(path);
  WeightFormat format = WeightFormat::safetensors;
  if (option == name_of(WeightFormat::torch_bin)) format = WeightFormat::torch_bin;
  const std::vector<Shard> shards = plan_shards(source.tensors(), max_bytes, format);
  std::filesystem::create_directory(target);
  for (const Shard& part : shards) {
    std::vector<TensorInfo> tensors;
    for (const std::size_t index : part.tensors) tensors.push_back(source.tensors()[index]);
    const auto writer = create_weight_file(format, target / part.file, tensors);
    for (std::size_t index = 0; index < tensors.size(); ++index)
      copy_tensor(source, part.tensors[index], *writer, index, 1 << 20);
    writer->finish();
  }
  if (shards.size() > 1)
    write_synced(target / index_file_name(format), index_json(source.tensors(), shards));
}

void convert_stream(const std::string& from_name, const std::string& to_name) {
  const Dtype from = parse_dtype(from_name).value();
  const Dtype to = parse_dtype(to_name).value();
  const std::string in(std::istreambuf_iterator<char>(std::cin), {});
  std::string out(in.size() / size_of(from) * size_of(to), '\0');
  convert(from, std::as_bytes(std::span(in)), to, std::as_writable_bytes(std::span(out)));
  std::cout << out;
}

void run(const std::vector<std::string>& words) {
  const auto is = [&](const char* name, std::size_t count) {
    return !words.empty() && words[0] == name && words.size() == count + 1;
  };
  if (is("list", 1)) return list(words[1]);
  if (is("dump", 3)) return dump(words[1], words[2], std::stoull(words[3]));
  if (is("copy", 3)) return copy_all(words[1], words[2], std::stoull(words[3]));
  if (is("shard", 4)) return shard(words[1], words[2], words[3], std::stoull(words[4]));
  if (is("convert", 2)) return convert_stream(words[1], words[2]);
  fail(ExitCode::usage, "weights_tool list|dump|copy|shard|convert ...");
}

void print_peak() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line))
    if (line.starts_with("VmHWM:")) std::cerr << line << "\n";
}

}  // namespace

int main(int count, char** words) {
  int code = 0;
  try {
    run({words + 1, words + count});
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
    code = static_cast<int>(error.code());
  }
  print_peak();
  return code;
}
