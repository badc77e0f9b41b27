# What find_package(rft) reads. The targets are rft::rft, the shared library, and rft::rft_static; the header and both
# libraries are looked for from where this file lies, so that an installed tree may be moved.

get_filename_component(_rft_here "${CMAKE_CURRENT_LIST_DIR}" REALPATH)

# LIBDIR/cmake/rft, where LIBDIR is PREFIX/lib or PREFIX/lib/ARCHITECTURE; or PREFIX/share/cmake/rft.
set(_rft_include "")
foreach(_rft_up ../../.. ../../../..)
  get_filename_component(_rft_prefix "${_rft_here}/${_rft_up}" ABSOLUTE)
  if(EXISTS "${_rft_prefix}/include/rft.h")
    set(_rft_include "${_rft_prefix}/include")
    break()
  endif()
endforeach()

set(_rft_shared "${CMAKE_SHARED_LIBRARY_PREFIX}rft${CMAKE_SHARED_LIBRARY_SUFFIX}")
set(_rft_archive "${CMAKE_STATIC_LIBRARY_PREFIX}rft${CMAKE_STATIC_LIBRARY_SUFFIX}")
set(_rft_libdir "")
foreach(_rft_dir "${_rft_here}/../.." "${_rft_prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE}" "${_rft_prefix}/lib"
        "${_rft_prefix}/lib64")
  if(EXISTS "${_rft_dir}/${_rft_shared}" OR EXISTS "${_rft_dir}/${_rft_archive}")
    get_filename_component(_rft_libdir "${_rft_dir}" ABSOLUTE)
    break()
  endif()
endforeach()

if(_rft_include AND _rft_libdir)
  if(EXISTS "${_rft_libdir}/${_rft_shared}" AND NOT TARGET rft::rft)
    add_library(rft::rft SHARED IMPORTED)
    set_target_properties(rft::rft PROPERTIES
      IMPORTED_LOCATION "${_rft_libdir}/${_rft_shared}"
      INTERFACE_INCLUDE_DIRECTORIES "${_rft_include}")
  endif()
  if(EXISTS "${_rft_libdir}/${_rft_archive}" AND NOT TARGET rft::rft_static)
    add_library(rft::rft_static STATIC IMPORTED)
    # Libs.private of rft.pc: what Rust's standard library asks of the system.
    set_target_properties(rft::rft_static PROPERTIES
      IMPORTED_LOCATION "${_rft_libdir}/${_rft_archive}"
      INTERFACE_COMPILE_DEFINITIONS RFT_STATIC
      INTERFACE_INCLUDE_DIRECTORIES "${_rft_include}"
      INTERFACE_LINK_LIBRARIES "gcc_s;pthread;m;dl")
  endif()
else()
  set(rft_FOUND FALSE)
  set(rft_NOT_FOUND_MESSAGE "no include/rft.h, or no library, belongs to ${CMAKE_CURRENT_LIST_FILE}")
endif()

unset(_rft_here)
unset(_rft_up)
unset(_rft_dir)
unset(_rft_prefix)
unset(_rft_shared)
unset(_rft_archive)
unset(_rft_libdir)
unset(_rft_include)
