#pragma once

#include <string>

#include <fg/app/program.hpp>
#include <fg/model_folder/options.hpp>

namespace fg::model_folder {

/// The options that both programs have. `default_format` is for --help.
void add_options(app::Program& program, const std::string& default_format);

/// Reads them, and collects what is wrong: all of it is reported at once.
class OptionReader {
public:
  explicit OptionReader(const app::Arguments& arguments) : arguments_(arguments) {}

  Options read();
  /// One more thing that is wrong, a sentence.
  void mistake(const std::string& what) { mistakes_ += (mistakes_.empty() ? "" : "\n") + what; }
  /// Error(usage) if there was any mistake.
  void require_none() const;

private:
  void read_template(Options& options);
  void read_dtype(Options& options);
  void read_format(Options& options);
  void read_shard_size(Options& options);

  const app::Arguments& arguments_;
  std::string mistakes_;
};

}  // namespace fg::model_folder
