# How our own code is compiled. Dependencies are built with their own flags (dependencies/).
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Relative paths and no hash of the folder: a fresh clone elsewhere finds what this one compiled.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_DIR=${PCA_CACHE}/ccache"
      "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G "${CCACHE}")
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
                    -ffunction-sections -fdata-sections -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees overlaps and overruns inside the standard library's own inlined strings
  # (GCC bugs 105329 and 105651).
  add_compile_options(-Wno-restrict)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
if(PCA_SANITIZE)
  add_compile_options(-fsanitize=${PCA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PCA_SANITIZE})
  # Most processes of the tests live for milliseconds, a fifth of which would go into relocations.
  add_link_options("$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>")
endif()
if(PCA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # libFuzzer sees which branches an input took
endif()
if(PCA_STATIC)
  # The linker warns of getaddrinfo, dlopen and the like, which keep_host_modules_out() makes harmless.
  add_link_options(-Wl,--no-warnings -static -Wl,--gc-sections -Wl,--build-id=sha1 $<$<CONFIG:Release>:-s>
                   "-Wl,-T,${CMAKE_CURRENT_LIST_DIR}/static_link.ld")
endif()
