# find_package(wiremill): the target wiremill::sdk and the function wiremill_add_plugin.
include("${CMAKE_CURRENT_LIST_DIR}/wiremillSdkTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/WiremillSdk.cmake")
