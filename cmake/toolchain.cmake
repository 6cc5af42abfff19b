# Compiler launcher, linker and warnings for every target of ours.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(tarn_warnings INTERFACE)
target_compile_options(tarn_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow
  -Wnon-virtual-dtor -Wold-style-cast -Werror
  # Designated initializers leave out what has a default; that is what they are for.
  -Wno-missing-field-initializers>
  # g++ 12 sees overlaps and overflows in std::string's operator+ that are not there (GCC bug 105651).
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict
  -Wno-stringop-overflow -Wno-array-bounds>
  # libstdc++'s own std::stable_sort calls std::get_temporary_buffer, which C++17 deprecates.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-deprecated-declarations>)
add_compile_definitions(_GLIBCXX_ASSERTIONS)
add_compile_options(-fno-omit-frame-pointer)
# SSE4.2 is the baseline (crc32c); wider vectors are chosen at run time.
add_compile_options(-msse4.2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()
if(TARN_LIBFUZZER)
  # The fuzzer steers by the branches it sees taken, so all of our code counts them, not only the fuzzers themselves.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(TARN_SANITIZE)
  add_compile_options(-fsanitize=${TARN_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TARN_SANITIZE})
endif()
