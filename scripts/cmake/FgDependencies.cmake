# Every find_package of the project. Each dependency becomes fg::dep_<name>, so its flags and its
# spelling stop here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(fg_dependency name)
  add_library(fg_dep_${name} INTERFACE)
  add_library(fg::dep_${name} ALIAS fg_dep_${name})
  target_link_libraries(fg_dep_${name} INTERFACE ${ARGN})
endfunction()

find_package(nlohmann_json 3.11 REQUIRED)
fg_dependency(json nlohmann_json::nlohmann_json)

find_package(ZLIB REQUIRED)
fg_dependency(zlib ZLIB::ZLIB)

pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
fg_dependency(pcre2 PkgConfig::PCRE2)

pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
fg_dependency(utf8proc PkgConfig::UTF8PROC)

pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
fg_dependency(xxhash PkgConfig::XXHASH)

find_package(HDF5 REQUIRED COMPONENTS C)
fg_dependency(hdf5 hdf5::hdf5)

find_package(spdlog REQUIRED)
fg_dependency(spdlog spdlog::spdlog)

find_package(yaml-cpp REQUIRED)
fg_dependency(yaml yaml-cpp)

find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
fg_dependency(program_options Boost::program_options)

# The C interface only; without the define Open MPI's header drags in its dead C++ bindings.
find_package(MPI REQUIRED COMPONENTS C)
fg_dependency(mpi MPI::MPI_C)
target_compile_definitions(fg_dep_mpi INTERFACE OMPI_SKIP_MPICXX)

if(FG_WITH_TORCH)
  include(FgTorch)
endif()
include(FgCuda)

if(FG_BUILD_TESTS)
  find_package(GTest REQUIRED)
  fg_dependency(gtest GTest::gtest)
  fg_dependency(gtest_main GTest::gtest_main)
endif()
