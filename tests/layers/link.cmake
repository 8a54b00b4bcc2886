# cmake -DNAME=<library> -DLINKS=<targets> -P link.cmake: may this library link these?
include(${CMAKE_CURRENT_LIST_DIR}/../../scripts/cmake/FgTargets.cmake)
fg_check_layers(${NAME} "${LINKS}")
