# The commit goes into one generated file, made anew at build time only when it has changed.
set(FG_VERSION_SOURCE ${PROJECT_BINARY_DIR}/generated/version.cpp)
add_custom_target(fg_version_source
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
          -DOUTPUT=${FG_VERSION_SOURCE} -P ${PROJECT_SOURCE_DIR}/scripts/cmake/write_version.cmake
  BYPRODUCTS ${FG_VERSION_SOURCE}
  COMMENT "")
