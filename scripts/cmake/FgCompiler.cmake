# fg::build carries standard, warnings and sanitizers; every target of the project links it.
add_library(fg_build INTERFACE)
add_library(fg::build ALIAS fg_build)
target_compile_features(fg_build INTERFACE cxx_std_20)
target_compile_options(fg_build INTERFACE
  "$<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Wshadow;-Wconversion;-Wnon-virtual-dtor>"
  $<$<AND:$<BOOL:${FG_WARNINGS_AS_ERRORS}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow;--expt-relaxed-constexpr>"
  "$<$<AND:$<BOOL:${FG_WARNINGS_AS_ERRORS}>,$<COMPILE_LANGUAGE:CUDA>>:-Werror=all-warnings>")
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports impossible overlaps inside its own std::string (bug 105651).
  target_compile_options(fg_build INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(FG_SANITIZE)
  target_compile_options(fg_build INTERFACE -fsanitize=${FG_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(fg_build INTERFACE -fsanitize=${FG_SANITIZE})
endif()
if(FG_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "FG_BUILD_FUZZERS needs clang: -DCMAKE_CXX_COMPILER=clang++")
  endif()
  target_compile_options(fg_build INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Paths below the sources are hashed as relative ones, so that clones and worktrees share what was compiled.
find_program(FG_CCACHE ccache)
if(FG_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(launcher env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${FG_CCACHE})
  foreach(language CXX C CUDA)
    set(CMAKE_${language}_COMPILER_LAUNCHER ${launcher} CACHE STRING "" FORCE)
  endforeach()
endif()
