#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "auth/tls_settings.h"
#include "base/result.h"
#include "config/reader.h"
#include "lake/log_source.h"
#include "obs/log.h"
#include "os/file_system.h"

namespace tarn::app {

// tarn.yaml, checked. Paths are absolute.
struct Project {
  std::string folder;
  std::string name;
  std::string time_zone = "UTC";
  std::string listen_address = "127.0.0.1";
  uint16_t listen_port = 8700;
  auth::TlsSettings tls;
  std::string lake_folder;
  std::string state_folder;
  uint64_t journal_max_bytes = 4'000'000'000;
  uint64_t landing_buffer_bytes = 64'000'000;
  int64_t landing_buffer_age_micros = 60'000'000;
  std::vector<lake::LogSource> sources;
  uint64_t sql_memory_bytes = 1'000'000'000;
  int64_t sql_threads = 0;  // 0: one a core
  int64_t sql_timeout_micros = 300'000'000;
  obs::LogFormat log_format = obs::LogFormat::kText;
  obs::Level log_level = obs::Level::kInfo;

  std::vector<std::string> source_names() const;
  std::string journal_folder() const { return os::JoinPath(state_folder, "journal"); }
  std::string catalog_file() const { return os::JoinPath(state_folder, "catalog.db"); }
  std::string keys_file() const { return os::JoinPath(state_folder, "keys.json"); }
  std::string keys_lock_file() const { return os::JoinPath(state_folder, "keys.lock"); }
  std::string local_key_file() const { return os::JoinPath(state_folder, "local.key"); }
  std::string server_file() const { return os::JoinPath(state_folder, "server.json"); }
  std::string lock_file() const { return os::JoinPath(state_folder, "server.lock"); }
  std::string temp_folder() const { return os::JoinPath(state_folder, "tmp"); }
};

// Reads DIR/tarn.yaml. NotFound if there is none; InvalidArgument with every problem, a line each:
// "tarn.yaml:7:3: sources.web_log: unknown key 'fromat'; did you mean 'format'?".
// Problems of the files of listen.tls are among them where `load_tls` is given, which only a start
// needs.
using TlsLoader = std::function<auth::LoadedTls(const auth::TlsSettings&)>;
Result<Project> LoadProject(os::FileSystem& files, const std::string& folder,
                            const TlsLoader& load_tls = {});
// The same of a text that is to become DIR/tarn.yaml.
Result<Project> ParseProject(const std::string& text, const std::string& folder,
                             const TlsLoader& load_tls = {});

// The folder itself, or the nearest one above it that holds a tarn.yaml.
Result<std::string> FindProject(os::FileSystem& files, const std::string& folder);

// The numeric form of an address to listen on; localhost is 127.0.0.1. InvalidArgument for another
// name.
Result<std::string> ListenAddress(const std::string& address);

// What is allowed and most likely not meant, a sentence each.
std::vector<std::string> WarningsOf(const Project& project);

// The reference table of tarn.yaml.
std::vector<config::FieldDoc> DescribeProject();

}  // namespace tarn::app
