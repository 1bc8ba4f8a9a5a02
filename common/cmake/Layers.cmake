# Every folder of sources is one library, so a new file needs no entry here.

# pca_layer(NAME DEPENDENCIES...): the library of the .cpp files in this folder.
function(pca_layer name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/common")
  target_link_libraries(${name} PUBLIC ${ARGN})
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
  # What takes time is in the layers below; what a tool adds is size, which every job downloads.
  target_compile_options(${name}-parts PRIVATE $<$<CONFIG:Release>:-Os>)
  add_executable(${name} main.cpp)
  target_link_libraries(${name} PRIVATE ${name}-parts)
endfunction()
