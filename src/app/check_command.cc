#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/server.h"
#include "base/text.h"

namespace tarn::app {

Result<Project> ProjectOf(Context& context, const std::string& folder) {
  if (!folder.empty()) return LoadProject(context.machine.files, folder);
  TARN_ASSIGN_OR_RETURN(const std::string found, FindProject(context.machine.files, "."));
  return LoadProject(context.machine.files, found);
}

void AddCheck(CLI::App& app, Context& context, Run& run) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("check", "Validate a project's configuration; changes nothing");
  command->add_option("DIR", *folder, "Project folder (default: this one, or the nearest above)");
  command->footer("Example:\n  tarn check shop");
  command->callback([&context, &run, folder] {
    run = [&context, folder]() -> Status {
      TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, *folder));
      fmt::print("{}: fine, {} source{}\n", project.name, project.sources.size(),
                 project.sources.size() == 1 ? "" : "s");
      return {};
    };
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
  project.listen_address = address;
  project.listen_port = static_cast<uint16_t>(port);
  return {};
}

}  // namespace

void AddServe(CLI::App& app, Context& context, Run& run) {
  auto folder = std::make_shared<std::string>();
  auto options = std::make_shared<ServeOptions>();
  auto listen = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("serve", "Run the server until Ctrl-C or SIGTERM");
  command->add_option("DIR", *folder, "Project folder (default: this one, or the nearest above)");
  command->add_option("--listen", *listen, "ADDRESS:PORT instead of tarn.yaml's");
  command->add_flag("--accept-loss", options->accept_loss,
                    "Go on although acknowledged records are gone; each loss is logged");
  command->footer(
      "Logs to standard error. docs/operation.md says how to run it as a service.\n"
      "Examples:\n  tarn serve shop\n  tarn serve shop --listen 0.0.0.0:8700");
  command->callback([&context, &run, folder, options, listen] {
    run = [&context, folder, options, listen]() -> Status {
      TARN_ASSIGN_OR_RETURN(Project project, ProjectOf(context, *folder));
      if (!listen->empty()) TARN_TRY(ListenOn(*listen, project));
      return Serve(context.machine, project, *options);
    };
  });
}

}  // namespace tarn::app
