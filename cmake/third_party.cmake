# Third-party code. Debian packages are found as usual; DuckDB and Arrow come as registry binaries that ./dev unpacks
# into TARN_DEPS_DIR (see ./dev, verb deps). Which module may use which library: ARCHITECTURE.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_library(ZSTD_STATIC libzstd.a REQUIRED)
find_library(RE2_STATIC libre2.a REQUIRED)
find_library(YAML_CPP_STATIC libyaml-cpp.a REQUIRED)
find_library(XXHASH_STATIC libxxhash.a REQUIRED)
foreach(lib IN ITEMS ZSTD RE2 YAML_CPP XXHASH)
  string(TOLOWER ${lib} lower)
  add_library(third_party::${lower} STATIC IMPORTED)
  set_target_properties(third_party::${lower} PROPERTIES IMPORTED_LOCATION ${${lib}_STATIC})
endforeach()
set_target_properties(third_party::re2 PROPERTIES INTERFACE_LINK_LIBRARIES Threads::Threads)

add_library(third_party::duckdb SHARED IMPORTED)
set_target_properties(third_party::duckdb PROPERTIES
  IMPORTED_LOCATION ${TARN_DEPS_DIR}/duckdb/lib/libduckdb.so
  INTERFACE_INCLUDE_DIRECTORIES ${TARN_DEPS_DIR}/duckdb/include
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${TARN_DEPS_DIR}/duckdb/include)
add_library(third_party::arrow SHARED IMPORTED)
set_target_properties(third_party::arrow PROPERTIES
  IMPORTED_LOCATION ${TARN_DEPS_DIR}/arrow/lib/libarrow.so.2500
  INTERFACE_INCLUDE_DIRECTORIES ${TARN_DEPS_DIR}/arrow/include
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${TARN_DEPS_DIR}/arrow/include)
add_library(third_party::parquet SHARED IMPORTED)
set_target_properties(third_party::parquet PROPERTIES
  IMPORTED_LOCATION ${TARN_DEPS_DIR}/arrow/lib/libparquet.so.2500
  INTERFACE_LINK_LIBRARIES third_party::arrow)
