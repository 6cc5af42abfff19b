#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "demo/lake_status.h"

namespace tarn::demo {

struct ServerLine {
  std::string name;
  int port = 0;
  bool up = false;
  double hits_per_second = 0;
  uint64_t hits = 0;      // truth, history included
  uint64_t rejected = 0;  // truth
  bool agent_up = false;
  int restarts = 0;
};
struct ViewInput {
  std::string folder;
  int64_t running_seconds = 0;
  bool lake = true;  // false: only traffic
  bool server_up = false;
  int server_port = 0;
  std::vector<ServerLine> servers;
  LakeStatus status;
  bool status_known = false;
  int64_t now_micros = 0;
  std::string query;  // the command that asks the lake
};

// The live view as lines of at most `columns` characters.
std::vector<std::string> RenderView(const ViewInput& input, int columns);

// Draws lines over those drawn before (ANSI escapes, standard output). Thread-confined.
class Screen {
 public:
  void Draw(const std::vector<std::string>& lines);
  static int Columns();

 private:
  size_t drawn_ = 0;
};

}  // namespace tarn::demo
