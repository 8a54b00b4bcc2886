# The CUDA language, the device half of LibTorch, and NCCL. FG_CUDA: OFF, ON, or AUTO: on where nvcc and all
# libraries of the torch wheel are there. With OFF every library takes its ABSENT_SOURCES instead.
#
# nvcc is the one on PATH (or CMAKE_CUDA_COMPILER, CUDACXX), else PyPI's beside the torch wheel.
#
# FG_CUDA_ARCHITECTURES: what kernels are compiled for, as CMAKE_CUDA_ARCHITECTURES has it.
set(FG_CUDA_ARCHITECTURES "90" CACHE STRING "GPU architectures of the kernels")

set(FG_WITH_CUDA OFF)
if(FG_CUDA STREQUAL OFF OR NOT FG_WITH_TORCH)
  return()
endif()

if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(FG_NVCC nvcc)
  if(NOT FG_NVCC)
    file(GLOB wheel_nvcc ${FG_TORCH_DIR}/../nvidia/cu*/bin/nvcc)
    if(wheel_nvcc)
      list(GET wheel_nvcc 0 wheel_nvcc)
      file(REAL_PATH ${wheel_nvcc} wheel_nvcc)
      set(CMAKE_CUDA_COMPILER ${wheel_nvcc} CACHE FILEPATH "nvcc of the wheel" FORCE)
    endif()
  endif()
endif()
include(CheckLanguage)
check_language(CUDA)
file(GLOB missing_part ${FG_TORCH_DIR}/lib/libtorch_cuda.so)
file(GLOB blas ${FG_TORCH_DIR}/../nvidia/*/lib/libcublas.so.*)
file(GLOB cudart ${FG_TORCH_DIR}/../nvidia/*/lib/libcudart.so.*)
file(GLOB nccl ${FG_TORCH_DIR}/../nvidia/nccl/lib/libnccl.so.2)
if(NOT CMAKE_CUDA_COMPILER OR NOT missing_part OR NOT blas OR NOT cudart OR NOT nccl)
  if(FG_CUDA STREQUAL AUTO)
    message(STATUS "CUDA: off (needs nvcc and the torch wheel with all its CUDA libraries)")
    return()
  endif()
  message(FATAL_ERROR "FG_CUDA=ON needs nvcc (CUDA 13) and the torch wheel with its CUDA libraries: "
                      "run scripts/bootstrap.sh --gpu")
endif()

set(CMAKE_CUDA_ARCHITECTURES ${FG_CUDA_ARCHITECTURES})
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
# The runtime that LibTorch is linked with, named by its full path below.
set(CMAKE_CUDA_RUNTIME_LIBRARY None)
enable_language(CUDA)
set(FG_WITH_CUDA ON)
message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER_VERSION}, kernels for ${CMAKE_CUDA_ARCHITECTURES}")

foreach(name c10_cuda torch_cuda)
  add_library(fg_torch_${name} SHARED IMPORTED)
  set_target_properties(fg_torch_${name} PROPERTIES
    IMPORTED_LOCATION ${FG_TORCH_DIR}/lib/lib${name}.so)
endforeach()
list(GET cudart 0 cudart)
fg_dependency(cuda fg_dep_torch fg_torch_c10_cuda)
# torch_cuda registers its operators when it is loaded; no symbol of it is named by anyone.
target_link_options(fg_dep_cuda INTERFACE
  "LINKER:--push-state,--no-as-needed" "${FG_TORCH_DIR}/lib/libtorch_cuda.so" "LINKER:--pop-state")
target_link_libraries(fg_dep_cuda INTERFACE ${cudart})
target_include_directories(fg_dep_cuda SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})

# The one that LibTorch is linked with.
fg_dependency(nccl ${nccl})
target_include_directories(fg_dep_nccl SYSTEM INTERFACE ${FG_TORCH_DIR}/../nvidia/nccl/include)
