#pragma once

#include <signal.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "demo/process.h"
#include "demo/products.h"
#include "os/file_system.h"

namespace tarn::demo {

// What the web servers write, one line a request: combined, plus visitor cookie and duration (µs).
inline constexpr std::string_view kLogFormat =
    R"(%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{visitor}C" %D)";
// The password of every customer in the demo's password file.
inline constexpr std::string_view kDemoPassword = "demo";

struct ApacheOptions {
  std::string root;     // absolute; run, conf and error log of this server lie below it
  std::string log_dir;  // absolute; access.log is made here
  std::string site;     // absolute; the document tree made by WriteSite
  std::string name;     // "w1"
  int port = 0;         // on 127.0.0.1 and ::1
};

// The documents, error pages and password file every server shares. Readable by anybody.
Status WriteSite(os::FileSystem& fs, const std::string& site, uint64_t seed,
                 const std::vector<Product>& products);

// The program. NotFound with what to install.
Result<std::string> FindApache();

// An Apache of an earlier run (its demo was killed) gets 15 s to end; Conflict if it does not.
Status WaitForOldApache(os::FileSystem& fs, const std::string& root);

// One real Apache httpd, a child of this process (which must outlive its starting thread).
// Thread-confined.
class Apache {
 public:
  // Writes the configuration and starts; answers when the port accepts, at most 15 s later.
  // NotFound with what to install if there is no apache2 on this machine.
  static Result<Apache> Start(os::FileSystem& fs, const ApacheOptions& options);

  // Starts it again once it has ended (of itself, or killed). Errors are those of Start, and
  // Unavailable while its port is taken.
  Status Restart(os::FileSystem& fs);

  void BeginStop() { child_.Signal(SIGTERM); }
  // SIGTERM, then SIGKILL at the deadline. Every request answered is logged when this returns.
  Status Stop(int64_t timeout_micros);
  // As logrotate does it: renames access.log to `to` (a name), then SIGUSR1. Lines of requests
  // under way still go into the renamed file for a moment.
  Status Rotate(const std::string& to);

  const ApacheOptions& options() const { return options_; }
  bool Running() { return child_.Running(); }
  int port() const { return options_.port; }
  int pid() const { return child_.pid(); }
  int restarts() const { return restarts_; }
  std::string LogPath() const;

 private:
  Apache(ApacheOptions options, Child child)
      : options_(std::move(options)), child_(std::move(child)) {}
  ApacheOptions options_;
  Child child_;
  int restarts_ = 0;
};

}  // namespace tarn::demo
