# Every folder of sources is one library, so a new file needs no entry here.

# pca_layer(NAME DEPENDENCIES...): the library of the .cpp files in this folder.
function(pca_layer name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/common")
  target_link_libraries(${name} PUBLIC ${ARGN})
  pca_prefer_size(${name})
endfunction()

# Every job downloads what we add in size; few of our files cost time (pca_prefer_speed). GCC's -fipa-sra
# gives each file copies of its own of what templates make (most of fmt), which no linker finds to be one.
function(pca_prefer_size library)
  target_compile_options(${library} PRIVATE $<$<CONFIG:Release>:-Os>
    $<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>>:-fno-ipa-sra>)
endfunction()

# pca_prefer_speed(FILES...): those of this folder's sources through which all bytes go.
function(pca_prefer_speed)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
endfunction()

# pca_tool(NAME LIBRARIES...): an executable from main.cpp, and a library NAME-parts of the rest,
# which the tests link too.
function(pca_tool name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  add_library(${name}-parts STATIC ${sources})
  target_include_directories(${name}-parts PUBLIC "${PROJECT_SOURCE_DIR}/common"
                                                  "${PROJECT_SOURCE_DIR}/tools")
  target_link_libraries(${name}-parts PUBLIC ${ARGN})
  pca_prefer_size(${name}-parts)
  add_executable(${name} main.cpp)
  target_link_libraries(${name} PRIVATE ${name}-parts)
endfunction()
