# libcurl and libssh2 are built once from pinned, patched sources into a prefix outside the tree; the
# rest are the distribution's packages. See ARCHITECTURE.md, "Libraries", for why.
set(OPENSSL_USE_STATIC_LIBS ON)
set(ZLIB_USE_STATIC_LIBS ON)  # before any package that looks for zlib by itself
set(CMAKE_FIND_PACKAGE_PREFER_CONFIG ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)

find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)

# fetch-sources.sh puts the patched source trees into the cache and writes what it found, as
# "name version revision" lines: the revision may be newer than the locked one.
set(recipe "${CMAKE_CURRENT_LIST_DIR}/dependencies")
set(found "${PROJECT_BINARY_DIR}/dependency-sources.txt")
file(GLOB patches CONFIGURE_DEPENDS "${recipe}/patches/*.patch")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             "${recipe}/sources.lock" "${recipe}/fetch-sources.sh" "${recipe}/CMakeLists.txt"
             ${patches})
execute_process(COMMAND "${recipe}/fetch-sources.sh" "${PCA_CACHE}" "${found}"
                COMMAND_ERROR_IS_FATAL ANY)
file(STRINGS "${found}" source_lines)
foreach(line IN LISTS source_lines)
  string(REPLACE " " ";" fields "${line}")
  list(GET fields 0 name)
  list(GET fields 2 PCA_${name}_REVISION)
endforeach()

# The prefix is named by everything that decides what is in it, so two recipes never share one.
file(READ "${recipe}/CMakeLists.txt" recipe_text)
foreach(patch IN LISTS patches)
  file(READ "${patch}" patch_text)
  string(APPEND recipe_text "${patch_text}")
endforeach()
string(SHA256 key "${source_lines}|${recipe_text}|${CMAKE_C_COMPILER_ID}|${CMAKE_C_COMPILER_VERSION}|${CMAKE_SYSTEM_PROCESSOR}|${OPENSSL_VERSION}|${ZLIB_VERSION_STRING}")
string(SUBSTRING "${key}" 0 16 key)
set(prefix "${PCA_CACHE}/${CMAKE_SYSTEM_PROCESSOR}-${key}")

if(NOT EXISTS "${prefix}/.complete")
  message(STATUS "Building libcurl and libssh2 once into ${prefix}")
  file(LOCK "${PCA_CACHE}" DIRECTORY GUARD FILE TIMEOUT 1800)
endif()
if(NOT EXISTS "${prefix}/.complete")
  set(scratch "${PROJECT_BINARY_DIR}/dependencies")
  file(REMOVE_RECURSE "${scratch}")  # what another recipe has left there
  set(arguments -G Ninja -DCMAKE_INSTALL_PREFIX=${prefix} -DSOURCES=${PCA_CACHE}/sources
                -DSOURCE_LINES=${found} -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER}
                -DOPENSSL_SSL_LIBRARY=${OPENSSL_SSL_LIBRARY}
                -DOPENSSL_CRYPTO_LIBRARY=${OPENSSL_CRYPTO_LIBRARY}
                -DOPENSSL_INCLUDE_DIR=${OPENSSL_INCLUDE_DIR} -DZLIB_LIBRARY=${ZLIB_LIBRARIES})
  if(CMAKE_TOOLCHAIN_FILE)
    list(APPEND arguments -DCMAKE_TOOLCHAIN_FILE=${CMAKE_TOOLCHAIN_FILE})
  endif()
  execute_process(COMMAND "${CMAKE_COMMAND}" -S "${recipe}" -B "${scratch}" ${arguments}
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND "${CMAKE_COMMAND}" --build "${scratch}"
                  OUTPUT_FILE "${PROJECT_BINARY_DIR}/dependencies.log" COMMAND_ERROR_IS_FATAL ANY)
  file(TOUCH "${prefix}/.complete")
endif()

# What was found in an older prefix must not outlive it.
foreach(package CURL Libssh2)
  if(NOT "${${package}_DIR}" MATCHES "^${prefix}/")
    unset(${package}_DIR CACHE)
  endif()
endforeach()
list(PREPEND CMAKE_PREFIX_PATH "${prefix}")
list(PREPEND CMAKE_FIND_ROOT_PATH "${prefix}")
find_package(CURL 8.14 CONFIG REQUIRED PATHS "${prefix}" NO_DEFAULT_PATH)
find_package(Libssh2 1.11.1 CONFIG REQUIRED PATHS "${prefix}" NO_DEFAULT_PATH)

# The static library by its name: the package's own target is the shared one.
find_library(YAML_CPP_LIBRARY libyaml-cpp.a REQUIRED)
find_path(YAML_CPP_INCLUDE yaml-cpp/yaml.h REQUIRED)
add_library(pca_yaml INTERFACE)
target_include_directories(pca_yaml SYSTEM INTERFACE "${YAML_CPP_INCLUDE}")
target_link_libraries(pca_yaml INTERFACE "${YAML_CPP_LIBRARY}")

find_library(UTF8PROC_LIBRARY libutf8proc.a REQUIRED)
find_path(UTF8PROC_INCLUDE utf8proc.h REQUIRED)
add_library(pca_utf8proc INTERFACE)
target_include_directories(pca_utf8proc SYSTEM INTERFACE "${UTF8PROC_INCLUDE}")
target_link_libraries(pca_utf8proc INTERFACE "${UTF8PROC_LIBRARY}")

# Header-only. As system headers: their warnings are not ours to mend (RapidJSON 1.1 uses what C++17
# deprecates).
find_package(Boost 1.81 REQUIRED)
find_path(RAPIDJSON_INCLUDE rapidjson/document.h REQUIRED)
find_path(EXPECTED_INCLUDE tl/expected.hpp REQUIRED)
find_path(FMT_INCLUDE fmt/format.h REQUIRED)
find_path(CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
add_library(pca_headers INTERFACE)
target_include_directories(pca_headers SYSTEM INTERFACE
  "${RAPIDJSON_INCLUDE}" "${EXPECTED_INCLUDE}" "${FMT_INCLUDE}" "${CLI11_INCLUDE}"
  "${TOMLPLUSPLUS_INCLUDE}")
target_compile_definitions(pca_headers INTERFACE FMT_HEADER_ONLY=1)
add_library(pca_boost INTERFACE)
target_link_libraries(pca_boost INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(pca_boost INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ALL_NO_LIB)
