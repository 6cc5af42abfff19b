#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/command.h"
#include "app/templates.h"
#include "auth/api_key.h"
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
std::string NameOf(const std::string& folder) {
  std::string name;
  for (const char c : folder.substr(folder.find_last_of('/') + 1)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name.push_back(plain || c == '-' || c == '_' ? c : '_');
  }
  return name.empty() || name == "_" ? "shop" : name;
}

constexpr std::string_view kProjectFile = "tarn.yaml";

// All files of the template but tarn.yaml, whose text is answered.
Result<std::string> WriteTemplate(os::FileSystem& files, const InitOptions& options) {
  std::string project_text;
  for (const TemplateFile& file : TemplateFiles()) {
    const size_t slash = file.path.find('/');
    if (file.path.substr(0, slash) != options.template_name) continue;
    const std::string_view name = file.path.substr(slash + 1);
    std::string text = Fill(file.text, options.name);
    if (name == kProjectFile) {
      project_text = std::move(text);
      continue;
    }
    const std::string path = os::JoinPath(options.folder, name);
    TARN_TRY(files.CreateDirectories(os::ParentOf(path)));
    TARN_TRY(files.WriteFileAtomically(path, text));
  }
  if (!project_text.empty()) return project_text;
  return NotFound(fmt::format("no template '{}'; there is: retail", options.template_name));
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
  TARN_ASSIGN_OR_RETURN(const std::string local,
                        ring.Create({"local", auth::Role::kAdmin, {}}, machine.random));
  TARN_TRY(machine.files.WritePrivateFileAtomically(project.local_key_file(), local));
  TARN_TRY(ring.Save(machine.files, project.keys_file()));
  return keys;
}

void Print(const InitOptions& options, const Project& project, const NewKeys& keys) {
  if (options.json) {
    codec::Json json;
    json.Set("folder", project.folder);
    json.Set("admin_key", keys.admin);
    json.Set("ingest_key", keys.ingest);
    std::puts(codec::DumpJson(json).c_str());
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
      project.folder, project.keys_file(), keys.admin, keys.ingest, options.folder);
}

// Whether a project may be made in the folder. What an init that did not end left there, the next
// one replaces; what belongs to a lake it leaves alone.
Status CheckFree(Machine& machine, const std::string& folder) {
  os::FileSystem& files = machine.files;
  if (!files.Exists(folder)) return {};
  if (files.Exists(os::JoinPath(folder, kProjectFile)))
    return AlreadyExists(fmt::format("{} is a project already; nothing was changed", folder));
  if (files.Exists(os::JoinPath(folder, "state/catalog.db"))) {
    return AlreadyExists(
        fmt::format("{} holds the lake of a project whose tarn.yaml is gone; restore that file, or "
                    "choose another folder. Nothing was changed",
                    folder));
  }
  return RequireOwner(machine, folder);
}

// tarn.yaml makes a folder a project, so it is written last: before, there is nothing yet.
Status Init(Context& context, InitOptions options) {
  os::FileSystem& files = context.machine.files;
  while (options.folder.size() > 1 && options.folder.ends_with('/')) options.folder.pop_back();
  TARN_TRY(CheckFree(context.machine, options.folder));
  if (options.name.empty()) options.name = NameOf(options.folder);
  TARN_ASSIGN_OR_RETURN(const std::string text, WriteTemplate(files, options));
  TARN_ASSIGN_OR_RETURN(const Project project, ParseProject(text, options.folder));
  TARN_ASSIGN_OR_RETURN(const NewKeys keys, WriteKeys(context.machine, project));
  TARN_TRY(files.WriteFileAtomically(os::JoinPath(project.folder, kProjectFile), text));
  Print(options, project, keys);
  return {};
}

}  // namespace

void AddInit(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* command = app.add_subcommand("init", "Make a project folder from a template");
  command->add_option("DIR", options->folder, "Folder to make")->required();
  command->add_option("--template", options->template_name, "Which template: retail")
      ->capture_default_str();
  command->add_option("--name", options->name, "Project name (default: the folder's)");
  command->add_flag("--json", options->json, "Print the keys as JSON");
  command->footer(
      "Prints two keys, once: admin for people, agents for web servers. `tarn keys` makes more.\n"
      "Examples:\n  tarn init shop --template retail\n  tarn init shop --json > keys.json");
  command->callback(
      [&context, &run, options] { run = [&context, options] { return Init(context, *options); }; });
}

}  // namespace tarn::app
