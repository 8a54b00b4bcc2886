// tokenizer_bench TOKENIZER_FOLDER THREADS REPEATS < TEXTS
//
// TEXTS: each text as its size (32 bits little endian) and its bytes. Prints one line of JSON with
// the seconds of loading, and of encoding all texts once, by the clock and of the processor (the
// best of REPEATS, after one round to warm up).

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <fg/base/error.hpp>
#include <fg/text/tokenizer.hpp>

namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Of this process, all threads, user and system.
double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::vector<std::string> read_texts() {
  std::vector<std::string> texts;
  for (std::uint32_t size = 0; std::cin.read(reinterpret_cast<char*>(&size), sizeof size);) {
    std::string& text = texts.emplace_back(size, '\0');
    std::cin.read(text.data(), static_cast<std::streamsize>(size));
  }
  return texts;
}

void run(const std::string& folder, unsigned threads, int repeats) {
  const auto begin = std::chrono::steady_clock::now();
  const fg::text::Tokenizer tokenizer = fg::text::Tokenizer::load(folder);
  const double load_seconds = seconds_since(begin);
  const std::vector<std::string> texts = read_texts();
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  double best = 1e30, best_cpu = 1e30;
  std::size_t tokens = 0;
  for (int round = 0; round <= repeats; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const double start_cpu = cpu_seconds();
    const auto encodings = tokenizer.encode_batch(views, {}, threads);
    if (round > 0) {
      best = std::min(best, seconds_since(start));
      best_cpu = std::min(best_cpu, cpu_seconds() - start_cpu);
    }
    tokens = 0;
    for (const auto& encoding : encodings) tokens += encoding.ids.size();
  }
  std::cout << "{\"load_seconds\": " << load_seconds << ", \"seconds\": " << best
            << ", \"cpu_seconds\": " << best_cpu << ", \"tokens\": " << tokens << "}\n";
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) {
    std::cerr << "usage: tokenizer_bench TOKENIZER_FOLDER THREADS REPEATS < TEXTS\n";
    return 2;
  }
  try {
    run(words[1], static_cast<unsigned>(std::atoi(words[2])), std::atoi(words[3]));
  } catch (const fg::Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  }
  return 0;
}
