// bench_measure OUT COMMAND…: runs the command and writes "cpu_s wall_s peak_rss_mb exit" to OUT,
// its children included (wait4). Small itself, because a child's peak memory begins with its
// parent's.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

namespace {

pid_t child = 0;

void PassOn(int signal) {
  if (child > 0) kill(child, signal);
}

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto begin = std::chrono::steady_clock::now();
  child = fork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    _exit(127);
  }
  std::signal(SIGTERM, PassOn);
  std::signal(SIGINT, PassOn);
  int status = 0;
  rusage usage{};
  while (wait4(child, &status, 0, &usage) < 0) {
  }
  const double wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::FILE* out = std::fopen(argv[1], "w");
  if (out == nullptr) return 2;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::fprintf(out, "%.4f %.4f %.2f %d\n", Seconds(usage.ru_utime) + Seconds(usage.ru_stime), wall,
               static_cast<double>(usage.ru_maxrss) * 1024 / 1e6, code);
  std::fclose(out);
  return code;
}
