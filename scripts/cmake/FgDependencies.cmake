# Every find_package of the project. Each dependency becomes fg::dep_<name>, so its flags and its
# spelling stop here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(fg_dependency name)
  add_library(fg_dep_${name} INTERFACE)
  add_library(fg::dep_${name} ALIAS fg_dep_${name})
  target_link_libraries(fg_dep_${name} INTERFACE ${ARGN})
endfunction()

# A dependency that FG_PORTABLE takes from its archives (lib<archive>.a), in linking order, so that the
# machine which runs the programs need not have it; its headers stay those of `target`.
function(fg_archived_dependency name target)
  if(NOT FG_PORTABLE)
    fg_dependency(${name} ${target})
    return()
  endif()
  set(archives "")
  foreach(archive IN LISTS ARGN)
    find_library(FG_ARCHIVE_${archive} lib${archive}.a REQUIRED)
    list(APPEND archives ${FG_ARCHIVE_${archive}})
  endforeach()
  fg_dependency(${name} ${archives})
  target_include_directories(fg_dep_${name} SYSTEM INTERFACE
                             $<TARGET_PROPERTY:${target},INTERFACE_INCLUDE_DIRECTORIES>)
endfunction()

find_package(nlohmann_json 3.11 REQUIRED)
fg_dependency(json nlohmann_json::nlohmann_json)

find_package(ZLIB REQUIRED)
fg_archived_dependency(zlib ZLIB::ZLIB z)

pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
fg_archived_dependency(pcre2 PkgConfig::PCRE2 pcre2-8)

pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
fg_archived_dependency(utf8proc PkgConfig::UTF8PROC utf8proc)

pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
fg_archived_dependency(xxhash PkgConfig::XXHASH xxhash)

find_package(HDF5 REQUIRED COMPONENTS C)
# libcrypto and libcurl, which `h5cc -show` names too, are for HDF5's S3 driver alone: unused here.
fg_archived_dependency(hdf5 hdf5::hdf5 hdf5_serial sz aec z)
if(FG_PORTABLE)
  target_link_libraries(fg_dep_hdf5 INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
endif()

find_package(spdlog REQUIRED)
if(FG_PORTABLE)
  # spdlog and the fmt below it by their headers alone.
  find_package(fmt REQUIRED)
  fg_dependency(spdlog fmt::fmt-header-only Threads::Threads)
  target_compile_definitions(fg_dep_spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
else()
  fg_dependency(spdlog spdlog::spdlog)
endif()

find_package(yaml-cpp REQUIRED)
fg_archived_dependency(yaml yaml-cpp yaml-cpp)

find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
fg_archived_dependency(program_options Boost::program_options boost_program_options)

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
