# Toolchain of the preset `arm64`: Debian's cross compiler, and the libraries that tests/arm64/fetch.sh unpacks. Programs are
# static, so qemu-user needs no arm64 system around them.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)

set(libraries ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-libraries)
set(CMAKE_FIND_ROOT_PATH ${libraries})
foreach(kind LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(CMAKE_CXX_FLAGS_INIT "-isystem ${libraries}/usr/include -isystem ${libraries}/usr/include/aarch64-linux-gnu")
set(OPENSSL_USE_STATIC_LIBS ON)
