#pragma once

#include <string>

#include <fg/app/program.hpp>
#include <fg/model_folder/options.hpp>

namespace fg::model_folder {

/// The options that both programs have. `default_format` is for --help.
void add_options(app::Program& program, const std::string& default_format);

/// Reads them.
Options read_options(const app::Arguments& arguments, app::Mistakes& mistakes);

}  // namespace fg::model_folder
