#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/command_line.h"
#include "app/server.h"
#include "app/text_table.h"
#include "base/text.h"
#include "codec/json.h"

namespace tarn::app {

Result<Project> ProjectOf(Context& context, const std::string& folder, const TlsLoader& load_tls) {
  if (!folder.empty()) return LoadProject(context.machine.files, folder, load_tls);
  TARN_ASSIGN_OR_RETURN(const std::string found, FindProject(context.machine.files, "."));
  return LoadProject(context.machine.files, found, load_tls);
}

namespace {

// The same with the files a server needs to start; empty where it needs none.
Result<Project> ProjectToServe(Context& context, const std::string& folder, auth::TlsFiles& tls) {
  return ProjectOf(context, folder, [&](const auth::TlsSettings& settings) {
    Machine& machine = context.machine;
    auth::LoadedTls loaded = auth::LoadTls(machine.files, settings, machine.clock.Now());
    tls = loaded.files;
    return loaded;
  });
}

codec::Json::Array Strings(const std::vector<std::string>& texts) {
  codec::Json::Array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

void PrintCheck(const Project& project, bool as_json) {
  const std::vector<std::string> warnings = WarningsOf(project);
  if (as_json) {
    const codec::Json json(codec::Json::Object{{"name", project.name},
                                               {"folder", project.folder},
                                               {"sources", Strings(project.source_names())},
                                               {"warnings", Strings(warnings)},
                                               {"problems", codec::Json::Array()}});
    fmt::print("{}\n", codec::DumpJson(json, true));
    return;
  }
  for (const std::string& warning : warnings) fmt::print("warning: {}\n", warning);
  fmt::print("{}: fine, {}\n", project.name,
             Counted(static_cast<int64_t>(project.sources.size()), "source"));
}

Status Check(Context& context, const std::string& folder, bool as_json) {
  auth::TlsFiles tls;
  const auto project = ProjectToServe(context, folder, tls);
  if (project.ok()) {
    PrintCheck(*project, as_json);
    return {};
  }
  if (as_json) {
    codec::Json::Array problems;
    for (const std::string_view line : Split(project.error().message(), '\n'))
      problems.emplace_back(line);
    codec::Json json;
    json.Set("problems", std::move(problems));
    fmt::print("{}\n", codec::DumpJson(json, true));
  }
  return project.error();
}

}  // namespace

void AddCheck(CLI::App& app, Context& context, Run& run) {
  auto folder = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("check", "Validate a project's configuration; changes nothing");
  AddProjectFolder(*command, *folder);
  command->add_flag("--json", *json, "As JSON, problems too");
  command->footer(
      "Prints every problem with its place, a line each; exit status 2 if there is one.\n"
      "Examples:\n  tarn check shop\n  tarn check shop --json");
  command->callback([&context, &run, folder, json] {
    run = [&context, folder, json] { return Check(context, *folder, *json); };
  });
}

namespace {

// "127.0.0.1:8700", "[::1]:0"
Status ListenOn(const std::string& text, Project& project) {
  const size_t colon = text.rfind(':');
  const uint64_t port = colon == std::string::npos
                            ? UINT64_MAX
                            : ParseUint64(text.substr(colon + 1)).value_or(UINT64_MAX);
  std::string address = text.substr(0, colon);
  if (port > 65535 || address.empty()) {
    return InvalidArgument(fmt::format("--listen {}: write ADDRESS:PORT", text));
  }
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  TARN_ASSIGN_OR_RETURN(project.listen_address, ListenAddress(address));
  project.listen_port = static_cast<uint16_t>(port);
  return {};
}

}  // namespace

void AddServe(CLI::App& app, Context& context, Run& run) {
  auto folder = std::make_shared<std::string>();
  auto options = std::make_shared<ServeOptions>();
  auto listen = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("serve", "Run the server until Ctrl-C or SIGTERM");
  AddProjectFolder(*command, *folder);
  command->add_option("--listen", *listen, "Listen here instead of where tarn.yaml says")
      ->type_name("ADDRESS:PORT");
  command->add_flag("--accept-loss", options->accept_loss,
                    "Go on although acknowledged records are gone; each loss is logged");
  command->footer(
      "Logs to standard error. docs/operation.md says how to run it as a service, and what to set\n"
      "before it listens beyond this machine.\n"
      "Examples:\n  tarn serve shop\n  tarn serve shop --listen 0.0.0.0:8700");
  command->callback([&context, &run, folder, options, listen] {
    run = [&context, folder, options, listen]() -> Status {
      TARN_ASSIGN_OR_RETURN(Project project, ProjectToServe(context, *folder, options->tls));
      if (!listen->empty()) TARN_TRY(ListenOn(*listen, project));
      return Serve(context.machine, project, *options);
    };
  });
}

}  // namespace tarn::app
