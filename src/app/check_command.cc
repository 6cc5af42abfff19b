#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/server.h"

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

void AddServe(CLI::App& app, Context& context, Run& run) {
  auto folder = std::make_shared<std::string>();
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Run the server until Ctrl-C or SIGTERM");
  command->add_option("DIR", *folder, "Project folder (default: this one, or the nearest above)");
  command->add_flag("--accept-loss", options->accept_loss,
                    "Go on although acknowledged records are gone; each loss is logged");
  command->footer("Example:\n  tarn serve shop");
  command->callback([&context, &run, folder, options] {
    run = [&context, folder, options]() -> Status {
      TARN_ASSIGN_OR_RETURN(const Project project, ProjectOf(context, *folder));
      return Serve(context.machine, project, *options);
    };
  });
}

}  // namespace tarn::app
