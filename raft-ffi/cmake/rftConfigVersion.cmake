# Which find_package(rft VERSION) this library answers: before 1.0 every minor release has an interface of its own, from
# then on every major one (include/ABI.md). The header that is installed beside it says the version.

get_filename_component(_rft_here "${CMAKE_CURRENT_LIST_DIR}" REALPATH)
foreach(_rft_up ../../.. ../../../..)
  if(EXISTS "${_rft_here}/${_rft_up}/include/rft.h")
    file(STRINGS "${_rft_here}/${_rft_up}/include/rft.h" _rft_line REGEX "^#define RFT_VERSION_STRING ")
    string(REGEX REPLACE ".*\"(.*)\".*" "\\1" PACKAGE_VERSION "${_rft_line}")
    break()
  endif()
endforeach()

string(REGEX MATCH "^(0\\.)?[0-9]+" _rft_line "${PACKAGE_VERSION}")
if(NOT PACKAGE_VERSION OR PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
elseif("${PACKAGE_FIND_VERSION}." MATCHES "^${_rft_line}\\." OR PACKAGE_FIND_VERSION STREQUAL "")
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
else()
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
endif()
if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()

unset(_rft_here)
unset(_rft_up)
unset(_rft_line)
