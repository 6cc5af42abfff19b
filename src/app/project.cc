#include "app/project.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <utility>

#include "app/file_place.h"
#include "base/text.h"
#include "catalog/dataset.h"
#include "lake/log_schema.h"
#include "source/access_log/format.h"

namespace tarn::app {
namespace {

using config::Reader;

constexpr size_t kMaxNameBytes = 100;

// What tarn.yaml says, before it is checked.
struct ProjectFile {
  Project project;
  std::string lake_path = "lake";
  std::string state_path = "state";
  int64_t port = 8700;
  std::string log_format = "text";
  std::string log_level = "info";
};

void BindName(Reader& reader, std::string& name) {
  reader.String({"name", "the project's name", true}, name);
  if (!reader.HasText("name")) return;
  const bool bad = std::ranges::any_of(
      name, [](char c) { return c == '/' || (c >= 0 && c < ' ') || c == '\x7f'; });
  if (name.empty() || name.size() > kMaxNameBytes || bad)
    reader.Fail("name", fmt::format("a name is 1 to {} bytes without '/' and control characters",
                                    kMaxNameBytes));
}

void BindFile(Reader& reader, config::Key key, std::string& path) {
  reader.String(key, path);
  if (reader.HasText(key.name) && path.empty()) reader.Fail(key.name, "is empty; name a file");
}

void BindListen(Reader& reader, ProjectFile& file) {
  std::string& address = file.project.listen_address;
  reader.String({"address", "numeric address the door listens on; 127.0.0.1 is this machine alone"},
                address);
  if (auto numeric = ListenAddress(address); numeric.ok()) {
    address = *std::move(numeric);
  } else {
    reader.Fail("address", numeric.error().message());
  }
  reader.Int({"port", "TCP port of the door; 0 takes any free one"}, file.port, {0, 65535});
  reader.Map(
      {"tls", "encrypt the door; needed before it listens beyond this machine"}, [&](Reader& tls) {
        Project& project = file.project;
        BindFile(tls, {"certificate", "PEM file: the server's certificate, then its chain", true},
                 project.tls.certificate_file);
        BindFile(tls, {"key", "PEM file: its private key", true}, project.tls.key_file);
      });
}

void BindLanding(Reader& reader, ProjectFile& file) {
  reader.Bytes(
      {"buffer_size",
       "rows waiting are made visible once they take this much; the server needs up to 8 times it"},
      file.project.landing_buffer_bytes, {1'000'000, 8'000'000'000});
  reader.Duration({"buffer_age", "… or once the oldest has waited this long"},
                  file.project.landing_buffer_age_micros, {100'000, 3'600'000'000});
}

void BindSource(const std::string& name, Reader& reader, ProjectFile& file) {
  lake::LogSource source;
  source.name = name;
  reader.String({"format", "how lines are laid out: a name or an Apache LogFormat string", true},
                source.format);
  std::vector<std::string> land = {"parquet", "json"};
  reader.Strings({"land", "forms of the raw zone: parquet, json"}, land);
  source.land = {false, false};
  for (const std::string& form : land) {
    if (form == "parquet") {
      source.land.parquet = true;
    } else if (form == "json") {
      source.land.json = true;
    } else if (!form.empty()) {
      reader.Fail("land", fmt::format("'{}' is not a form{}", form,
                                      DidYouMean(form, {"parquet", "json"},
                                                 "choose parquet, json or both")));
    }
  }
  if (const Status valid = catalog::ValidateDatasetName({catalog::Zone::kRaw, name}); !valid.ok()) {
    reader.Fail("", valid.error().message());
  }
  for (const lake::LogSource& other : file.project.sources) {
    if (!EqualsNoCase(other.name, name)) continue;
    reader.Fail(
        "", fmt::format("'{}' is there as well; SQL does not tell capital letters from small ones",
                        other.name));
  }
  if (reader.HasText("format")) {
    const auto format = access_log::Format::Compile(source.format);
    const Status fits = format.ok() ? lake::CheckColumns(format->schema()) : format.error();
    if (!fits.ok()) reader.Fail("format", fits.error().message());
  }
  file.project.sources.push_back(std::move(source));
}

void BindSql(Reader& reader, ProjectFile& file) {
  reader.Bytes({"memory", "memory of one query; what needs more spills to state/tmp"},
               file.project.sql_memory_bytes, {64'000'000, 1'000'000'000'000});
  reader.Int({"threads", "threads of one query; 0 is one a core"}, file.project.sql_threads,
             {0, 1024});
  reader.Duration({"timeout", "a query that takes longer is ended"},
                  file.project.sql_timeout_micros, {1'000'000, 86'400'000'000});
}

void Bind(Reader& reader, ProjectFile& file) {
  Project& project = file.project;
  BindName(reader, project.name);
  reader.String({"time_zone", "IANA zone in which a day begins and ends for people"},
                project.time_zone);
  reader.Map({"listen", "where the server listens"}, [&](Reader& r) { BindListen(r, file); });
  reader.Map({"lake", "the tables"}, [&](Reader& r) {
    r.String({"path", "folder of the lake, relative to the project"}, file.lake_path);
  });
  reader.Map({"state", "journal, catalog and keys"}, [&](Reader& r) {
    r.String({"path", "folder of the state, relative to the project"}, file.state_path);
  });
  reader.Map({"journal", "acknowledged records that are not in the lake yet"}, [&](Reader& r) {
    r.Bytes({"max_size", "disk the journal may take; when it is full, senders must wait"},
            project.journal_max_bytes, {256'000'000, 1'000'000'000'000});
  });
  reader.Map({"landing", "how records become files"}, [&](Reader& r) { BindLanding(r, file); });
  reader.Named({"sources", "where data comes from, by name"},
               [&](const std::string& name, Reader& r) { BindSource(name, r, file); });
  reader.Map({"sql", "limits of queries"}, [&](Reader& r) { BindSql(r, file); });
  reader.Map({"log", "the server's own log, on standard error"}, [&](Reader& r) {
    r.Choice({"format", "text for people, json for machines"}, file.log_format, {"text", "json"});
    r.Choice({"level", "least level that is written"}, file.log_level,
             {"debug", "info", "warn", "error"});
  });
}

bool IsTimeZone(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.find("..") != std::string::npos) return false;
  return name == "UTC" || std::filesystem::is_regular_file("/usr/share/zoneinfo/" + name);
}

std::string Below(const std::string& folder, const std::string& path) {
  return path.starts_with('/') ? path : os::JoinPath(folder, path);
}

std::vector<std::string> TimeZones() {
  const std::filesystem::path root("/usr/share/zoneinfo");
  std::vector<std::string> names = {"UTC"};
  std::error_code failed;
  std::filesystem::recursive_directory_iterator at(root, failed);
  for (; !failed && at != std::filesystem::recursive_directory_iterator(); at.increment(failed)) {
    const std::string name = at->path().lexically_relative(root).string();
    if (!name.starts_with("posix") && !name.starts_with("right") && at->is_regular_file(failed))
      names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

void CheckTimeZone(Reader& reader, const std::string& name) {
  if (IsTimeZone(name)) return;
  const std::vector<std::string> known = TimeZones();
  reader.Fail("time_zone", fmt::format("'{}' is not a time zone{}", name,
                                       DidYouMean(name, {known.begin(), known.end()},
                                                  "write UTC or Europe/Berlin")));
}

// A problem at the `path` of a section, which may not be there.
void FailPath(Reader& root, std::string_view section, config::Problems& problems,
              std::string_view message) {
  const config::Node* node = root.node().Find(section);
  if (node == nullptr || node->kind != config::NodeKind::kMap) return root.Fail(section, message);
  Reader(*node, std::string(section), problems).Fail("path", message);
}

// The lake and the state are two folders apart from each other, and neither holds the project.
void CheckFolders(Reader& reader, const ProjectFile& file, const std::string& root,
                  config::Problems& problems) {
  const std::string lake = Below(root, file.lake_path);
  const std::string state = Below(root, file.state_path);
  bool apart = true;
  for (const auto& [section, given, folder] : {std::tuple("lake", &file.lake_path, &lake),
                                               std::tuple("state", &file.state_path, &state)}) {
    const bool holds = IsWithin(root, *folder);
    if (given->empty()) {
      FailPath(reader, section, problems, "is empty; name a folder");
    } else if (holds) {
      FailPath(reader, section, problems, "would hold the project itself; name a folder in it");
    }
    apart = apart && !given->empty() && !holds;
  }
  if (!apart || !(IsWithin(lake, state) || IsWithin(state, lake))) return;
  FailPath(reader, file.lake_path == ProjectFile().lake_path ? "state" : "lake", problems,
           "the folders of the lake and of the state lie apart, neither in the other");
}

// Of what the file names; that it names both is checked elsewhere.
void CheckTls(const Reader& root, const auth::TlsSettings& tls, const TlsLoader& load_tls,
              config::Problems& problems) {
  const config::Node* listen = root.node().Find("listen");
  const config::Node* node = listen == nullptr ? nullptr : listen->Find("tls");
  if (node == nullptr || !tls.enabled()) return;
  const auth::LoadedTls loaded = load_tls(tls);
  Reader reader(*node, "listen.tls", problems);
  if (!loaded.certificate.ok() && !tls.certificate_file.empty()) {
    reader.Fail("certificate", loaded.certificate.error().message());
  }
  if (!loaded.key.ok() && !tls.key_file.empty()) {
    reader.Fail("key", loaded.key.error().message());
  }
}

obs::Level LevelOf(const std::string& name) {
  if (name == "debug") return obs::Level::kDebug;
  if (name == "warn") return obs::Level::kWarn;
  return name == "error" ? obs::Level::kError : obs::Level::kInfo;
}

std::string RootOf(const std::string& folder) {
  const std::string absolute = std::filesystem::absolute(folder).lexically_normal().string();
  return absolute.size() > 1 && absolute.ends_with('/') ? absolute.substr(0, absolute.size() - 1)
                                                        : absolute;
}

}  // namespace

std::vector<std::string> Project::source_names() const {
  std::vector<std::string> names;
  for (const lake::LogSource& source : sources) names.push_back(source.name);
  return names;
}

Result<Project> LoadProject(os::FileSystem& files, const std::string& folder,
                            const TlsLoader& load_tls) {
  const std::string root = RootOf(folder);
  const std::string path = os::JoinPath(root, "tarn.yaml");
  const auto text = files.ReadFile(path);
  if (!text.ok()) {
    if (text.error().code() != Code::kNotFound) return text.error();
    // As in a demo's folder.
    const std::string inner = os::JoinPath(root, "project");
    const bool demo = files.Exists(os::JoinPath(inner, "tarn.yaml"));
    return NotFound(
        fmt::format("{} has no tarn.yaml; {}", root,
                    demo ? inner + " has one" : "`tarn init DIR --template retail` makes one"));
  }
  return ParseProject(*text, root, load_tls);
}

Result<Project> ParseProject(const std::string& text, const std::string& folder,
                             const TlsLoader& load_tls) {
  const std::string root = RootOf(folder);
  const std::string path = os::JoinPath(root, "tarn.yaml");
  TARN_ASSIGN_OR_RETURN(config::Node node, config::ParseYaml(text, path));
  if (node.kind == config::NodeKind::kNull)
    return InvalidArgument(path + ":1:1: is empty; the least is `name: shop`");
  config::Problems problems(path);
  config::ExpandReferences(node, config::SystemResolver(root), problems.AddUnresolved());
  Reader reader(node, "", problems);
  ProjectFile file;
  Bind(reader, file);
  CheckTimeZone(reader, file.project.time_zone);
  CheckFolders(reader, file, root, problems);
  for (std::string* pem : {&file.project.tls.certificate_file, &file.project.tls.key_file}) {
    if (!pem->empty()) *pem = Below(root, *pem);
  }
  if (load_tls) CheckTls(reader, file.project.tls, load_tls, problems);
  if (file.project.sources.size() > lake::kMaxSources) {
    reader.Fail("sources", fmt::format("{} sources; one project has at most {}",
                                       file.project.sources.size(), lake::kMaxSources));
  }
  reader.Finish();
  TARN_TRY(problems.ToStatus());
  Project project = std::move(file.project);
  project.folder = root;
  project.listen_port = static_cast<uint16_t>(file.port);
  project.lake_folder = Below(root, file.lake_path);
  project.state_folder = Below(root, file.state_path);
  project.log_format = file.log_format == "json" ? obs::LogFormat::kJson : obs::LogFormat::kText;
  project.log_level = LevelOf(file.log_level);
  return project;
}

Result<std::string> FindProject(os::FileSystem& files, const std::string& folder) {
  std::filesystem::path at = std::filesystem::absolute(folder).lexically_normal();
  for (;;) {
    if (files.Exists((at / "tarn.yaml").string())) return at.string();
    if (!at.has_relative_path()) break;
    at = at.parent_path();
  }
  return NotFound(fmt::format(
      "no tarn.yaml in {} or above it; name the project's folder, or make one with `tarn init`",
      std::filesystem::absolute(folder).lexically_normal().string()));
}

Result<std::string> ListenAddress(const std::string& address) {
  if (address == "localhost") return std::string("127.0.0.1");
  const std::string bare = address.substr(0, address.find('%'));  // fe80::1%eth0
  in6_addr parsed{};
  if (inet_pton(AF_INET, address.c_str(), &parsed) == 1 ||
      inet_pton(AF_INET6, bare.c_str(), &parsed) == 1)
    return address;
  return InvalidArgument(
      fmt::format("'{}' is no numeric address; write 127.0.0.1, 0.0.0.0, ::1 or ::", address));
}

std::vector<std::string> WarningsOf(const Project& project) {
  const std::string& address = project.listen_address;
  if (project.tls.enabled() || address.starts_with("127.") || address == "::1") return {};
  return {
      fmt::format("the door listens on {}, beyond this machine, without TLS: keys and logs can be "
                  "read on their way; set listen.tls, or listen.address: 127.0.0.1",
                  address)};
}

std::vector<config::FieldDoc> DescribeProject() {
  ProjectFile file;
  return config::Describe([&](Reader& reader) { Bind(reader, file); });
}

}  // namespace tarn::app
