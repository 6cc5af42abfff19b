#pragma once

#include <functional>
#include <string>

#include "app/lake_handle.h"
#include "app/project.h"

namespace CLI {
class App;
}

namespace tarn::app {

// What every subcommand gets.
struct Context {
  Machine& machine;
  std::string self;  // absolute path of this executable
};

// A subcommand registers its options with CLI11 and sets `run` if it was chosen. The exit status of
// the program is that of the error (base/error.h), 0 for success.
using Run = std::function<Status()>;

void AddInit(CLI::App& app, Context& context, Run& run);
void AddCheck(CLI::App& app, Context& context, Run& run);
void AddServe(CLI::App& app, Context& context, Run& run);
void AddParse(CLI::App& app, Context& context, Run& run);
void AddSql(CLI::App& app, Context& context, Run& run);
void AddStatus(CLI::App& app, Context& context, Run& run);
void AddDatasets(CLI::App& app, Context& context, Run& run);
void AddDataset(CLI::App& app, Context& context, Run& run);
void AddQuarantine(CLI::App& app, Context& context, Run& run);
void AddMaintain(CLI::App& app, Context& context, Run& run);
void AddKeys(CLI::App& app, Context& context, Run& run);
void AddConfigReference(CLI::App& app, Context& context, Run& run);
void AddCompletion(CLI::App& app, Context& context, Run& run);
void AddHelp(CLI::App& app, Context& context, Run& run);
void AddVersion(CLI::App& app, Context& context, Run& run);

// The project a command works on: the folder given, or the nearest one around the current folder.
// `load_tls` as in LoadProject.
Result<Project> ProjectOf(Context& context, const std::string& folder,
                          const TlsLoader& load_tls = {});

}  // namespace tarn::app
