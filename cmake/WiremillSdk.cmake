# wiremill_add_plugin(NAME SOURCES FILE… [LIBRARIES TARGET…] [MODELS FILE…])
#
# One plugin, NAME.so, from its sources: the same line inside and outside Wiremill's tree. MODELS are
# copied beside it. Inside the tree the plugin is installed with the daemon.
function(wiremill_add_plugin NAME)
  cmake_parse_arguments(PARSE_ARGV 1 PLUGIN "" "" "SOURCES;LIBRARIES;MODELS")
  if(PLUGIN_UNPARSED_ARGUMENTS OR NOT PLUGIN_SOURCES)
    message(FATAL_ERROR "wiremill_add_plugin(NAME SOURCES FILE… [LIBRARIES TARGET…] [MODELS FILE…])")
  endif()
  add_library(${NAME} MODULE ${PLUGIN_SOURCES})
  target_link_libraries(${NAME} PRIVATE wiremill::sdk ${PLUGIN_LIBRARIES})
  # A plugin exports its one symbol. A version script, because visibility alone leaves weak symbols of
  # the C++ library in the table.
  set(SYMBOLS "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/wiremill_plugin.map")
  target_link_options(${NAME} PRIVATE "LINKER:--version-script=${SYMBOLS}")
  set_property(TARGET ${NAME} APPEND PROPERTY LINK_DEPENDS "${SYMBOLS}")
  # What it needs must be found at link time (clang's sanitizers come with the program instead).
  if(NOT WIREMILL_SANITIZE)
    target_link_options(${NAME} PRIVATE LINKER:--no-undefined)
  endif()
  set_target_properties(${NAME} PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden
                                           C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  if(WIREMILL_PLUGIN_OUTPUT_DIRECTORY)
    set_target_properties(${NAME} PROPERTIES LIBRARY_OUTPUT_DIRECTORY
                                             "${WIREMILL_PLUGIN_OUTPUT_DIRECTORY}")
    install(TARGETS ${NAME} LIBRARY DESTINATION ${WIREMILL_PLUGIN_INSTALL_DIRECTORY})
    install(FILES ${PLUGIN_MODELS} DESTINATION ${WIREMILL_PLUGIN_INSTALL_DIRECTORY})
  endif()
  foreach(MODEL ${PLUGIN_MODELS})
    cmake_path(ABSOLUTE_PATH MODEL BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    add_custom_command(TARGET ${NAME} POST_BUILD COMMAND ${CMAKE_COMMAND} -E copy_if_different
                       "${MODEL}" "$<TARGET_FILE_DIR:${NAME}>")
  endforeach()
endfunction()
