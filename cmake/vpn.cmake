# What every target of the project shares: language, warnings, sanitizers; and the two ways to add one.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # What ccache asks for where headers are precompiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
endif()

if(VPN_LTO)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()

add_library(vpn_options INTERFACE)
target_compile_options(vpn_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast -fno-omit-frame-pointer)
if(VPN_WERROR)
  target_compile_options(vpn_options INTERFACE -Werror)
endif()
if(VPN_SANITIZE)
  # Without vptr: it asks the kernel through a pipe whether memory may be read, so it accuses the innocent where a test lets
  # the file descriptors run out.
  target_compile_options(vpn_options INTERFACE
    -fsanitize=${VPN_SANITIZE} -fno-sanitize-recover=all $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=vptr>)
  target_link_options(vpn_options INTERFACE -fsanitize=${VPN_SANITIZE})
  if(VPN_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # The static runtime does not let a test have its own operator new (test_freed_memory.cc), the shared one does.
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-resource-dir
      OUTPUT_VARIABLE clang_directory OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    target_link_options(vpn_options INTERFACE -shared-libsan -Wl,-rpath,${clang_directory}/lib/linux)
  endif()
else()
  target_compile_options(vpn_options INTERFACE -fstack-protector-strong)
  target_link_options(vpn_options INTERFACE -Wl,-z,relro,-z,now)
endif()
target_include_directories(vpn_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(vpn_options INTERFACE Threads::Threads)

# vpn_precompile(TARGET HEADERS LIBRARY...): precompiled headers for a target, made once for all that name the same HEADERS. Not
# in the release, which so shows what a file forgot to include.
set(vpn_headers <algorithm> <array> <chrono> <functional> <memory> <mutex> <optional> <span> <string> <string_view> <thread>
  <unordered_map> <utility> <vector> <tl/expected.hpp>)
set(vpn_test_headers ${vpn_headers} <gmock/gmock.h> <gtest/gtest.h>)
function(vpn_precompile target headers)
  if(NOT VPN_QUICK_BUILD)
    return()
  endif()
  # Without these ccache cannot tell whether a precompiled header is still the same.
  set(options $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess> "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
  get_target_property(type ${target} TYPE)
  set(carrier ${headers}_${type})  # for the compiler, a library's position-independent code is another than a program's
  if(NOT TARGET ${carrier})
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/headers/nothing.cc CONTENT "int main() {}\n")
    if(type STREQUAL EXECUTABLE)
      add_executable(${carrier} ${PROJECT_BINARY_DIR}/headers/nothing.cc)
    else()
      add_library(${carrier} OBJECT ${PROJECT_BINARY_DIR}/headers/nothing.cc)
    endif()
    target_link_libraries(${carrier} PRIVATE ${ARGN})
    target_compile_options(${carrier} PRIVATE ${options})
    target_precompile_headers(${carrier} PRIVATE ${${headers}})
  endif()
  target_compile_options(${target} PRIVATE ${options})
  target_precompile_headers(${target} REUSE_FROM ${carrier})
endfunction()

if(VPN_TESTS)
  add_library(vpn_test_options INTERFACE)
  target_link_libraries(vpn_test_options INTERFACE vpn_options GTest::gtest GTest::gmock)
  if(VPN_QUICK_BUILD)
    target_compile_options(vpn_test_options INTERFACE -O0)
  endif()
endif()

# vpn_library(NAME SOURCES a.cc ... PUBLIC lib ... PRIVATE lib ...): one static library per folder, so that the linker and
# the include graph both see the direction of dependencies.
function(vpn_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC vpn_options ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  vpn_precompile(${name} vpn_headers vpn_options)
endfunction()

# vpn_test(NAME SOURCES a_test.cc ... LIBS lib ... [LABELS netns]): a GoogleTest program; every case is a ctest entry.
function(vpn_test name)
  if(NOT VPN_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE vpn_test_options ${ARG_LIBS} GTest::gtest_main)
  vpn_precompile(${name} vpn_test_headers vpn_test_options)
  set(properties TIMEOUT 300)
  if(ARG_LABELS)
    list(APPEND properties LABELS "${ARG_LABELS}")
  endif()
  include(GoogleTest)
  # NO_PRETTY_VALUES: a parameterized case has the name that its suite gives it, not the bytes of its parameter.
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES ${properties})
endfunction()

# vpn_server_test(NAME SOURCES a_test.cc ... LIBS lib ...): the same with one ctest entry for the whole program, because its
# cases share a server that takes long to start.
function(vpn_server_test name)
  if(NOT VPN_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE vpn_test_options ${ARG_LIBS} GTest::gtest_main)
  vpn_precompile(${name} vpn_test_headers vpn_test_options)
  target_compile_definitions(${name} PRIVATE ELASTICSEARCH_DIRECTORY="${CMAKE_SOURCE_DIR}/build/servers/elasticsearch")
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS slow)
endfunction()

# For the files that are compiled for one instruction set.
set(VPN_AVX2_OPTIONS -O3 -Wno-psabi -mavx2 -mbmi2)
set(VPN_AVX512_OPTIONS ${VPN_AVX2_OPTIONS} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512ifma)
