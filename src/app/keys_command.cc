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
  bool aws = false;
  bool json = false;
};

// What is shown of a key once, when it is made.
struct NewKey {
  std::string text;
  std::optional<auth::AwsCredentials> aws;
};

constexpr std::string_view kReloadHint = "A running server takes it up within a second.";

codec::Json ToJson(const auth::Principal& principal) {
  codec::Json json;
  json.Set("name", principal.name);
  json.Set("role", auth::RoleName(principal.role));
  codec::Json::Array sources;  // none: all
  for (const std::string& source : principal.sources) sources.emplace_back(source);
  json.Set("sources", std::move(sources));
  return json;
}

void Show(const NewKey& key, const auth::Principal& principal, bool as_json) {
  if (as_json) {
    codec::Json json = ToJson(principal);
    json.Set("key", key.text);
    if (key.aws) {
      json.Set("aws_access_key_id", key.aws->access_key_id);
      json.Set("aws_secret_access_key", key.aws->secret_access_key);
    }
    fmt::print("{}\n", codec::DumpJson(json));
    return;
  }
  fmt::print("{}\n", key.text);
  // As ~/.aws/credentials has them.
  if (key.aws) {
    fmt::print("aws_access_key_id = {}\naws_secret_access_key = {}\n", key.aws->access_key_id,
               key.aws->secret_access_key);
  }
  fmt::print(stderr, "Shown this once. {}\n", kReloadHint);
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
  const auth::Principal principal{options.name, role, options.sources};
  NewKey key;
  const bool lost = KeysLost(context.machine, project);
  TARN_TRY(ChangeKeys(context.machine, project, [&](auth::KeyRing& ring) -> Status {
    TARN_ASSIGN_OR_RETURN(key.text, ring.Create(principal, context.machine.random));
    if (!options.aws) return {};
    TARN_ASSIGN_OR_RETURN(key.aws, ring.CreateAws(principal.name, context.machine.random));
    return {};
  }));
  if (lost) {
    fmt::print(stderr,
               "warning: {} was gone, and with it all keys made before: agents and people need new "
               "ones, unless you restore the file\n",
               project.keys_file());
  }
  Show(key, principal, options.json);
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
      codec::Json one = ToJson(key.principal);
      if (key.aws) one.Set("aws_access_key_id", key.aws->access_key_id);
      list.push_back(std::move(one));
    }
    fmt::print("{}\n", codec::DumpJson(list, true));
    return {};
  }
  TextTable table({"name", "role", "sources", "aws access key id"});
  for (const auth::KeyRing::Key& key : ring.keys()) {
    table.Add({key.principal.name, std::string(auth::RoleName(key.principal.role)),
               key.principal.sources.empty() ? "all" : Join(key.principal.sources, ", "),
               key.aws ? key.aws->access_key_id : "-"});
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
  create->add_flag(
      "--aws", options->aws,
      "With an access key id and a secret for clients of AWS that sign their requests");
  create->add_flag("--json", options->json, "As JSON");
  create->footer(
      "Examples:\n  tarn keys create web-1 shop --role ingest --source web_log > web-1.key\n"
      "  tarn keys create kinesis-1 shop --role ingest --aws\n"
      "  tarn keys create dashboard shop --role reader --json");
  CLI::App* list =
      add("list", "List keys by name; keys and secrets are shown when they are made, only", "",
          ListKeys);
  list->add_flag("--json", options->json, "As JSON");
  list->footer("Examples:\n  tarn keys list shop\n  tarn keys list shop --json");
  add("revoke", "Make a key worthless", kKeyWord, RevokeKey)
      ->footer("Example:\n  tarn keys revoke web-1 shop");
}

}  // namespace tarn::app
