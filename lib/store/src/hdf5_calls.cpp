#include "hdf5_calls.hpp"

#include <algorithm>

#include "tensor_list.hpp"

namespace fg::store {
namespace {

std::mutex& h5_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// Called for the innermost entry first; a return above 0 ends the walk.
herr_t take_description(unsigned, const H5E_error2_t* entry, void* target) {
  if (entry->desc == nullptr || *entry->desc == '\0') return 0;
  try {
    static_cast<std::string*>(target)->assign(entry->desc);
  } catch (...) {
    return -1;  // no exception may pass through C
  }
  return 1;
}

std::string innermost_error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_description, &text);
  for (char& letter : text)
    if (static_cast<unsigned char>(letter) < ' ') letter = ' ';
  return text.empty() ? "nothing more" : text;
}

H5Id make_h5_float16(std::size_t exponent_bits, std::size_t mantissa_bits, std::size_t bias,
                     const H5Check& h5_check) {
  H5Id type = h5_check.id(H5Tcopy(H5T_IEEE_F32LE), "copy a type");
  h5_check(H5Tset_fields(type.get(), 15, mantissa_bits, exponent_bits, 0, mantissa_bits),
           "set the fields of a type");
  h5_check(H5Tset_size(type.get(), 2), "set the size of a type");
  h5_check(H5Tset_ebias(type.get(), bias), "set the bias of a type");
  return type;
}

H5Id make_h5_boolean(const H5Check& h5_check) {
  H5Id type = h5_check.id(H5Tenum_create(H5T_STD_I8LE), "make a type");
  for (const auto& [name, value] : {std::pair{"FALSE", 0}, std::pair{"TRUE", 1}}) {
    const auto stored = static_cast<signed char>(value);
    h5_check(H5Tenum_insert(type.get(), name, &stored), "name a value of a type");
  }
  return type;
}

}  // namespace

H5Session::H5Session() : lock_(h5_mutex()) {
  const H5Check h5_check{ExitCode::bug, "HDF5"};
  // Its own clean-up at exit crashes where closing a file has failed; we close all that we open.
  // Fails only where it was said before.
  [[maybe_unused]] static const herr_t said = H5dont_atexit();
  h5_check(H5open(), "start the library");
  h5_check(H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr), "silence the library");
  h5_check(H5PLset_loading_state(0), "switch plug-ins off");
}

void fail_h5(ExitCode code, const std::string& path, const char* doing) {
  fail(code, path + ": cannot " + doing + ": HDF5 says: " + innermost_error());
}

H5Id make_h5_type(Dtype dtype, const H5Check& h5_check) {
  const auto copy = [&](hid_t type) { return h5_check.id(H5Tcopy(type), "copy a type"); };
  switch (dtype) {
    case Dtype::boolean:
      return make_h5_boolean(h5_check);
    case Dtype::uint8:
      return copy(H5T_STD_U8LE);
    case Dtype::int8:
      return copy(H5T_STD_I8LE);
    case Dtype::int16:
      return copy(H5T_STD_I16LE);
    case Dtype::int32:
      return copy(H5T_STD_I32LE);
    case Dtype::int64:
      return copy(H5T_STD_I64LE);
    case Dtype::float16:
      return make_h5_float16(5, 10, 15, h5_check);
    case Dtype::bfloat16:
      return make_h5_float16(8, 7, 127, h5_check);
    case Dtype::float32:
      return copy(H5T_IEEE_F32LE);
    case Dtype::float64:
      return copy(H5T_IEEE_F64LE);
  }
  FG_CHECK(false);
  return {};
}

std::string describe_h5_type(hid_t type) {
  std::string kind;
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      kind = H5Tget_sign(type) == H5T_SGN_NONE ? "unsigned integer" : "integer";
      break;
    case H5T_FLOAT:
      kind = "float";
      break;
    case H5T_STRING:
      kind = "string";
      break;
    case H5T_BITFIELD:
      kind = "bit field";
      break;
    case H5T_OPAQUE:
      kind = "opaque value";
      break;
    case H5T_COMPOUND:
      kind = "compound";
      break;
    case H5T_REFERENCE:
      kind = "reference";
      break;
    case H5T_ENUM:
      kind = "enumeration";
      break;
    case H5T_VLEN:
      kind = "list of variable length";
      break;
    case H5T_ARRAY:
      kind = "array";
      break;
    default:
      kind = "value of unknown class";
      break;
  }
  const bool big_endian = H5Tget_size(type) > 1 && H5Tget_order(type) == H5T_ORDER_BE;
  return std::to_string(H5Tget_size(type) * 8) + "-bit " + (big_endian ? "big-endian " : "") + kind;
}

std::string name_fault(const std::string& name) {
  const auto is_control = [](char letter) {
    return static_cast<unsigned char>(letter) < ' ' || letter == '\x7f';
  };
  if (name.empty()) return "a tensor without a name";
  if (std::ranges::any_of(name, is_control))
    return "tensor " + shown(name) + " has control characters in its name";
  if (name.find('/') != std::string::npos)
    return "tensor " + shown(name) + ": HDF5 takes the '/' in its name for a group";
  if (name == ".") return "tensor '.': HDF5 takes its name for the group itself";
  return {};
}

}  // namespace fg::store
