#include "demo/apache.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "demo/customers.h"
#include "demo/rng.h"
#include "demo/site.h"
#include "demo/socket.h"
#include "os/clock.h"

namespace tarn::demo {
namespace {

constexpr std::string_view kPrograms[] = {"/usr/sbin/apache2", "/usr/local/sbin/apache2"};
constexpr std::string_view kModules = "/usr/lib/apache2/modules";
constexpr int64_t kStartMicros = 15 * kMicrosPerSecond;
// {SHA} of kDemoPassword, as mod_authn_file reads it.
constexpr std::string_view kPasswordHash = "{SHA}ieSV55Qc+eQOaYDRSha/AjzNTJE=";

constexpr std::array<std::string_view, 13> kModuleNames = {
    "mpm_event", "authz_core", "authz_user", "authn_core", "authn_file", "auth_basic", "dir",
    "mime",      "reqtimeout", "remoteip",   "rewrite",    "headers",    "alias"};

// Small servers: 64 requests at once, half of them without a thread started for it.
constexpr std::string_view kSizes = R"(StartServers 1
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
MinSpareThreads 16
MaxSpareThreads 64
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 1000
RequestReadTimeout header=2 body=5
)";

// The paths of the shop. X-Outcome is how the client of the demo has the server fail or redirect as
// a shop's program would. IS_SUBREQ and REDIRECT_STATUS keep error pages out of it.
constexpr std::string_view kShopRules = R"(RewriteEngine On
RewriteCond %{ENV:REDIRECT_STATUS} !^$
RewriteRule ^ - [L]
RewriteCond %{HTTP:X-Outcome} =500
RewriteRule ^ - [R=500,L]
RewriteCond %{HTTP:X-Outcome} =302
RewriteRule ^/cart/add /cart? [R=302,L]
RewriteCond %{HTTP:X-Outcome} =302
RewriteRule ^/(guest/checkout|checkout)/pay /$1/done? [R=302,L]
RewriteCond %{HTTP:X-Outcome} =302
RewriteRule ^ /account [R=302,L]
RewriteRule ^/shop/(.*)$ /c/$1 [R=301,L]
RewriteRule ^/$ /page/home.html [L]
RewriteRule ^/search$ /page/search.html [L]
RewriteRule ^/c/[a-z-]+$ /page/category.html [L]
RewriteCond %{DOCUMENT_ROOT}/retired/$1 -f
RewriteRule ^/p/([A-Z]+-[0-9]+)/ - [R=410,L]
RewriteRule ^/p/[A-Z]+-[0-9]+([0-9])/[a-z0-9-]+$ /page/product$1.html [L]
RewriteRule ^/img/[A-Z]+-[0-9]+-([sml])\.jpg$ /img/$1.jpg [L]
RewriteRule ^/api/stock/[A-Z]+-[0-9]+$ /api/stock.json [L]
RewriteRule ^/cart$ /page/cart.html [L]
RewriteRule ^/(guest/checkout|checkout)$ /page/checkout.html [L]
RewriteRule ^/(guest/checkout|checkout)/done$ /page/done.html [L]
RewriteRule ^/account$ /page/account.html [L]
RewriteRule ^/account/orders$ /page/orders.html [L]
RewriteRule ^/account/returns$ /page/returns.html [L]
ErrorDocument 404 /page/404.html
ErrorDocument 410 /page/410.html
ErrorDocument 500 /page/500.html
)";

std::string PidPath(const std::string& root) { return root + "/run/httpd.pid"; }
std::string ConfigPath(const std::string& root) { return root + "/httpd.conf"; }

std::string QuotedFormat() {
  std::string out;
  for (const char c : kLogFormat) {
    if (c == '"') out += '\\';
    out += c;
  }
  return out;
}

std::string Config(const ApacheOptions& options) {
  std::string out = fmt::format(
      "# Written by tarn demo at each start.\n"
      "ServerRoot \"{0}/run\"\nDefaultRuntimeDir \"{0}/run\"\nPidFile \"{1}\"\n"
      "Mutex \"file:{0}/run\" default\nServerName {2}.shop.example\n"
      "Listen 127.0.0.1:{3}\nListen [::1]:{3}\n",
      options.root, PidPath(options.root), options.name, options.port);
  if (geteuid() == 0) out += "User www-data\nGroup www-data\n";
  for (const std::string_view name : kModuleNames) {
    out += fmt::format("LoadModule {0}_module {1}/mod_{0}.so\n", name, kModules);
  }
  out += kSizes;
  out += fmt::format(
      "ErrorLog \"{0}/error.log\"\nLogFormat \"{1}\" demo\nCustomLog \"{2}/access.log\" demo\n"
      "TypesConfig /etc/mime.types\n"
      "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1 ::1\n"
      "Header always set X-Time \"%t\"\n",
      options.root, QuotedFormat(), options.log_dir);
  out += fmt::format(
      "DocumentRoot \"{0}/www\"\n<Directory \"{0}/www\">\nOptions None\nAllowOverride None\n"
      "Require all granted\n</Directory>\n"
      "<LocationMatch \"^/(account|checkout)\">\nAuthType Basic\nAuthName \"shop\"\n"
      "AuthUserFile \"{0}/passwords\"\nRequire valid-user\n</LocationMatch>\n",
      options.site);
  out += kShopRules;
  return out;
}

// Anybody may read it: the workers of a server started by root run as www-data.
Status WritePublic(os::FileSystem& fs, const std::string& path, std::string_view bytes) {
  TARN_ASSIGN_OR_RETURN(auto file, fs.Open(path, os::OpenMode::kCreate));
  TARN_TRY(file->Truncate(0));
  TARN_TRY(file->WriteAt(0, bytes));
  if (chmod(path.c_str(), 0644) != 0) return IoError(path + ": cannot make it readable");
  return {};
}

Status MakePublicFolder(os::FileSystem& fs, const std::string& path) {
  TARN_TRY(fs.CreateDirectories(path));
  if (chmod(path.c_str(), 0755) != 0) return IoError(path + ": cannot make it readable");
  return {};
}

// Text for a page, noise for the rest; exactly as long as the site says.
std::string Content(const Document& document) {
  std::string out;
  out.reserve(document.bytes);
  if (document.name.ends_with(".html")) {
    out = "<!doctype html><title>Tarn Outdoor</title><p>";
  } else if (document.name == "robots.txt") {
    out = "User-agent: *\nDisallow: /cart\nSitemap: https://www.shop.example/sitemap.xml\n";
  }
  constexpr std::string_view kFill = "rain or shine, boots and tents ";
  Rng rng(document.bytes);
  const bool binary = document.name.ends_with(".jpg") || document.name.ends_with(".mp4");
  while (out.size() < document.bytes) {
    out += binary ? static_cast<char>(rng.Next()) : kFill[out.size() % kFill.size()];
  }
  out.resize(document.bytes);
  return out;
}

// The port may answer because another program has it; the pid file is written only by a server that
// got its ports.
bool IsUp(os::FileSystem& fs, const Child& child, const ApacheOptions& options) {
  const auto pid = fs.ReadFile(PidPath(options.root));
  return pid.ok() && std::atoi(pid->c_str()) == child.pid() &&
         Socket::Connect(options.port, false, kMicrosPerSecond).ok() &&
         Socket::Connect(options.port, true, kMicrosPerSecond).ok();
}

Status WaitUntilListening(os::FileSystem& fs, Child& child, const ApacheOptions& options) {
  const os::SystemClock clock;
  const int64_t deadline = clock.MonotonicMicros() + kStartMicros;
  const std::string log = options.root + "/error.log";
  for (;;) {
    if (!child.Running()) {
      return Unavailable(fmt::format("Apache {} ended at once (status {}); see {} and {}",
                                     options.name, child.exit_status(), log,
                                     options.root + "/output.log"));
    }
    if (IsUp(fs, child, options)) return {};
    if (clock.MonotonicMicros() > deadline) {
      return DeadlineExceeded(fmt::format("Apache {} does not listen on port {}; see {}",
                                          options.name, options.port, log));
    }
    usleep(10'000);
  }
}

}  // namespace

Result<std::string> FindApache() {
  for (const std::string_view path : kPrograms) {
    if (access(std::string(path).c_str(), X_OK) == 0) return std::string(path);
  }
  return NotFound(
      "Apache httpd is not installed; the demo needs it: "
      "apt-get install apache2-bin media-types");
}

// Whether the process has that configuration in its command line; its number may be another's now,
// and what has ended has none.
bool RunsWith(int pid, const std::string& config) {
  std::ifstream file(fmt::format("/proc/{}/cmdline", pid));
  const std::string words{std::istreambuf_iterator<char>(file), {}};
  return words.find(config) != std::string::npos;
}

Status WaitForOldApache(os::FileSystem& fs, const std::string& root) {
  const std::string pid_path = PidPath(root);
  const os::SystemClock clock;
  const int64_t deadline = clock.MonotonicMicros() + kStartMicros;
  for (;;) {
    const auto text = fs.ReadFile(pid_path);
    if (!text.ok()) {  // it removes the file when it ends
      return text.error().code() == Code::kNotFound ? Status() : Status(text.error());
    }
    const int pid = std::atoi(text->c_str());
    if (pid <= 0 || !RunsWith(pid, ConfigPath(root))) {
      const Status removed = fs.Remove(pid_path);
      return removed.ok() || removed.error().code() == Code::kNotFound ? Status() : removed;
    }
    if (clock.MonotonicMicros() > deadline) {
      return Conflict(
          fmt::format("an Apache of an earlier demo still runs (pid {}); end it with "
                      "kill {}",
                      pid, pid));
    }
    usleep(20'000);
  }
}

Status WriteSite(os::FileSystem& fs, const std::string& site, uint64_t seed,
                 const std::vector<Product>& products) {
  for (const std::string_view folder :
       {"", "/www", "/www/page", "/www/img", "/www/assets", "/www/api", "/www/retired"}) {
    TARN_TRY(MakePublicFolder(fs, site + std::string(folder)));
  }
  for (const Document& document : kDocuments) {
    TARN_TRY(WritePublic(fs, site + "/www/" + std::string(document.name), Content(document)));
  }
  for (const Product& product : products) {
    if (product.retired) TARN_TRY(WritePublic(fs, site + "/www/retired/" + product.sku, ""));
  }
  std::string passwords;
  for (uint32_t number = 1; number <= kCustomerCount; ++number) {
    passwords += fmt::format("{}:{}\n", CustomerAt(seed, number).login, kPasswordHash);
  }
  return WritePublic(fs, site + "/passwords", passwords);
}

Result<Apache> Apache::Start(os::FileSystem& fs, const ApacheOptions& options) {
  TARN_ASSIGN_OR_RETURN(const std::string program, FindApache());
  TARN_TRY(MakePublicFolder(fs, options.root + "/run"));
  TARN_TRY(fs.CreateDirectories(options.log_dir));
  TARN_TRY(WaitForOldApache(fs, options.root));
  TARN_TRY(WritePublic(fs, ConfigPath(options.root), Config(options)));
  TARN_ASSIGN_OR_RETURN(Child child,
                        Child::Spawn({program, "-f", ConfigPath(options.root), "-DFOREGROUND"},
                                     options.root + "/output.log"));
  TARN_TRY(WaitUntilListening(fs, child, options));
  return Apache(options, std::move(child));
}

Status Apache::Restart(os::FileSystem& fs) {
  // The worker of a killed one has been killed with it, and closes its ports a moment later.
  if (!PortIsFree(port())) return Unavailable(fmt::format("port {} is not free yet", port()));
  TARN_ASSIGN_OR_RETURN(Apache started, Start(fs, options_));
  child_ = std::move(started.child_);
  ++restarts_;
  return {};
}

Status Apache::Stop(int64_t timeout_micros) {
  if (child_.Stop(timeout_micros)) return {};
  return DeadlineExceeded(
      fmt::format("Apache {} did not stop in time and was killed", options_.name));
}

Status Apache::Rotate(const std::string& to) {
  const std::string target = options_.log_dir + "/" + to;
  if (rename(LogPath().c_str(), target.c_str()) != 0) {
    return IoError(fmt::format("{}: cannot rename it to {}", LogPath(), target));
  }
  child_.Signal(SIGUSR1);
  return {};
}

std::string Apache::LogPath() const { return options_.log_dir + "/access.log"; }

}  // namespace tarn::demo
