#include "auth/tls_settings.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

namespace tarn::auth {
namespace {

constexpr int64_t kExpiryWarningMicros = 14 * kMicrosPerDay;

struct FreeOpenssl {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, FreeOpenssl>;
using X509Ptr = std::unique_ptr<X509, FreeOpenssl>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeOpenssl>;

// An encrypted key must fail, not ask a terminal for its password.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/) { return -1; }

BioPtr Memory(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// PEM files are a few KB; a large one is some other file.
constexpr uint64_t kMaxPemBytes = 1 << 20;

Result<std::string> ReadPem(os::FileSystem& files, const std::string& path) {
  TARN_ASSIGN_OR_RETURN(const os::FileInfo info, files.Stat(path));
  if (info.is_directory || info.size > kMaxPemBytes)
    return InvalidArgument(path + ": is no PEM file");
  return files.ReadFile(path);
}

Result<Timestamp> TimeOf(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return InvalidArgument("unreadable time");
  return TimestampFromCivil({fields.tm_year + 1900, fields.tm_mon + 1, fields.tm_mday,
                             fields.tm_hour, fields.tm_min, fields.tm_sec, 0});
}

Status CheckValidity(const X509& certificate, Timestamp now, TlsFiles& out) {
  TARN_ASSIGN_OR_RETURN(const Timestamp not_before, TimeOf(X509_get0_notBefore(&certificate)));
  TARN_ASSIGN_OR_RETURN(out.not_after, TimeOf(X509_get0_notAfter(&certificate)));
  if (now < not_before)
    return InvalidArgument("the certificate is valid only from " + FormatTimestamp(not_before));
  if (now >= out.not_after)
    return InvalidArgument("the certificate expired at " + FormatTimestamp(out.not_after));
  return {};
}

Result<X509Ptr> ReadCertificate(os::FileSystem& files, const std::string& path, TlsFiles& out) {
  if (path.empty()) return InvalidArgument("TLS needs a certificate");
  TARN_ASSIGN_OR_RETURN(out.certificate_chain_pem, ReadPem(files, path));
  const BioPtr bio = Memory(out.certificate_chain_pem);
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (!certificate) return InvalidArgument(path + ": holds no PEM certificate");
  return certificate;
}

Result<KeyPtr> ReadKey(os::FileSystem& files, const std::string& path, TlsFiles& out) {
  if (path.empty()) return InvalidArgument("TLS needs the certificate's key");
  TARN_ASSIGN_OR_RETURN(out.private_key_pem, ReadPem(files, path));
  const BioPtr bio = Memory(out.private_key_pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (!key) return InvalidArgument(path + ": holds no unencrypted PEM private key");
  return key;
}

// Once it can be read.
Status CheckCertificate(const X509& certificate, const std::string& path, Timestamp now,
                        TlsFiles& out) {
  out.certificate_sha256.resize(32);
  X509_digest(&certificate, EVP_sha256(),
              reinterpret_cast<unsigned char*>(out.certificate_sha256.data()), nullptr);
  if (Status valid = CheckValidity(certificate, now, out); !valid.ok())
    return std::move(valid).error().In(path);
  if (out.not_after.micros - now.micros < kExpiryWarningMicros) {
    out.warnings.push_back(path + ": the certificate expires at " + FormatTimestamp(out.not_after));
  }
  return {};
}

Status WarnOfReaders(os::FileSystem& files, const std::string& key_path, TlsFiles& out) {
  TARN_ASSIGN_OR_RETURN(const os::FileInfo info, files.Stat(key_path));
  if ((info.mode & 0077) != 0) {
    out.warnings.push_back(key_path + ": others can read the private key; run chmod 600 on it");
  }
  return {};
}

}  // namespace

LoadedTls LoadTls(os::FileSystem& files, const TlsSettings& settings, Timestamp now) {
  LoadedTls out;
  const auto key = ReadKey(files, settings.key_file, out.files);
  out.key = key.ok() ? WarnOfReaders(files, settings.key_file, out.files) : Status(key.error());
  const auto certificate = ReadCertificate(files, settings.certificate_file, out.files);
  if (!certificate.ok()) {
    out.certificate = certificate.error();
    return out;
  }
  out.certificate = CheckCertificate(**certificate, settings.certificate_file, now, out.files);
  if (key.ok() && X509_check_private_key(certificate->get(), key->get()) != 1) {
    ERR_clear_error();
    out.key = InvalidArgument(settings.key_file + ": is not the key of the certificate in " +
                              settings.certificate_file);
  }
  return out;
}

}  // namespace tarn::auth
