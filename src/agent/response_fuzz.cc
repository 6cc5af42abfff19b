#include "agent/checkpoint.h"
#include "agent/settings.h"
#include "agent/socket_transport.h"

// Answers of a server, checkpoint files and configuration: any bytes give a value or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)tarn::agent::ParseResponseHead(text).ok();
  (void)tarn::agent::DecodeCheckpoint(text).ok();
  tarn::config::Resolver resolver;
  resolver.env = [](const std::string& name) -> tarn::Result<std::string> { return name; };
  resolver.file = resolver.env;
  (void)tarn::agent::LoadSettings({{"fuzz", std::string(text)}}, "host", resolver).ok();
  (void)tarn::agent::LoadSettings({{"fuzz", "{}"}, {"agent.d", std::string(text)}}, "host",
                                  resolver)
      .ok();
  return 0;
}
