#pragma once

#include "agent/agent.h"
#include "agent/test_rig.h"

// The agent with its threads, for tests.
namespace tarn::agent::testing {

// An agent over a server in memory; time runs ahead of the test.
class Fixture {
 public:
  explicit Fixture(const std::string& glob) : settings(SettingsFor(glob)) {
    settings.state_dir = folder / "state";
    clock.Advance(kMicrosPerSecond);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  Status Run(bool once) {
    auto agent = Agent::Open(settings, {files, clock, random, events, server}).value();
    os::Mutex mutex;
    os::ConditionVariable changed;
    bool done = false;
    os::Thread time("time", [&] {
      os::MutexLock lock(mutex);
      while (!done) {
        clock.Advance(kMicrosPerSecond / 10);
        changed.WaitFor(mutex, 1'000);
      }
    });
    if (look) end = [&] { return look(*agent); };
    const Status status = agent->Run(once, end);
    {
      os::MutexLock lock(mutex);
      done = true;
      changed.NotifyAll();
    }
    time.Join();
    return status;
  }

  TempFolder folder;
  AgentSettings settings;
  GuardedFiles files;
  os::FakeClock clock{Timestamp{1'795'525'200'000'000}};
  os::SeededRandom random{1};
  obs::Registry registry;
  FakeServer server;
  Agent::EndCheck end;
  std::function<bool(const Agent&)> look;  // instead of `end`

  LogPaper log;

 private:
  obs::Logger logger_{clock, log.fd(), obs::LogFormat::kText, obs::Level::kInfo};

 public:
  Events events{logger_, registry};
};

}  // namespace tarn::agent::testing
