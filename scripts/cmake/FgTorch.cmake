# LibTorch from the wheel in the project's virtual environment, as imported targets of our own: the
# wheel's TorchConfig.cmake demands a CUDA toolkit, rewrites CUDA flags and wants
# TORCH_CUDA_ARCH_LIST at every configure. The wheel holds versioned .so files only, so each is named
# by its full path, and -rpath-link leads to the libraries of the nvidia wheels beside it.
#
# FG_TORCH_DIR: the wheel's torch folder; found in .venv by default.
if(NOT FG_TORCH_DIR)
  file(GLOB found ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  if(NOT found)
    message(FATAL_ERROR "no torch wheel in .venv: run scripts/bootstrap.sh, or set FG_TORCH_DIR to the "
                        "wheel's torch folder")
  endif()
  list(GET found 0 found)
  set(FG_TORCH_DIR ${found} CACHE PATH "The torch folder of the wheel" FORCE)
endif()
if(NOT EXISTS ${FG_TORCH_DIR}/include/ATen/core/Tensor.h)
  message(FATAL_ERROR "${FG_TORCH_DIR} holds no LibTorch headers (FG_TORCH_DIR)")
endif()

# FG_PORTABLE: the wheel is searched where it lies from the programs' own place (build/bin); where they
# are copied elsewhere, LD_LIBRARY_PATH must name torch/lib and every nvidia/*/lib.
file(GLOB nvidia_folders ${FG_TORCH_DIR}/../nvidia/*/lib)
set(torch_link_options "")
foreach(folder IN LISTS nvidia_folders ITEMS ${FG_TORCH_DIR}/lib)
  list(APPEND torch_link_options "LINKER:-rpath-link,${folder}")
  if(FG_PORTABLE)
    file(RELATIVE_PATH folder ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${folder})
    string(PREPEND folder "$ORIGIN/")
  endif()
  list(APPEND torch_link_options "LINKER:-rpath,${folder}")
endforeach()

foreach(name c10 torch_cpu)
  add_library(fg_torch_${name} SHARED IMPORTED)
  set_target_properties(fg_torch_${name} PROPERTIES
    IMPORTED_LOCATION ${FG_TORCH_DIR}/lib/lib${name}.so
    INTERFACE_INCLUDE_DIRECTORIES
      "${FG_TORCH_DIR}/include;${FG_TORCH_DIR}/include/torch/csrc/api/include")
endforeach()

fg_dependency(torch fg_torch_torch_cpu fg_torch_c10)
target_link_options(fg_dep_torch INTERFACE ${torch_link_options})
target_compile_definitions(fg_dep_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)

# Our own loops run on LibTorch's thread pool: at::parallel_for is inlined into the caller and is serial
# there without -fopenmp. The soname is that of the wheel's own libgomp, so only one is ever loaded.
target_compile_options(fg_dep_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_options(fg_dep_torch INTERFACE -fopenmp)
