#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "os/file_system.h"

namespace tarn::auth {

// Where a listener finds its certificate; both empty: no TLS.
struct TlsSettings {
  std::string certificate_file;  // PEM, the server's certificate first, then its chain
  std::string key_file;          // PEM, not encrypted

  bool enabled() const { return !certificate_file.empty() || !key_file.empty(); }
};

struct TlsFiles {
  std::string certificate_chain_pem;
  std::string private_key_pem;
  Timestamp not_after;             // of the server's certificate
  std::string certificate_sha256;  // of its DER form, 32 bytes: what a client may pin
  std::vector<std::string>
      warnings;  // for a person: key readable by others, expires within 14 days
};

// The files, and what is wrong with each of them.
struct LoadedTls {
  TlsFiles files;
  Status certificate;
  Status key;
};

// Reads both files and checks that they are what they should be: a certificate and the key that
// belongs to it, valid now. InvalidArgument names the file and what to do; NotFound,
// PermissionDenied as from the file system. A key is that of no certificate at all only where both
// can be read.
LoadedTls LoadTls(os::FileSystem& files, const TlsSettings& settings, Timestamp now);

}  // namespace tarn::auth
