#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "app/command.h"
#include "app/command_line.h"
#include "app/local_key.h"
#include "app/text_table.h"
#include "auth/api_key.h"
#include "base/text.h"
#include "codec/json.h"

namespace tarn::app {
namespace {

struct KeysOptions {
  std::string folder;
  std::string name;
  std::string role = "ingest";
  std::vector<std::string> sources;
  bool json = false;
};

constexpr std::string_view kReloadHint = "A running server takes it up within a second.";

// `key`: the key itself, where it has just been made.
codec::Json ToJson(const auth::Principal& principal, const std::string* key) {
  codec::Json json;
  json.Set("name", principal.name);
  json.Set("role", auth::RoleName(principal.role));
  codec::Json::Array sources;  // none: all
  for (const std::string& source : principal.sources) sources.emplace_back(source);
  json.Set("sources", std::move(sources));
  if (key != nullptr) json.Set("key", *key);
  return json;
}

Status RequireSources(const Project& project, const std::vector<std::string>& wanted) {
  const std::vector<std::string> known = project.source_names();
  for (const std::string& name : wanted) {
    if (std::ranges::find(known, name) == known.end())
      return lake::NoSuchSource(name, {known.begin(), known.end()});
  }
  return {};
}

Status CreateKey(Context& context, const KeysOptions& options) {
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_TRY(RequireSources(project, options.sources));
  TARN_ASSIGN_OR_RETURN(const auth::Role role, auth::ParseRole(options.role));
  std::string key;
  const bool lost = KeysLost(context.machine, project);
  TARN_TRY(ChangeKeys(context.machine, project, [&](auth::KeyRing& ring) -> Status {
    TARN_ASSIGN_OR_RETURN(
        key, ring.Create({options.name, role, options.sources}, context.machine.random));
    return {};
  }));
  if (lost) {
    fmt::print(stderr,
               "warning: {} was gone, and with it all keys made before: agents and people need new "
               "ones, unless you restore the file\n",
               project.keys_file());
  }
  if (options.json) {
    fmt::print("{}\n", codec::DumpJson(ToJson({options.name, role, options.sources}, &key)));
  } else {
    fmt::print("{}\n", key);
    fmt::print(stderr, "Shown this once. {}\n", kReloadHint);
  }
  // Last: should it fail, the key was shown.
  return lost ? EnsureLocalKey(context.machine, project) : Status();
}

std::vector<std::string> NamesOf(const auth::KeyRing& ring) {
  std::vector<std::string> names;
  for (const auth::KeyRing::Key& key : ring.keys()) names.push_back(key.principal.name);
  return names;
}

Status RevokeKey(Context& context, const KeysOptions& options) {
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_TRY(ChangeKeys(context.machine, project, [&](auth::KeyRing& ring) -> Status {
    Status gone = ring.Revoke(options.name);
    if (gone.ok() || gone.error().code() != Code::kNotFound) return gone;
    return NotFound("no key " + NoSuch(options.name, NamesOf(ring), "`tarn keys list` lists them"));
  }));
  fmt::print("{} is revoked. {}\n", options.name, kReloadHint);
  return {};
}

Status ListKeys(Context& context, const KeysOptions& options) {
  TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, options.folder));
  TARN_ASSIGN_OR_RETURN(const auto ring,
                        auth::KeyRing::Load(context.machine.files, project.keys_file()));
  if (options.json) {
    codec::Json::Array list;
    for (const auth::KeyRing::Key& key : ring.keys()) {
      list.emplace_back(ToJson(key.principal, nullptr));
    }
    fmt::print("{}\n", codec::DumpJson(list, true));
    return {};
  }
  TextTable table({"name", "role", "sources"});
  for (const auth::KeyRing::Key& key : ring.keys()) {
    table.Add({key.principal.name, std::string(auth::RoleName(key.principal.role)),
               key.principal.sources.empty() ? "all" : Join(key.principal.sources, ", ")});
  }
  fmt::print("{}", table.Print());
  return {};
}

}  // namespace

void AddKeys(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<KeysOptions>();
  CLI::App* command = app.add_subcommand("keys", "Make, list and revoke keys");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  tarn keys create web-1 shop --role ingest --source web_log\n"
      "  tarn keys list shop\n"
      "  tarn keys revoke web-1 shop\n"
      "A running server takes changes up within a second.");
  const auto add = [&](const std::string& verb, const std::string& help, std::string_view word,
                       Status (*action)(Context&, const KeysOptions&)) {
    CLI::App* sub = command->add_subcommand(verb, help);
    if (!word.empty()) AddWord(*sub, word, options->name, "Name of the key")->required();
    AddProjectFolder(*sub, options->folder);
    sub->callback([&context, &run, options, action] {
      run = [&context, options, action] { return action(context, *options); };
    });
    return sub;
  };
  CLI::App* create = add("create", "Make a key and print it, once", "NAME", CreateKey);
  OneOf(create->add_option("--role", options->role, "What it may do"), auth::RoleNames())
      ->capture_default_str();
  create->add_option("--source", options->sources, "Sources an ingest key may send (default: all)")
      ->type_name(std::string(kSourceWord));
  create->add_flag("--json", options->json, "As JSON");
  create->footer(
      "Examples:\n  tarn keys create web-1 shop --role ingest --source web_log > web-1.key\n"
      "  tarn keys create dashboard shop --role reader --json");
  CLI::App* list =
      add("list", "List keys by name; the keys themselves are kept nowhere", "", ListKeys);
  list->add_flag("--json", options->json, "As JSON");
  list->footer("Examples:\n  tarn keys list shop\n  tarn keys list shop --json");
  add("revoke", "Make a key worthless", kKeyWord, RevokeKey)
      ->footer("Example:\n  tarn keys revoke web-1 shop");
}

}  // namespace tarn::app
