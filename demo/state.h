#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/file_system.h"

namespace tarn::demo {

// What a demo folder remembers between runs (state.json, replaced atomically).
struct DemoState {
  uint64_t seed = 1;
  uint32_t epoch = 0;  // of the last live run; the history is 0
  int servers = 4;
  std::optional<int> days;  // of history; none in folders of before this was noted
  bool history_done = false;
  bool clean_stop = true;  // false while a run lives: the truth may lack its last second
  std::vector<int> ports;  // of the web servers
  int server_port = 0;     // of tarn serve
};

// NotFound if the folder is new; DataLoss if the file is damaged.
Result<DemoState> LoadState(os::FileSystem& fs, const std::string& path);
Status SaveState(os::FileSystem& fs, const std::string& path, const DemoState& state);

}  // namespace tarn::demo
