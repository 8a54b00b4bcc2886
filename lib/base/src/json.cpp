#include <unordered_set>
#include <vector>

#include <fg/base/file.hpp>
#include <fg/base/json.hpp>

namespace fg {
namespace {

/// Looks at the events of a document for what the DOM parser lets pass: depth and duplicate keys.
class Inspector final : public nlohmann::json_sax<Json> {
public:
  explicit Inspector(int max_depth) : max_depth_(max_depth) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    message_ = "key '" + name + "' appears twice in one object";
    return false;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    // nlohmann's text begins with an id in brackets that tells the user nothing.
    const std::string text = error.what();
    const std::size_t bracket = text.find("] ");
    message_ = bracket == std::string::npos ? text : text.substr(bracket + 2);
    // What follows quotes the input, which may be megabytes or no text at all.
    message_ = message_.substr(0, message_.find("; last read"));
    return false;
  }

  const std::string& message() const { return message_; }

private:
  bool enter() {
    keys_.emplace_back();
    if (static_cast<int>(keys_.size()) <= max_depth_) return true;
    message_ = "nested deeper than " + std::to_string(max_depth_) + " levels";
    return false;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }

  int max_depth_;
  std::vector<std::unordered_set<std::string>> keys_;
  std::string message_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& name, JsonLimits limits, ExitCode code) {
  if (text.size() > limits.max_bytes)
    fail(code, name + ": " + std::to_string(text.size()) +
                   " bytes of JSON, more than the limit of " + std::to_string(limits.max_bytes));
  Inspector inspector(limits.max_depth);
  if (!Json::sax_parse(text, &inspector)) fail(code, name + ": " + inspector.message());
  return Json::parse(text);
}

Json read_json(const std::filesystem::path& path, JsonLimits limits) {
  return parse_json(read_text(path, limits.max_bytes), path.string(), limits);
}

}  // namespace fg
