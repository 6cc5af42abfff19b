#pragma once

#include <string>

#include "agent/checkpoint.h"
#include "os/file_system.h"

namespace tarn::agent {

// What `tarn-agent --status` says: the files of the checkpoint as they are on disk now, and what
// kept the agent from sending when it wrote that.
std::string PrintStatus(os::FileSystem& files, const Checkpoint& checkpoint, bool as_json);

}  // namespace tarn::agent
