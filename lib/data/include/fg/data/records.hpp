#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/file.hpp>
#include <fg/data/options.hpp>
#include <fg/text/chat_template.hpp>

namespace fg::data {

/// How a file divides into records: a JSON list, JSON values one behind the other, JSON lines
/// (empty ones are passed over), or paragraphs of plain text between empty lines.
enum class Container : std::uint8_t { json, json_lines, plain };

struct RecordPlace {
  std::size_t begin = 0, end = 0;  // bytes of the file (uncompressed)
  std::size_t line = 1;            // its first line
};

/// Where the records of `content` are; nothing inside them is looked at, so they may still be
/// wrong. Error(data) naming `name`, line and record for a list that is not one. Any bytes are
/// safe; time and memory are linear in their number.
std::vector<RecordPlace> find_records(std::string_view content, Container container,
                                      const std::string& name);

/// Which container a file is by its name (without .gz).
/// Error(data) for a name that is none of ours.
Container container_of(const std::filesystem::path& path);

/// A whole file of records, mapped, or unpacked into memory if its name ends in .gz (at most
/// `max_unpacked`). Error(data) with the path.
class RecordFile {
public:
  static constexpr std::uint64_t max_unpacked = std::uint64_t{8} << 30;
  explicit RecordFile(const std::filesystem::path& path,
                      std::uint64_t most_unpacked = max_unpacked);

  const std::filesystem::path& path() const noexcept { return path_; }
  Container container() const noexcept { return container_; }
  std::string_view content() const noexcept { return content_; }
  std::size_t size() const noexcept { return records_.size(); }
  std::string_view record(std::size_t index) const;
  /// "train.jsonl: line 12 (record 11)", for messages; records count from 1.
  std::string place(std::size_t index) const;

private:
  std::filesystem::path path_;
  Container container_ = Container::json_lines;
  std::unique_ptr<MappedFile> mapped_;
  std::unique_ptr<std::string> unpacked_;
  std::string_view content_;
  std::vector<RecordPlace> records_;
};

/// A record read: a conversation, or a text.
struct Record {
  bool is_chat = false;
  text::ChatInput chat;  // messages (role, content), tools, documents
  std::string text;
};

/// The format of a record by its keys: conversations → sharegpt, messages → openai, instruction →
/// alpaca, text → text. Error(data), `place` begins the message.
Format detect_format(std::string_view record, Container container, const std::string& place);

/// Reads one record. Error(data): `place`, what was found, what was wanted. Keys that the format
/// does not have are passed over (an id, a source).
Record parse_record(std::string_view record, Container container, Format format,
                    const std::string& place);

}  // namespace fg::data
