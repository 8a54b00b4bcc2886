#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/optim/options.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::optim {
namespace {

using test::expect_error;

TEST(OptimizerOptions, AreDefaultsPlusWhatWasWritten) {
  const OptimizerOptions options = read_options({{"lr", 3e-4},
                                                 {"type", std::string("adafactor")},
                                                 {"clip_threshold", std::int64_t{2}},
                                                 {"relative_step", true}},
                                                "optimizer");
  OptimizerOptions expected;
  expected.type = OptimizerType::adafactor;
  expected.lr = 3e-4;
  expected.clip_threshold = 2;
  expected.relative_step = true;
  EXPECT_EQ(options, expected);
  EXPECT_EQ(read_options({}, "optimizer"), OptimizerOptions{});
}

TEST(OptimizerOptions, EveryMistakeIsListedWithTheNearestName) {
  expect_error(
      ExitCode::usage,
      {"optimizer: no optimizer has an option 'wieght_decay'; did you mean 'weight_decay'?",
       "lr is 'high'", "a number", "beta1 is 1.0", "did you mean 'adamw'?"},
      [] {
        read_options({{"wieght_decay", 0.1},
                      {"lr", std::string("high")},
                      {"beta1", 1.0},
                      {"type", std::string("adamv")}},
                     "optimizer");
      });
}

TEST(OptimizerOptions, AnOptionOfAnotherTypeIsRefused) {
  expect_error(ExitCode::usage, {"sgd has no option 'beta1'", "momentum"}, [] {
    read_options({{"beta1", 0.5}, {"type", std::string("sgd")}}, "optimizer");
  });
}

TEST(OptimizerOptions, RangesAreChecked) {
  const auto refused = [](const char* name, OptionValue value, const char* type) {
    expect_error(ExitCode::usage, {name}, [&] {
      read_options({{"type", std::string(type)}, {name, value}}, "optimizer");
    });
  };
  refused("lr", -1e-3, "adamw");
  refused("lr", std::stod("nan"), "adamw");
  refused("weight_decay", std::stod("inf"), "adamw");
  refused("beta2", 1.0, "adamw");
  refused("eps", 0.0, "adamw");
  refused("decay_rate", 0.8, "adafactor");
  refused("clip_threshold", 0.0, "adafactor");
  refused("eps_square", 0.0, "adafactor");
  refused("momentum", 1.0, "sgd");
  refused("nesterov", true, "sgd");  // without momentum
  refused("state_dtype", std::string("int8"), "adamw");
}

}  // namespace
}  // namespace fg::optim
