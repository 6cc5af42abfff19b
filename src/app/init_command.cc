#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "app/command.h"
#include "app/command_line.h"
#include "app/local_key.h"
#include "app/templates.h"
#include "auth/api_key.h"
#include "base/text.h"
#include "codec/json.h"

namespace tarn::app {
namespace {

struct InitOptions {
  std::string folder;
  std::string template_name = "retail";
  std::string name;
  bool json = false;
};

std::string Fill(std::string_view text, const std::string& name) {
  constexpr std::string_view kPlace = "{{name}}";
  std::string filled;
  for (size_t at = 0;;) {
    const size_t next = text.find(kPlace, at);
    filled.append(text.substr(at, next - at));
    if (next == std::string_view::npos) return filled;
    filled.append(name);
    at = next + kPlace.size();
  }
}

// The folder's own name, in the letters a project name may have.
std::string ProjectNameFor(const std::string& folder) {
  std::string name;
  for (const char c : folder.substr(folder.find_last_of('/') + 1)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name.push_back(plain || c == '-' || c == '_' ? c : '_');
  }
  return name.empty() || name == "_" ? "shop" : name;
}

constexpr std::string_view kProjectFile = "tarn.yaml";

// The files of the template as they will be, by name.
std::map<std::string, std::string> FilesOf(const InitOptions& options) {
  std::map<std::string, std::string> files;
  for (const TemplateFile& file : TemplateFiles()) {
    const size_t slash = file.path.find('/');
    if (file.path.substr(0, slash) != options.template_name) continue;
    files.emplace(file.path.substr(slash + 1), Fill(file.text, options.name));
  }
  return files;
}

std::vector<std::string> Templates() {
  std::set<std::string> names;
  for (const TemplateFile& file : TemplateFiles())
    names.emplace(file.path.substr(0, file.path.find('/')));
  return {names.begin(), names.end()};
}

struct NewKeys {
  std::string admin;
  std::string ingest;
};

// Three keys: for people, for agents, and one for commands on this machine, which is kept in a file
// only the owner reads.
Result<NewKeys> WriteKeys(Machine& machine, const Project& project) {
  TARN_TRY(machine.files.CreateDirectories(project.state_folder));
  auth::KeyRing ring;
  NewKeys keys;
  TARN_ASSIGN_OR_RETURN(keys.admin, ring.Create({"admin", auth::Role::kAdmin, {}}, machine.random));
  TARN_ASSIGN_OR_RETURN(keys.ingest,
                        ring.Create({"agents", auth::Role::kIngest, {}}, machine.random));
  TARN_TRY(SaveWithLocalKey(machine, project, ring));
  return keys;
}

void Print(const InitOptions& options, const Project& project, const NewKeys& keys) {
  if (options.json) {
    codec::Json json;
    json.Set("folder", project.folder);
    json.Set("admin_key", keys.admin);
    json.Set("ingest_key", keys.ingest);
    fmt::print("{}\n", codec::DumpJson(json));
    return;
  }
  fmt::print(
      "Made {}.\n\n"
      "Keys, shown this once (their hashes are in {}):\n"
      "  admin   {}\n"
      "  agents  {}\n\n"
      "Next:\n"
      "  tarn serve {}\n"
      "  then give agent.example.yaml and the agents' key to your web servers\n",
      project.folder, project.keys_file(), keys.admin, keys.ingest, ShellWord(options.folder));
}

// Whether all that a folder of state holds is the keys of an init that did not end.
bool HoldsKeysAlone(os::FileSystem& files, const std::string& folder) {
  const auto names = files.List(folder);
  return names.ok() && std::ranges::all_of(*names, [](const std::string& name) {
           return name.starts_with("keys.json") || name.starts_with("local.key");
         });
}

// A name in the folder that is not of an init that did not end; empty if there is none. A
// repository, and what a new file system has, may be there before the project.
Result<std::string> ForeignName(os::FileSystem& files, const std::string& folder,
                                const std::map<std::string, std::string>& planned) {
  TARN_ASSIGN_OR_RETURN(const auto names, files.List(folder));
  for (const std::string& name : names) {
    const std::string path = os::JoinPath(folder, name);
    const auto file = planned.find(name);
    if (name == ".git" || name == "lost+found" ||
        (file != planned.end() && files.ReadFile(path).value_or("") == file->second))
      continue;
    if (name.ends_with(".tmp") && planned.contains(name.substr(0, name.size() - 4))) continue;
    if (name != "state" || !HoldsKeysAlone(files, path)) return name;
  }
  return std::string();
}

// Whether a project may be made in the folder. What an init that did not end left there, the next
// one replaces; everything else it leaves alone.
Status CheckFree(Machine& machine, const std::string& folder,
                 const std::map<std::string, std::string>& planned) {
  os::FileSystem& files = machine.files;
  if (!files.Exists(folder)) return {};
  TARN_ASSIGN_OR_RETURN(const os::FileInfo info, files.Stat(folder));
  if (!info.is_directory) return AlreadyExists(fmt::format("{} is no folder", folder));
  if (files.Exists(os::JoinPath(folder, kProjectFile)))
    return AlreadyExists(fmt::format("{} is a project already; nothing was changed", folder));
  if (files.Exists(os::JoinPath(folder, "state/catalog.db"))) {
    return AlreadyExists(
        fmt::format("{} holds the lake of a project whose tarn.yaml is gone; restore that file, or "
                    "choose another folder. Nothing was changed",
                    folder));
  }
  TARN_TRY(RequireOwner(machine, folder));
  TARN_ASSIGN_OR_RETURN(const std::string foreign, ForeignName(files, folder, planned));
  if (foreign.empty()) return {};
  if (planned.contains(foreign)) {
    return AlreadyExists(fmt::format(
        "{} holds another {}; if a `tarn init` that did not end left it, repeat that with the same "
        "--name and --template, or else choose a new or an empty folder. Nothing was changed",
        folder, foreign));
  }
  return AlreadyExists(
      fmt::format("{} holds other files ({}); choose a new or an empty folder. Nothing was changed",
                  folder, foreign));
}

// tarn.yaml makes a folder a project, so it is written last: before, there is nothing yet.
Status Init(Context& context, InitOptions options) {
  os::FileSystem& files = context.machine.files;
  while (options.folder.size() > 1 && options.folder.ends_with('/')) options.folder.pop_back();
  if (options.name.empty()) options.name = ProjectNameFor(options.folder);
  std::map<std::string, std::string> planned = FilesOf(options);
  TARN_TRY(CheckFree(context.machine, options.folder, planned));
  const std::string text = std::move(planned.extract(std::string(kProjectFile)).mapped());
  TARN_ASSIGN_OR_RETURN(const Project project, ParseProject(text, options.folder));
  TARN_TRY(files.CreateDirectories(options.folder));
  for (const auto& [name, content] : planned)
    TARN_TRY(files.WriteFileAtomically(os::JoinPath(options.folder, name), content));
  TARN_ASSIGN_OR_RETURN(const NewKeys keys, WriteKeys(context.machine, project));
  TARN_TRY(files.WriteFileAtomically(os::JoinPath(project.folder, kProjectFile), text));
  Print(options, project, keys);
  return {};
}

}  // namespace

void AddInit(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* command = app.add_subcommand("init", "Make a project folder from a template");
  AddWord(*command, kFolderWord, options->folder, "Folder to make; may be there if it is empty")
      ->required();
  OneOf(command->add_option("--template", options->template_name, "What kind of project"),
        Templates())
      ->capture_default_str();
  command->add_option("--name", options->name, "Project name (default: the folder's)");
  command->add_flag("--json", options->json, "Print the keys as JSON");
  command->footer(
      "DIR is new or empty (a new git repository is fine).\n"
      "Prints two keys, once: admin for people, agents for web servers. `tarn keys` makes more.\n"
      "Examples:\n  tarn init shop --template retail\n  tarn init shop --json > keys.json");
  command->callback(
      [&context, &run, options] { run = [&context, options] { return Init(context, *options); }; });
}

}  // namespace tarn::app
