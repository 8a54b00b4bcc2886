#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fg::text::jinja {

/// repr() of a float: the shortest digits that give it back, with an exponent outside 1e-4 to 1e16.
std::string real_repr(double value);

/// The decimal digits of a finite positive value, rounded half to even from its exact binary value.
std::string fixed_digits(double value, int decimals);

/// int(text, base): white space, sign, underscores, prefixes of base 0, 2, 8, 16; digits of any
/// script. Nothing where Python raises ValueError; Failure(limit) beyond 64 bits.
std::optional<std::int64_t> parse_integer(std::string_view text, int base);
/// float(text), nothing where Python raises ValueError.
std::optional<double> parse_real(std::string_view text);

/// int() of a float: Failure(value) for NaN, Failure(overflow) for an infinity, Failure(limit)
/// beyond 64 bits.
std::int64_t truncate_real(double value);

/// round(value, digits) of Python: half to even on the exact value.
double round_real(double value, std::int64_t digits);
std::int64_t round_integer(std::int64_t value, std::int64_t digits);

}  // namespace fg::text::jinja
