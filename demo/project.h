#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "os/file_system.h"

namespace tarn::demo {

// Where the two programs of the product are, and what the demo tells them. All that depends on
// their command lines and configuration keys is in project.cc.
struct Programs {
  std::string tarn;
  std::string agent;
};
// Beside the running program. NotFound says which is missing.
Result<Programs> FindPrograms(os::FileSystem& fs);

struct ProjectOptions {
  std::string dir;  // absolute
  int server_port = 0;
};

// Conflict while a server has the project open that the demo did not start: what the web servers
// write would not land.
Status CheckNotServed(os::FileSystem& fs, const ProjectOptions& options);
// `tarn init DIR --template retail` unless the project is there; keeps the agents' key in
// DIR/secrets and lets rows land after 2 s.
Status MakeProject(os::FileSystem& fs, const Programs& programs, const ProjectOptions& options,
                   const std::string& log_path);
// The key that commands on this machine show the server; empty before the project is made.
std::string LocalKey(os::FileSystem& fs, const ProjectOptions& options);
std::vector<std::string> ServeCommand(const Programs& programs, const ProjectOptions& options);

struct AgentOptions {
  std::string dir;      // absolute; agent.yaml and the agent's state lie here
  std::string host;     // "w1"
  std::string log_dir;  // absolute
};
// Writes dir/agent.yaml.
Status WriteAgentConfig(os::FileSystem& fs, const ProjectOptions& project,
                        const AgentOptions& options);
std::vector<std::string> AgentCommand(const Programs& programs, const AgentOptions& options);

}  // namespace tarn::demo
