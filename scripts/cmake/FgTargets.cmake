# The libraries, lowest first. A library may link only libraries before it in this list.
set(FG_LAYERS base log schedule text store arch data session device comm params ops model optim checkpoint
              engine infer control serve config)

# Those that need LibTorch; a build without it leaves them out.
set(FG_TORCH_LAYERS device comm params ops model optim engine infer serve)
set(FG_BUILT_LAYERS ${FG_LAYERS})
if(NOT FG_WITH_TORCH)
  list(REMOVE_ITEM FG_BUILT_LAYERS ${FG_TORCH_LAYERS})
endif()

function(fg_check_layers name links)
  list(FIND FG_LAYERS ${name} own)
  if(own EQUAL -1)
    message(FATAL_ERROR "library ${name} is not in FG_LAYERS (scripts/cmake/FgTargets.cmake)")
  endif()
  foreach(link IN LISTS links)
    if(NOT link OR link MATCHES "^fg::dep_|^fg::build")
      continue()
    endif()
    string(REPLACE "fg::" "" lower ${link})
    list(FIND FG_LAYERS ${lower} below)
    if(below EQUAL -1 OR NOT below LESS own)
      message(FATAL_ERROR "library ${name} may not link ${link}: only libraries below it (FG_LAYERS)")
    endif()
  endforeach()
endfunction()

# fg_add_library(<name> SOURCES ... [LINKS ...] [PRIVATE_LINKS ...]
#                [CUDA_SOURCES ... ABSENT_SOURCES ...])
# CUDA_SOURCES (kernels and what calls them) are built with FG_CUDA; without it ABSENT_SOURCES, which
# define the same functions and refuse to run, take their place.
# Public headers live in include/fg/<name>/; a library sees only the headers of what it links.
# Private headers live in src/ beside the sources; its unit tests may reach them by fg::<name>_private.
function(fg_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS;PRIVATE_LINKS;CUDA_SOURCES;ABSENT_SOURCES")
  fg_check_layers(${name} "${arg_LINKS};${arg_PRIVATE_LINKS}")
  if(FG_WITH_CUDA)
    list(APPEND arg_SOURCES ${arg_CUDA_SOURCES})
    if(arg_CUDA_SOURCES)
      list(APPEND arg_PRIVATE_LINKS fg::dep_cuda)
    endif()
  else()
    list(APPEND arg_SOURCES ${arg_ABSENT_SOURCES})
  endif()
  add_library(fg_${name} STATIC ${arg_SOURCES})
  add_library(fg::${name} ALIAS fg_${name})
  target_include_directories(fg_${name} PUBLIC include PRIVATE src)
  target_link_libraries(fg_${name} PUBLIC ${arg_LINKS} PRIVATE ${arg_PRIVATE_LINKS} fg::build)
  add_library(fg_${name}_private INTERFACE)
  add_library(fg::${name}_private ALIAS fg_${name}_private)
  target_include_directories(fg_${name}_private INTERFACE src)
  target_link_libraries(fg_${name}_private INTERFACE fg::${name} ${arg_PRIVATE_LINKS})
  if(NOT FG_BUILD_TESTS OR FG_SANITIZE)
    return()
  endif()
  # Each public header must compile on its own. With LibTorch's headers a unit takes seconds; there the
  # rule that a source includes its own header first must do.
  if(name IN_LIST FG_TORCH_LAYERS)
    return()
  endif()
  file(GLOB_RECURSE headers RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/include CONFIGURE_DEPENDS
       include/*.hpp)
  set(units "")
  foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER ${header} stem)
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/self_contained/${stem}.cpp)
    file(CONFIGURE OUTPUT ${unit} CONTENT "#include <${header}>\n")
    list(APPEND units ${unit})
  endforeach()
  if(units)
    add_library(fg_${name}_headers OBJECT ${units})
    target_link_libraries(fg_${name}_headers PRIVATE fg::${name} fg::build)
    target_compile_options(fg_${name}_headers PRIVATE -O0 -g0)
  endif()
endfunction()

# fg_add_program(<fg-name> SOURCES ... LINKS ...)
function(fg_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} fg::build)
  install(TARGETS ${name})
endfunction()

# fg_add_test(<name> SOURCES ... LINKS ... [RANKS 1 2 4] [TIMEOUT seconds] [LABELS ...])
# Without RANKS each of its tests becomes one ctest entry in one plain process; those with LibTorch have
# label single, and beside them is one entry <name>.whole of all tests in one process (ctest -LE single
# runs everything once). With RANKS the whole
# program runs once per rank count, and fails when it finds itself with another number of ranks.
# Convention: <lib>_test from tests/unit/<lib>, <lib>_mpi_test from tests/mpi/<lib>. Target unit_tests
# builds those without RANKS.
function(fg_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LINKS;RANKS;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} fg::test_support fg::dep_gtest fg::build)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  # What is tested is compiled as users have it; the tests themselves need not be fast.
  target_compile_options(${name} PRIVATE -O0 -g0)
  if(NOT arg_RANKS)
    target_link_libraries(${name} PRIVATE fg::dep_gtest_main)
    set(labels unit ${arg_LABELS})
    if("torch" IN_LIST arg_LABELS AND NOT "gpu" IN_LIST arg_LABELS)
      # A process takes longer to load LibTorch than most tests do. A test on a GPU keeps a process of its
      # own: an error there is not gone before the process is.
      add_test(NAME ${name}.whole COMMAND ${name})
      set_tests_properties(${name}.whole PROPERTIES TIMEOUT 600 LABELS "unit;${arg_LABELS}"
        ENVIRONMENT GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/results/programs/${name}.whole.xml)
      list(APPEND labels single)
    endif()
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
                         PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${labels}")
    if(NOT TARGET unit_tests)
      add_custom_target(unit_tests)
    endif()
    add_dependencies(unit_tests ${name})
    return()
  endif()
  target_link_libraries(${name} PRIVATE fg::mpi_test_main)
  foreach(ranks IN LISTS arg_RANKS)
    add_test(NAME ${name}.${ranks}
             COMMAND ${PROJECT_SOURCE_DIR}/scripts/mpirun.sh ${ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}.${ranks} PROPERTIES TIMEOUT ${arg_TIMEOUT} PROCESSORS ${ranks}
                         ENVIRONMENT FG_TEST_RANKS=${ranks} LABELS "mpi;ranks${ranks};${arg_LABELS}")
  endforeach()
endfunction()

# fg_add_fuzzer(<name> SOURCES ... LINKS ...): a libFuzzer target, built only with FG_BUILD_FUZZERS;
# target fuzzers builds all of them.
function(fg_add_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  if(NOT FG_BUILD_FUZZERS)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} fg::build -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_dependencies(fuzzers ${name})
endfunction()
